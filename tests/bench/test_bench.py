"""`postrider bench` as its users run it: a process that prints figures and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg
import pytest
from bench.running import EVENTS, assert_sound, bench, command, environment, tiny_run
from servers.postgres import PostgresServer
from servers.process import wait_until
from servers.redis import RedisServer

from postrider.bench import load
from postrider.bench.child import Usage
from postrider.bench.database_server import DatabaseServer, server_of
from postrider.bench.figures import Price, audit, price, spread
from postrider.bench.machine import masked_broker
from postrider.bench.stage import WARM_UP


def test_measures_the_embedded_mode_without_any_setting() -> None:
    """Without URLs the bench measures SQLite and the broker in memory, and every event arrives."""
    report = tiny_run(["backlog", "idle-latency", "steady"])

    assert report["mode"] == "embedded"
    assert report["database"].startswith("SQLite")
    assert all(rate > 0 for bare in report["bare_loop_requests_per_second"] for rate in bare.values())
    figures = assert_sound(report, processes={"backlog": {"up"}, "idle-latency": {"up"}, "steady": {"up"}})
    assert figures["backlog"]["per_second"] > 0
    assert figures["idle-latency"]["latencies"]["publish sent, event received"]["p50"] > 0
    assert figures["steady"]["accepted_per_second"] > 0
    assert figures["steady"]["audit"]["events"] == WARM_UP + EVENTS
    assert set(figures["steady"]["latencies"]) == {"publish sent, event received", "publish sent, 202 answered"}


@pytest.mark.long
def test_measures_postgresql_and_redis_in_a_database_of_its_own(
    postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    """With URLs the bench measures web and worker processes, and leaves the server as it was."""
    url = postgres_server.create_database()
    before = databases(url)

    report = tiny_run(
        ["backlog", "idle-latency"], POSTRIDER_DATABASE_URL=url, POSTRIDER_BROKER_URL=redis_server.url(db=9)
    )

    assert report["mode"] == "distributed"
    assert report["database"].startswith("PostgreSQL")
    processes = {"backlog": {"worker", "database"}, "idle-latency": {"web", "worker", "database"}}
    assert_sound(report, processes=processes)
    assert databases(url) == before
    assert query(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_prints_tables_for_people() -> None:
    """The tables name the machine and every figure."""
    ended = bench("--scenario", "backlog", "--events", "20", "--seconds", "0.1")

    assert ended.returncode == 0, ended.stderr
    assert "deliveries/s" in ended.stdout
    assert "of the bare loop" in ended.stdout
    assert "CPython" in ended.stdout


def test_says_clearly_that_it_may_not_create_a_database(
    postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    """A user without the right to create databases is told so, and nothing was changed."""
    url = postgres_server.create_database()
    query(url, "CREATE ROLE poor LOGIN PASSWORD 'p4ss-of-the-poor'")
    poor = url.replace("postgres@", "poor:p4ss-of-the-poor@")

    ended = bench("--seconds", "0.1", POSTRIDER_DATABASE_URL=poor, POSTRIDER_BROKER_URL=redis_server.url(db=9))
    query(url, "DROP ROLE poor")

    assert ended.returncode == 1
    assert "may not create databases" in ended.stderr
    assert "p4ss-of-the-poor" not in ended.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"POSTRIDER_BROKER_URL": "memory://"}, "set both"),
        ({"POSTRIDER_DATABASE_URL": "sqlite:///a.db", "POSTRIDER_BROKER_URL": "memory://"}, "not one of PostgreSQL"),
    ],
)
def test_refuses_half_a_mode(given: dict[str, str], said: str) -> None:
    """Settings that mean neither mode are refused in one sentence, before anything is measured."""
    ended = bench(**given)

    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@contextmanager
def running_bench(folder: Path, **given: str) -> Iterator[psutil.Process]:
    """Run a bench up to the moment when the last of its processes is started."""
    log = folder / "progress"
    with log.open("wb") as progress:
        started = psutil.Popen(
            command("--scenario", "backlog", "--events", "2000", "--seconds", "0.1"),
            env=environment(**given),
            stdout=subprocess.DEVNULL,
            stderr=progress,
        )
    try:
        wait_until(lambda: "started postrider" in log.read_text(), "the worker's start", seconds=60)
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait()


def test_sigterm_leaves_no_process_and_no_database(
    tmp_path: Path, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    """A bench that is told to stop ends its children and drops its database first."""
    url = postgres_server.create_database()
    before = databases(url)

    with running_bench(tmp_path, POSTRIDER_DATABASE_URL=url, POSTRIDER_BROKER_URL=redis_server.url(db=9)) as running:
        children, during = running.children(), databases(url)
        running.terminate()
        running.wait(60)

    assert len(children) == 2  # the receiver and the worker
    assert not any(child.is_running() for child in children)
    assert len(during - before) == 1
    assert databases(url) == before


def test_sigkill_leaves_no_process(tmp_path: Path) -> None:
    """The children of a bench that was killed end by themselves."""
    with running_bench(tmp_path) as running:
        children = running.children()
        running.kill()
        gone, alive = psutil.wait_procs(children, timeout=60)

    assert len(gone) == 2
    assert alive == []


def databases(url: str) -> set[str]:
    return {name for (name,) in query(url, "SELECT datname FROM pg_database")}


def query(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_audit_counts_what_came_twice_never_or_from_elsewhere() -> None:
    """The audit believes neither the database nor the receiver alone."""
    one, two, three = (UUID(int=number) for number in (1, 2, 3))

    told = audit([one, two, three], [one, two], [str(one), str(three), "foreign"], requests=5, events=4)

    assert told.received == 2
    assert told.twice == 2
    assert told.foreign == 1
    assert told.lost == 3  # two never came, three was not noted, and one event has no delivery


def test_audit_expects_each_event_at_every_integration() -> None:
    """A copy that was never made is lost like one that never came."""
    one = UUID(int=1)

    told = audit([one], [one], [str(one)], requests=1, events=1, copies=3)

    assert (told.events, told.deliveries, told.received, told.lost) == (1, 3, 1, 2)


def test_price_without_memory_says_so() -> None:
    """What cannot be told is no figure; the CPU is that of all processes between the two looks."""
    assert price([Usage(1.0)], [Usage(3.0)], deliveries=500) == Price(4.0, None)
    assert price([Usage(1.0, 5), Usage(0.0, 9)], [Usage(2.0, 10**6), Usage(1.0, 2 * 10**6)], deliveries=1000) == Price(
        2.0, 2.0
    )


def process(proc: Path, pid: int, *, name: str, parent: int, ticks: str = "0 0 0 0") -> None:
    """Write what Linux shows of a process, in a folder that stands for its `/proc`."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "comm").write_text(f"{name}\n")
    (folder / "stat").write_text(f"{pid} ({name} (1) x) S {parent} 0 0 0 0 0 0 0 0 0 {ticks} 20 0 1 0 9\n")


