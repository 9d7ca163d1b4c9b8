"""The web process or the database is broken: every 202 survives, and no 202 is false."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import psycopg
from faults.audit import audit
from faults.grounds import Grounds
from faults.matrix import Figures, row
from faults.world import SHORT_SECONDS, World, a_world
from servers.process import wait_until

EVENTS = 5_000
_OTHERS = "datname = current_database() AND application_name <> 'auditor'"
_TERMINATE = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_OTHERS}"


@row("web-killed", "web SIGKILL after 202, 5 times", long=True)
def the_web_process_is_killed(grounds: Grounds) -> Figures:
    """What was answered with 202 is stored, whatever becomes of the process that answered."""
    with a_world(grounds) as world:
        world.workers(1)
        world.integrate()
        with world.load.going_on(at_once=20, threads=4, pause=0):
            for _ in range(5):
                _wait_for_more(world, 200)
                world.deployment.web.kill()
                world.deployment.web = world.deployment.start_web()
                world.api.ready()
        _fill_up(world)
        recovery = world.settle()
        return audit(world).figures(recovery=recovery, note=_said(world))


@row("postgres-stopped", "PostgreSQL immediate stop and restart", long=True)
def postgresql_is_stopped(grounds: Grounds) -> Figures:
    """PostgreSQL loses all that was not committed and recovers; web and workers find it again by themselves."""

    def break_it(_world: World) -> None:
        for _ in range(3):
            grounds.postgres.stop(immediate=True)
            time.sleep(1)
            grounds.postgres.start()
            time.sleep(1)

    return _under_load(grounds, break_it)


@row("backends-terminated", "every backend terminated, 20 times", long=True)
def backends_are_terminated(grounds: Grounds) -> Figures:
    """An administrator or a pooler cuts every connection, again and again."""

    def break_it(world: World) -> None:
        for _ in range(20):
            world.sql(_TERMINATE)
            time.sleep(0.25)

    return _under_load(grounds, break_it)


@row("serialization", "serialization failures (all at SERIALIZABLE)", long=True)
def transactions_fail_to_serialize(grounds: Grounds) -> Figures:
    """A database that insists on SERIALIZABLE refuses some of our transactions: they are tried again."""
    url = grounds.postgres.create_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_isolation = serializable'.encode())
    try:
        with a_world(grounds, database_url=url) as world:
            workers = world.workers(2)
            world.integrate()
            world.load.publish(EVENTS, at_once=20, threads=4)
            recovery = world.settle()
            account = audit(world)
            failures = sum(worker.text().count("drain.interrupted") for worker in workers)
            return account.figures(
                recovery=recovery, note=f"{_said(world)}; workers were interrupted {failures} times and went on"
            )
    finally:
        grounds.postgres.drop_database(url)


@row("deadlock", "deadlocks with somebody else's transaction", long=True)
def publishing_deadlocks(grounds: Grounds) -> Figures:
    """PostgreSQL ends a publish to undo a deadlock: it is answered with 503, stored not at all, and works again."""
    with a_world(grounds) as world:
        world.workers(1)
        world.integrate()
        answers = [_deadlock(world, f"a{number}", f"b{number}") for number in range(3)]
        world.load.publish(EVENTS)
        recovery = world.settle()
        stored = world.sql("SELECT count(*) FROM idempotency")[0][0]
        expected = [503, 503, 503]
        return audit(world).figures(
            recovery=recovery,
            broken=[
                *([f"publish answered {answers}"] if answers != expected else []),
                *([f"{stored} keys of refused publishes are stored"] if stored else []),
            ],
            note=f"publish answered {answers}",
        )


@row("pool", "every database connection in use", long=True)
def the_pool_is_exhausted(grounds: Grounds) -> Figures:
    """Connections that hang make publishing answer 503 within seconds, and nothing is stored of it."""
    with a_world(grounds, settings={"POSTRIDER_DATABASE_POOL": "2"}) as world:
        world.workers(1)
        world.integrate()
        world.load.publish(EVENTS)
        with _locked(world, "events"):
            readers = _readers(world, 4)
            refused = _refusals(world, 4)
        for reader in readers:
            reader.join()
        recovery = world.settle()
        world.load.publish(100)
        world.settle()
        return audit(world).figures(
            recovery=recovery,
            broken=[f"publish answered {refused}"] if {status for status, _ in refused} != {503} else [],
            note=f"503 after {max(seconds for _, seconds in refused):.1f} s at the latest",
        )


def _under_load(grounds: Grounds, break_it: Callable[[World], None]) -> Figures:
    with a_world(grounds) as world:
        world.workers(2)
        world.integrate(timeout_seconds=SHORT_SECONDS)
        world.load.publish(EVENTS // 2)
        with world.load.going_on(at_once=5, threads=2, pause=0.005):
            break_it(world)
        recovery = world.settle()
        _fill_up(world)
        world.settle()
        return audit(world).figures(recovery=recovery, broken=_other_than_503(world), note=_said(world))


def _wait_for_more(world: World, events: int) -> None:
    goal = len(world.load.accepted) + events
    wait_until(lambda: len(world.load.accepted) >= goal, f"{events} more events")


def _fill_up(world: World) -> None:
    if (missing := EVENTS - len(world.load.accepted)) > 0:
        world.load.publish(missing)


def _said(world: World) -> str:
    """Tell what publishers were answered."""
    words = {"202": "accepted", "503": "refused with 503", "broken": "not answered"}
    return ", ".join(f"{number} requests {words.get(status, status)}" for status, number in world.load.answers.items())


def _other_than_503(world: World) -> list[str]:
    others = {status for status in world.load.answers if status not in {"202", "503"}}
    return [f"publish answered {', '.join(sorted(others))}"] if others else []


def _deadlock(world: World, first: str, second: str) -> int:
    """Hold what a publish waits for, then want what it holds; tells how it was answered."""
    tenant = world.sql("SELECT id FROM tenants ORDER BY created_at DESC LIMIT 1")[0][0]
    key = "INSERT INTO idempotency (tenant_id, key, body_hash, event_ids, created_at) VALUES (%s, %s, '', '[]', now())"
    found: list[int] = []
    with world.connect() as connection:
        connection.autocommit = False
        # Ours looks for deadlocks late, so that it is the other that is ended.
        connection.execute("SET deadlock_timeout = '10s'")
        connection.execute(key.encode(), (tenant, second))
        publishing = threading.Thread(target=lambda: found.append(_publish(world, first, second)))
        publishing.start()
        wait_until(lambda: _waits(world), "the publish to wait for our lock")
        connection.execute(key.encode(), (tenant, first))
        publishing.join()
        connection.rollback()
    return found[0]


def _waits(world: World) -> bool:
    return bool(world.sql(f"SELECT 1 FROM pg_stat_activity WHERE {_OTHERS} AND wait_event_type = 'Lock'"))


def _publish(world: World, *keys: str) -> int:
    """Publish events with keys of their own; gives the status."""
    data = [
        {"type": "event", "event_type": "order.created", "payload": {"key": key}, "idempotency_key": key}
        for key in keys
    ]
    status: int = world.api.send("/v2/events", data).status_code
    return status


@contextmanager
def _locked(world: World, table: str) -> Iterator[None]:
    """Let every statement that touches the table wait."""
    with world.connect() as connection:
        connection.autocommit = False
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


def _readers(world: World, number: int) -> list[threading.Thread]:
    """Ask for pages that cannot be shown yet, so that the web process has no connection left."""
    threads = [threading.Thread(target=world.api.look, args=("/v2/events",)) for _ in range(number)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(_waiting(world)) >= 2, "readers to hold all connections of the web process")
    return threads


def _waiting(world: World) -> set[int]:
    """Name the web process's connections that wait for a lock by their ports; the worker's wait too."""
    found = psutil.Process(world.deployment.web.process.pid).net_connections("tcp")
    ports = world.sql(f"SELECT client_port FROM pg_stat_activity WHERE {_OTHERS} AND wait_event_type = 'Lock'")
    return {port for (port,) in ports} & {one.laddr.port for one in found}


def _refusals(world: World, number: int) -> list[tuple[int, float]]:
    """Publish a few times; tells the statuses and how long each answer took."""
    found = []
    for _ in range(number):
        started = time.monotonic()
        status = world.api.send(
            "/v2/events", {"type": "event", "event_type": "order.created", "payload": {}}
        ).status_code
        found.append((status, time.monotonic() - started))
    return found
