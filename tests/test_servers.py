"""The servers that other tests stand on really speak what they claim to."""

import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis
import stomp
from kombu import Connection
from mypy_boto3_sqs import SQSClient
from servers.activemq import ActiveMqServer
from servers.aws import AwsServer
from servers.postgres import PostgresServer
from servers.process import Process, ServerNotReadyError, accepts_connections, wait_until
from servers.rabbitmq import RabbitMqServer
from servers.redis import RedisServer
from servers.stomp_broker import StompBroker

# PostgreSQL


def test_postgres_copies_a_template(postgres_server: PostgresServer) -> None:
    """A database made from a template holds what the template held, and is apart from it."""
    template = postgres_server.create_database()
    _execute(template, "CREATE TABLE parcel (name text)", "INSERT INTO parcel VALUES ('first')")

    copy = postgres_server.create_database(template=template)
    _execute(copy, "INSERT INTO parcel VALUES ('second')")

    assert _rows(copy, "SELECT name FROM parcel ORDER BY name") == [("first",), ("second",)]
    assert _rows(template, "SELECT name FROM parcel") == [("first",)]


def test_postgres_is_version_18(postgres_server: PostgresServer) -> None:
    """Tests run against the PostgreSQL that we say they run against."""
    url = postgres_server.create_database()

    assert _rows(url, "SELECT current_setting('server_version_num')::int / 10000") == [(18,)]


def test_postgres_drops_a_database_in_use(postgres_server: PostgresServer) -> None:
    """A database goes away even while a forgotten connection is open."""
    url = postgres_server.create_database()

    with psycopg.connect(_conninfo(url), autocommit=True):
        postgres_server.drop_database(url)

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(_conninfo(url))


@pytest.mark.parametrize("immediate", [True, False])
def test_postgres_keeps_commits_over_a_restart(immediate: bool) -> None:  # noqa: FBT001
    """What was committed is there after the server was stopped, gently or not, and started again."""
    with PostgresServer(fsync=True) as server:
        url = server.create_database()
        _execute(url, "CREATE TABLE parcel (name text)", "INSERT INTO parcel VALUES ('first')")

        server.stop(immediate=immediate)
        assert not accepts_connections(server.port)
        server.start()

        assert _rows(url, "SELECT name FROM parcel") == [("first",)]


# Redis


def test_redis_answers_and_forgets(redis_server: RedisServer) -> None:
    """A flush empties every database."""
    with redis.Redis.from_url(redis_server.url(3)) as client:
        client.set("bell", "rung")
        redis_server.flush()

        assert client.ping()
        assert client.get("bell") is None


def test_redis_pauses(redis_server: RedisServer) -> None:
    """A paused server takes connections and answers nobody until it is resumed."""
    redis_server.pause()
    try:
        with (
            redis.Redis.from_url(redis_server.url(), socket_timeout=0.2) as client,
            pytest.raises(redis.TimeoutError),
        ):
            client.ping()
    finally:
        redis_server.resume()

    with redis.Redis.from_url(redis_server.url()) as client:
        assert client.ping()


def test_redis_comes_back_on_its_port() -> None:
    """A stopped server refuses connections, and answers at the same address when it was started again."""
    with RedisServer() as server, redis.Redis.from_url(server.url()) as client:
        server.stop()
        with pytest.raises(redis.ConnectionError):
            client.ping()

        server.start()

        assert client.ping()


# STOMP brokers


def test_stomp_broker_gives_receipts(stomp_broker: StompBroker) -> None:
    """CoilMQ takes a message, confirms it and hands it to a subscriber."""
    assert _send_and_receive(stomp_broker.port) == "parcel"


@pytest.mark.rabbitmq
def test_rabbitmq_speaks_stomp(rabbitmq_server: RabbitMqServer) -> None:
    """RabbitMQ takes a message over STOMP, confirms it and hands it to a subscriber."""
    login = (rabbitmq_server.user, rabbitmq_server.password)

    assert _send_and_receive(rabbitmq_server.stomp_port, login) == "parcel"