def test_database_server_is_charged_with_all_its_processes(tmp_path: Path) -> None:
    """The server is the parent of its backends; what ended is in the parent's own account."""
    process(tmp_path, 10, name="postgres", parent=1, ticks="100 200 300 400")
    process(tmp_path, 11, name="postgres", parent=10, ticks="50 50 0 0")
    process(tmp_path, 12, name="redis-server", parent=1, ticks="9000 0 0 0")
    (tmp_path / "self").mkdir()

    server = server_of(11, proc=tmp_path)

    assert server == DatabaseServer(10, tmp_path)
    assert server.usage().cpu_seconds == 1100 / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("backend", [21, 22])
def test_database_server_of_a_container_is_not_taken_for_another_process(tmp_path: Path, backend: int) -> None:
    """A process id that means something else here, or nothing, finds no server."""
    process(tmp_path, 20, name="sshd", parent=1)
    process(tmp_path, 21, name="bash", parent=20)

    assert server_of(backend, proc=tmp_path) is None


def test_broker_is_named_without_user_and_password() -> None:
    """A report can be shown around."""
    assert masked_broker("redis://someone:s3cret@cache.example:6379/0") == "redis at cache.example:6379"


def test_spread_takes_the_nearest_rank() -> None:
    """Of a hundred samples the 95th is the p95."""
    took = spread([number * 1_000_000 for number in range(100, 0, -1)])

    assert (took.p50, took.p95, took.p99, took.longest) == (50, 95, 99, 100)


def test_payloads_are_of_one_size() -> None:
    """Every event is a different JSON document of 1 KB."""
    payloads = [load.payload(number) for number in (0, 7, 10**11)]

    assert {len(payload) for payload in payloads} == {load.PAYLOAD_BYTES}
    assert len({json.loads(payload)["data"]["id"] for payload in payloads}) == len(payloads)
