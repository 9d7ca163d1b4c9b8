"""`postrider bench` as its users run it: a process that prints figures and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg
import pytest
from servers.postgres import PostgresServer
from servers.process import wait_until
from servers.redis import RedisServer

from postrider.bench import load
from postrider.bench.figures import audit, spread
from postrider.bench.machine import masked_broker

EVENTS, SAMPLES = 200, 5


def environment(**given: str) -> dict[str, str]:
    """Give what the test's own surroundings have, apart from settings of Postrider."""
    return {name: value for name, value in os.environ.items() if not name.startswith("POSTRIDER_")} | given


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "postrider.cli", "bench", *arguments]


def bench(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments), env=environment(**given), capture_output=True, text=True, check=False, timeout=110
    )


def tiny_run(**given: str) -> Mapping[str, Any]:
    """Measure very little of everything, and read the figures."""
    ended = bench("--events", str(EVENTS), "--samples", str(SAMPLES), "--seconds", "0.2", "--json", **given)
    assert ended.returncode == 0, ended.stderr
    report: Mapping[str, Any] = json.loads(ended.stdout)
    return report


def assert_sound(report: Mapping[str, Any], *processes: set[str]) -> None:
    """Check that each scenario has its figures and lost nothing."""
    backlog, idle = report["scenarios"]
    assert [backlog["scenario"], idle["scenario"]] == ["backlog", "idle-latency"]
    assert backlog["per_second"] > 0
    assert backlog["of_bare_loop"] > 0
    assert [set(backlog["prices"]), set(idle["prices"])] == list(processes)
    assert all(price["peak_memory_mb"] > 0 for one in report["scenarios"] for price in one["prices"].values())
    assert idle["latencies"]["publish sent, event received"]["p50"] > 0
    assert all(rate > 0 for bare in report["bare_loop_requests_per_second"] for rate in bare.values())
    for one in report["scenarios"]:
        assert one["audit"]["received"] == one["audit"]["events"]
        assert one["audit"]["lost"] == one["audit"]["foreign"] == 0


def test_measures_the_embedded_mode_without_any_setting() -> None:
    """Without URLs the bench measures SQLite and the broker in memory, and every event arrives."""
    report = tiny_run()

    assert report["mode"] == "embedded"
    assert report["database"].startswith("SQLite")
    assert_sound(report, {"up"}, {"up"})


@pytest.mark.long
def test_measures_postgresql_and_redis_in_a_database_of_its_own(
    postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    """With URLs the bench measures web and worker processes, and leaves the server as it was."""
    url = postgres_server.create_database()
    before = databases(url)

    report = tiny_run(POSTRIDER_DATABASE_URL=url, POSTRIDER_BROKER_URL=redis_server.url(db=9))

    assert report["mode"] == "distributed"
    assert report["database"].startswith("PostgreSQL")
    assert_sound(report, {"worker"}, {"web", "worker"})
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