@pytest.mark.rabbitmq
def test_rabbitmq_speaks_amqp(rabbitmq_server: RabbitMqServer) -> None:
    """RabbitMQ takes what Celery's own client publishes, into a quorum queue."""
    with Connection(rabbitmq_server.url) as connection:
        queue = connection.SimpleQueue("bells", queue_args={"x-queue-type": "quorum"}, exchange_opts={})
        queue.put({"ring": 1})
        message = queue.get(timeout=10)
        message.ack()
        queue.close()

    assert message.payload == {"ring": 1}


@pytest.mark.activemq
def test_activemq_speaks_stomp(activemq_server: ActiveMqServer) -> None:
    """ActiveMQ takes a message over STOMP, confirms it and hands it to a subscriber."""
    assert _send_and_receive(activemq_server.port) == "parcel"


@pytest.mark.activemq
def test_activemq_wants_its_login(activemq_server_with_login: ActiveMqServer) -> None:
    """An ActiveMQ with login lets in who knows the password, and nobody else."""
    server = activemq_server_with_login

    assert _send_and_receive(server.port, (server.user, server.password)) == "parcel"
    with pytest.raises(stomp.exception.ConnectFailedException):
        _send_and_receive(server.port, (server.user, "wrong"))
    with pytest.raises(stomp.exception.ConnectFailedException):
        _send_and_receive(server.port)


# AWS


def test_aws_takes_messages(aws_server: AwsServer, sqs: SQSClient) -> None:
    """A queue gives back what was sent to it, and a reset forgets the queue."""
    url = sqs.create_queue(QueueName="parcels")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="parcel")

    received = sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]
    aws_server.reset()
    queues_after_reset = sqs.list_queues().get("QueueUrls", [])

    assert received == "parcel"
    assert queues_after_reset == []


# Processes


def test_process_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    """A server that ends at once is reported with what it said."""
    process = Process([sys.executable, "-c", "print('no such option')"], folder=tmp_path)

    with pytest.raises(ServerNotReadyError, match="no such option"):
        process.start(ready=lambda: False)

    assert not process.is_running


def test_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    """A process that ignores SIGTERM is gone after its patience, even when it was paused."""
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
    )
    process = Process([sys.executable, "-c", code], folder=tmp_path)
    process.start(ready=lambda: "on" in process.log.read_text())
    pid = process.pid
    process.send(signal.SIGSTOP)

    process.stop(patience=0.2)

    assert not psutil.pid_exists(pid)


def _conninfo(url: str) -> str:
    return url.replace("+psycopg", "")


def _execute(url: str, *statements: str) -> None:
    with psycopg.connect(_conninfo(url)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(_conninfo(url)) as connection:
        return connection.execute(query.encode()).fetchall()


class _Listener(stomp.ConnectionListener):
    def __init__(self) -> None:
        self.receipts: list[str] = []
        self.bodies: list[str] = []
        self.errors: list[str] = []

    def on_error(self, frame: Any) -> None:
        self.errors.append(f"{frame.headers.get('message')}: {frame.body}")

    def on_receipt(self, frame: Any) -> None:
        self.receipts.append(frame.headers["receipt-id"])

    def on_message(self, frame: Any) -> None:
        self.bodies.append(frame.body)


def _send_and_receive(port: int, login: tuple[str, str] | None = None) -> str:
    """Send a message with a receipt, wait for that, then take the message from the queue."""
    listener = _Listener()
    line = stomp.Connection11([("127.0.0.1", port)], reconnect_attempts_max=1)
    line.set_listener("test", listener)
    try:
        line.connect(*(login or ()), wait=True)
        line.send("/queue/parcels", "parcel", receipt="sent")
        wait_until(lambda: "sent" in listener.receipts, "the receipt of the message", seconds=10)
        line.subscribe("/queue/parcels", id="1")
        wait_until(lambda: bool(listener.bodies), "the message", seconds=10)
    except stomp.exception.ConnectFailedException as error:
        error.add_note(f"the broker said: {listener.errors}")
        raise
    finally:
        with suppress(stomp.exception.NotConnectedException):
            line.disconnect()
    return listener.bodies[0]
