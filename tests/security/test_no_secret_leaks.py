"""No secret stands in a log, an answer, a broker's message, an attempt, a traceback or a database."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
import redis
from flows.installed import Api, Running
from flows.test_distributed import Deployment
from security import provocations
from security.canaries import Found, Said, forms, search
from security.provocations import Client, FarSides, far_sides
from servers.postgres import PostgresServer
from servers.process import free_port, wait_until
from servers.redis import RedisServer

from postrider.store.secrets import SecretBox, new_key

DATABASE_PASSWORD, BROKER_PASSWORD = "cnDatabasePassw0rd0006", "cnBrokerPassw0rd0007"
API_KEY = "pr_cnApiKey0000000000000000000000000008"

pytestmark = pytest.mark.timeout(300)


def known(client: Client, **more: str) -> dict[str, str]:
    """Name every secret of a run."""
    return {
        "webhook secret_key": provocations.SECRET_KEY,
        "AWS access key id": provocations.AWS_KEY_ID,
        "AWS secret access key": provocations.AWS_SECRET,
        "STOMP password": provocations.STOMP_PASSWORD,
        "a stranger's API key": provocations.STRANGER,
        "writer's API key": client.writer,
        **client.secrets,
        **more,
    }


def provoke(client: Client, there: FarSides, broken: Callable[[str], Any], logs: Callable[[], str]) -> None:
    """Have it deliver, fail, refuse and break; `broken` takes a table away for as long as it is open."""
    provocations.sign_in(client)
    provocations.integrate(client, there)
    # One arrives; the others are refused with their secrets repeated: SQS at once, two after a second try.
    ended = {"delivered": 1, "dead": 3}
    provocations.deliver(client, done=lambda counts: counts == ended, what="one is delivered, three are dead")
    with broken("attempts"):
        event = {"type": "event", "event_type": "order.paid", "payload": None}
        client.call("POST", "/v2/events", json={"data": event})
        wait_until(lambda: "drain.failed" in logs(), "a worker fails with a traceback", seconds=60)
    with broken("jobs"):
        client.call("GET", "/v2/jobs")
    wait_until(lambda: "request.failed" in logs(), "a request fails with a traceback")
    provocations.misbehave(client, there)
    assert provocations.look_everywhere(client) > 15


# -- what was said and written ---------------------------------------------------------------------------------------


def tables(cursor: Any, names: list[str]) -> Iterator[Said]:
    """Give every row of every table."""
    for name in names:
        rows = cursor.execute(f'SELECT * FROM "{name}"').fetchall()
        told = (bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for row in rows for v in row)
        yield Said(f"table {name}", b"\n".join(told))


def log_of(process: Running) -> Said:
    return Said(f"log {process.log.name}", process.log.read_bytes())


class Monitor:
    """Listens to every command that a Redis gets, for as long as it is open."""

    def __init__(self, server: RedisServer) -> None:
        # No time limit: the server may be paused.
        self._client = redis.Redis(
            host=server.host, port=server.port, password=BROKER_PASSWORD, socket_timeout=None, socket_connect_timeout=5
        )
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._listen, name="monitor")

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._hears("knock"), "the monitor hears")
        return self

    def __exit__(self, *_: object) -> None:
        wait_until(lambda: self._hears("last") or not self._thread.is_alive(), "the monitor ends")
        self._thread.join()
        self._client.close()

    def _hears(self, word: str) -> bool:
        self._client.get(word)
        return f"GET {word}" in self.lines

    def _listen(self) -> None:
        with self._client.monitor() as heard:
            for line in heard.listen():
                self.lines.append(str(line["command"]))
                if self.lines[-1] == "GET last":
                    return


_READ = {
    b"string": lambda client, key: [client.get(key)],
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"set": lambda client, key: client.smembers(key),
    b"hash": lambda client, key: [part for pair in client.hgetall(key).items() for part in pair],
    b"zset": lambda client, key: client.zrange(key, 0, -1),
}


def everything_in(server: RedisServer) -> bytes:
    """Read all keys of all kinds."""
    with redis.Redis(host=server.host, port=server.port, password=BROKER_PASSWORD) as client:
        found = {key: _READ[client.type(key)](client, key) for key in client.scan_iter()}
    return b"\n".join(part for key, parts in found.items() for part in (key, *parts))


# -- the two modes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def broker() -> Iterator[RedisServer]:
    """Run a Redis that wants a password."""
    with RedisServer() as server:
        with redis.Redis(host=server.host, port=server.port) as client:
            client.config_set("requirepass", BROKER_PASSWORD)
        yield server


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> Iterator[str]:
    url = postgres_server.create_database()
    yield url.replace("postgres@", f"postgres:{DATABASE_PASSWORD}@")
    postgres_server.drop_database(url)


@pytest.mark.long
def test_nothing_leaks_from_web_and_worker(database_url: str, broker: RedisServer, tmp_path: Path) -> None:
    """Web and worker with PostgreSQL and Redis keep every kind of secret to themselves, whatever goes wrong."""
    deployment = Deployment(database_url, broker.url(0).replace("//", f"//:{BROKER_PASSWORD}@"), tmp_path)
    with far_sides() as there, Monitor(broker) as monitor:
        deployment.environment["POSTRIDER_AWS_ENDPOINT_URL"] = there.sqs.endpoint_url
        keys = f"{new_key()},{deployment.environment['POSTRIDER_SECRET_KEYS']}"
        deployment.environment["POSTRIDER_SECRET_KEYS"] = keys
        with deployment, psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as sql:
            worker = deployment.worker()
            client = Client(deployment.port, deployment.key)
            provoke(client, there, taken_away(sql.execute), lambda: worker.text() + deployment.web.text())
            broker.pause()
            client.call("POST", "/v2/events", json={"data": {"type": "event", "event_type": "a.b", "payload": 1}})
            client.call("GET", "/readyz")
            broker.resume()
            processes = [deployment.web, worker, *failed_starts(deployment)]
            worker.terminate()
            names = [row[0] for row in sql.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
            said = [*client.said, *map(log_of, processes), *tables(sql, names)]
            (pepper,) = sql.execute("SELECT secret FROM installation").fetchall()
            client.close()
    said += [Said("Redis", everything_in(broker)), Said("Redis's commands", "\n".join(monitor.lines).encode())]

    first, second = keys.split(",")
    more = {"first key": first, "second key": second, "pepper": SecretBox([first]).open(pepper[0])["pepper"]}
    secrets = known(client, database=DATABASE_PASSWORD, broker=BROKER_PASSWORD, **more)
    assert len(secrets) >= 18
    assert len(monitor.lines) > 20
    assert {"integrations", "attempts", "events"} <= set(names)
    assert search(secrets, said) == []


def failed_starts(deployment: Deployment) -> list[Running]:
    """Start commands that cannot work, because of what is secret; gives them ended."""
    nowhere = f"127.0.0.1:{free_port()}"
    wrong: list[tuple[str, Mapping[str, str]]] = [
        ("web", {"POSTRIDER_DATABASE_URL": f"postgresql+psycopg://postgres:{DATABASE_PASSWORD}@{nowhere}/none"}),
        ("web", {"POSTRIDER_DATABASE_URL": f"nonsense//{DATABASE_PASSWORD}"}),
        ("web", {"POSTRIDER_SECRET_KEYS": deployment.environment["POSTRIDER_SECRET_KEYS"] + ",cut-off"}),
        ("migrate", {"POSTRIDER_API_KEY": "short", "POSTRIDER_DATABASE_URL": DATABASE_PASSWORD}),
    ]
    ended = []
    for command, changes in wrong:
        environment = {**deployment.environment, **changes}
        with Running([command], environment=environment, folder=deployment.folder) as process:
            assert process.process.wait(60) != 0, process.text()
            ended.append(process)
    lost = {**deployment.environment, "POSTRIDER_BROKER_URL": f"redis://:{BROKER_PASSWORD}@{nowhere}/0"}
    with Running(["worker"], environment=lost, folder=deployment.folder) as process:
        process.wait_for("Cannot connect to redis")
        ended.append(process)
    return ended


def taken_away(execute: Callable[[str], Any]) -> Callable[[str], Any]:
    """Make what renames a table for a while, so that whatever asks it fails."""

    @contextmanager
    def broken(table: str) -> Iterator[None]:
        execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        try:
            yield
        finally:
            execute(f"ALTER TABLE {table}_away RENAME TO {table}")

    return broken


def test_nothing_leaks_from_up(tmp_path: Path) -> None:
    """`up` keeps them too: not even the raw bytes of its files hold one, but for the two key files."""
    port, data = free_port(), tmp_path / "data"
    with far_sides() as there:
        environment = {"POSTRIDER_API_KEY": API_KEY, "POSTRIDER_AWS_ENDPOINT_URL": there.sqs.endpoint_url}
        command = ["up", "--port", str(port), "--data-dir", "data"]
        with Running(command, environment=environment, folder=tmp_path) as process, Api(port).ready():
            sql = sqlite3.connect(data / "postrider.db", isolation_level=None, timeout=20)
            client = Client(port, API_KEY)
            provoke(client, there, taken_away(sql.execute), process.text)
            names = [row[0] for row in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            said = [*client.said, *tables(sql, names)]
            raw = {path.name: path.read_bytes() for path in data.iterdir() if not path.name.endswith(".key")}
            (pepper,) = sql.execute("SELECT secret FROM installation").fetchall()
            client.close()
            sql.close()
            log = process.log.read_bytes()
    said += [Said(f"file {name}", content) for name, content in raw.items()]
    # The greeting shows the key to the person who typed `up`, on its own and in a command to paste.
    greeting = (f"API key:          {API_KEY}", f"Authorization: Bearer {API_KEY}")
    for shown in greeting:
        assert log.count(shown.encode()) == 1
        log = log.replace(shown.encode(), b"")

    key = (data / "secret.key").read_text()
    secrets = known(client, key=key, pepper=SecretBox([key]).open(pepper[0])["pepper"])
    assert {"postrider.db", "postrider.db-wal"} <= set(raw)
    assert search(secrets, [*said, Said("log of up", log)]) == []


# -- the search itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", forms(provocations.SECRET_KEY))
def test_the_search_finds_what_was_planted(form: str) -> None:
    """A secret in any form is found wherever it stands, once it is not there by design."""
    planted = b'{"a": "' + forms(provocations.SECRET_KEY)[form] + b'"}'
    secrets = {"planted": provocations.SECRET_KEY, "absent": API_KEY}

    found = search(
        secrets, [Said("a log", planted), Said("nothing", b"nothing"), Said("ok", planted, frozenset({"planted"}))]
    )

    assert Found("a log", "planted", form) in found
    assert {(one.place, one.secret) for one in found} == {("a log", "planted")}


def test_the_search_looks_into_rows_and_messages(tmp_path: Path, broker: RedisServer) -> None:
    """A secret in a table's bytes, in a Redis list and in a command is found."""
    secrets = {"planted": provocations.AWS_SECRET}
    sql = sqlite3.connect(tmp_path / "a.db")
    sql.execute("CREATE TABLE t (a BLOB, b INTEGER)")
    sql.execute("INSERT INTO t VALUES (?, 1)", (b"..." + provocations.AWS_SECRET.encode(),))
    with (
        Monitor(broker) as monitor,
        redis.Redis(host=broker.host, port=broker.port, password=BROKER_PASSWORD) as client,
    ):
        client.rpush("list", provocations.AWS_SECRET)

    said = [
        *tables(sql, ["t"]),
        Said("Redis", everything_in(broker)),
        Said("commands", "\n".join(monitor.lines).encode()),
    ]

    sql.close()
    assert {one.place for one in search(secrets, said)} == {"table t", "Redis", "commands"}
