"""Web and workers as processes of their own, with PostgreSQL and each broker; and what happens when parts die."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from flows.deployment import Deployment
from flows.installed import API_KEY, Api, Running
from servers.postgres import PostgresServer
from servers.process import wait_until
from servers.rabbitmq import RabbitMqServer
from servers.receiver import Receiver
from servers.redis import RedisServer

from postrider.bell.app import DELIVER_TASK, make_app
from postrider.pipeline.drain import FIRST_WINDOW
from postrider.store import processes
from postrider.store.engine import Database
from postrider.store.processes import ProcessKind

ROOT = Path(__file__).parents[2]


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> Iterator[str]:
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    if request.param == "redis":
        redis: RedisServer = request.getfixturevalue("redis_server")
        return str(redis.url(1))
    rabbitmq: RabbitMqServer = request.getfixturevalue("rabbitmq_server")
    return str(rabbitmq.url)


@pytest.fixture
def deployment(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(database_url, broker_url, tmp_path) as running:
        yield running


@pytest.fixture
def redis_deployment(database_url: str, redis_server: RedisServer, tmp_path: Path) -> Iterator[Deployment]:
    redis_server.flush()
    with Deployment(database_url, redis_server.url(0), tmp_path) as running:
        yield running


def delivered(deployment: Deployment, count: int) -> Callable[[], bool]:
    return lambda: deployment.api.statuses() == {"delivered": count}


def once_each(receiver: Receiver) -> bool:
    ids = [json.loads(request.body)["id"] for request in receiver.requests]
    return len(ids) == len(set(ids))


def test_events_arrive_once_with_two_workers(deployment: Deployment, receiver: Receiver) -> None:
    """Through either broker, with two workers, every event arrives exactly once."""
    for _ in range(2):
        deployment.worker()
    deployment.api.integrate(receiver.url)

    deployment.api.publish(200)

    receiver.wait_for(200, timeout=60)
    wait_until(delivered(deployment, 200), "all are known as delivered", seconds=30)
    assert once_each(receiver)


def test_rings_reach_workers_over_either_broker(
    database_url: str, broker_url: str, receiver: Receiver, tmp_path: Path
) -> None:
    """A ring brings an event to its receiver at once: RabbitMQ refused our consumers, and only the sweep delivered."""
    with Deployment(database_url, broker_url, tmp_path, changes={"POSTRIDER_SWEEP_SECONDS": "600"}) as deployment:
        deployment.worker().wait_for("[queues]")
        deployment.api.integrate(receiver.url)

        for number in range(1, 4):
            deployment.api.publish()
            receiver.wait_for(number, timeout=10)

        wait_until(delivered(deployment, 3), "all are delivered", seconds=10)


def test_processes_tell_that_they_are_there(redis_deployment: Deployment, database_url: str) -> None:
    """Each worker and web process is seen while it runs, and not any more once it was told to stop."""
    with closing(Database(database_url)) as database:

        def there() -> dict[ProcessKind, int]:
            with database.read() as tx:
                return {one.kind: one.pid for one in processes.any_tenant_list(tx)}

        worker = redis_deployment.worker()
        worker.wait_for("[queues]")
        wait_until(lambda: len(there()) == 2, "both are there", seconds=30)
        seen = there()

        assert worker.terminate() == 0
        redis_deployment.web.terminate()

        assert seen == {ProcessKind.WORKER: worker.process.pid, ProcessKind.WEB: redis_deployment.web.process.pid}
        assert there() == {}


def test_a_stopped_worker_leaves_nothing_behind(redis_deployment: Deployment, receiver: Receiver) -> None:
    """SIGTERM under load: what is under way ends, the rest goes to the next worker, nothing is sent twice."""
    first = redis_deployment.worker()
    receiver.answer_after(0.1)
    redis_deployment.api.integrate(receiver.url, delivery={"max_in_flight": 20})
    redis_deployment.api.publish(150)
    receiver.wait_for(20, timeout=60)

    assert first.terminate() == 0
    redis_deployment.worker()

    receiver.wait_for(150, timeout=60)
    wait_until(delivered(redis_deployment, 150), "all are delivered", seconds=30)
    assert once_each(receiver)
    assert "Traceback" not in first.text()


def test_a_killed_worker_loses_nothing(redis_deployment: Deployment, receiver: Receiver) -> None:
    """SIGKILL in mid-flight: when the leases end another worker delivers."""
    first = redis_deployment.worker()
    receiver.hang()
    redis_deployment.api.integrate(receiver.url, delivery={"timeout_seconds": 2, "retry_waits": [1] * 10})
    redis_deployment.api.publish(50)
    receiver.wait_for(FIRST_WINDOW, timeout=60)

    first.kill()
    receiver.answer(200)
    redis_deployment.worker()

    wait_until(delivered(redis_deployment, 50), "all are delivered", seconds=60)


def test_publishing_goes_on_without_a_broker(
    redis_deployment: Deployment, redis_server: RedisServer, receiver: Receiver
) -> None:
    """A hung broker costs no publish its 202, and the sweep finds the work; afterwards rings ring again."""
    redis_deployment.worker()
    redis_deployment.api.integrate(receiver.url)
    redis_deployment.api.publish()
    receiver.wait_for(1, timeout=60)

    redis_server.pause()
    try:
        redis_deployment.api.publish(20)
        receiver.wait_for(21, timeout=60)
    finally:
        redis_server.resume()
    redis_deployment.api.publish(5)

    receiver.wait_for(26, timeout=60)
    wait_until(delivered(redis_deployment, 26), "all are delivered", seconds=60)
    assert once_each(receiver)


def test_a_flushed_broker_loses_nothing(
    redis_deployment: Deployment, redis_server: RedisServer, receiver: Receiver
) -> None:
    """Rings that were waiting and are wiped out cost a moment, no event."""
    redis_deployment.api.integrate(receiver.url)
    redis_deployment.api.publish(30)

    redis_server.flush()
    redis_deployment.worker()

    receiver.wait_for(30, timeout=60)
    wait_until(delivered(redis_deployment, 30), "all are delivered", seconds=30)


def test_full_broker_ended_the_worker(
    redis_deployment: Deployment, redis_server: RedisServer, receiver: Receiver
) -> None:
    """A Redis that runs full while a ring is being heard: the worker goes on, and what it sent is settled."""
    worker = redis_deployment.worker()
    worker.wait_for("[queues]")
    redis_deployment.api.integrate(receiver.url)
    broker_url = redis_deployment.environment["POSTRIDER_BROKER_URL"]
    with redis.Redis.from_url(broker_url) as client:
        ring = a_ring(client, broker_url)
        try:
            client.pipeline().lpush("postrider.deliver", ring).config_set("maxmemory", 1).execute()
            worker.wait_for("Connection to broker lost")
            redis_deployment.api.publish(5)
            receiver.wait_for(5, timeout=30)
        finally:
            client.config_set("maxmemory", 0)

    wait_until(delivered(redis_deployment, 5), "all are delivered", seconds=30)
    assert worker.process.poll() is None
    assert once_each(receiver)


def a_ring(client: redis.Redis, broker_url: str) -> bytes:
    """Take a message as Celery writes it, from a queue that nobody reads."""
    with make_app(broker_url, prefix="nobody") as spare:
        spare.send_task(DELIVER_TASK, args=([],))
    message = client.lpop("nobody.deliver")
    assert isinstance(message, bytes)
    return message


def test_the_procfile_runs(database_url: str, redis_server: RedisServer, tmp_path: Path, receiver: Receiver) -> None:
    """Honcho starts what the Procfile names, and an event arrives."""
    redis_server.flush()
    deployment = Deployment(database_url, redis_server.url(0), tmp_path)
    deployment.run("migrate")
    key = deployment.run("tenants", "create", "shop").split("API key")[1].split()[0]
    honcho = Running(
        ["start", "-f", str(ROOT / "Procfile"), "-d", str(ROOT)],
        environment={**deployment.environment, "PORT": str(deployment.port)},
        folder=tmp_path,
        program=str(Path(sys.executable).parent / "honcho"),
    )
    with honcho, Api(deployment.port, key).ready() as api:
        api.integrate(receiver.url)
        api.publish(3)
        receiver.wait_for(3, timeout=60)

        os.killpg(honcho.process.pid, signal.SIGTERM)
        honcho.process.wait(30)
    assert API_KEY not in honcho.text()
