"""Every process tells that it is there, and is not told of for long when it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from house import START, House, build_house
from servers.postgres import PostgresServer
from servers.process import wait_until
from servers.proxy import Proxy
from structlog.testing import capture_logs

from postrider.domain.errors import Unavailable
from postrider.pipeline.presence import Presence
from postrider.pipeline.sweep import forget
from postrider.store import processes
from postrider.store.engine import Database
from postrider.store.migrate import migrate
from postrider.store.processes import Process, ProcessKind

WORKER = Process(UUID(int=1), ProcessKind.WORKER, "host-1", 4711, "1.0", START, START, 0)
WEB = replace(WORKER, id=UUID(int=2), kind=ProcessKind.WEB, host="host-2", pid=4712)


def told(house: House) -> list[Process]:
    with house.services.database.read() as tx:
        return processes.any_tenant_list(tx)


def test_a_process_is_there_as_long_as_it_runs(house: House) -> None:
    """It tells of itself at once, then again and again, and takes itself off at its end."""
    flying = iter(range(1, 1_000_000))
    presence = Presence(house.services, WORKER, in_flight=lambda: next(flying), every_seconds=0.01)
    other = Presence(house.services, WEB)

    presence.start()
    other.start()
    wait_until(lambda: len(told(house)) == 2, "both are there")
    house.clock.move(seconds=15)
    wait_until(lambda: told(house)[0].seen_at > START, "it is seen again")
    later, web = told(house)
    presence.stop()
    left = told(house)
    other.stop()

    assert replace(later, in_flight=0) == replace(WORKER, seen_at=START + timedelta(seconds=15))
    assert later.in_flight > 1
    assert web == WEB
    assert left == [WEB]
    assert told(house) == []


def test_a_process_that_was_killed_is_forgotten_after_a_day(house: House) -> None:
    """Until then it is seen when it was there last."""
    with house.services.database.write() as tx:
        processes.any_tenant_seen(tx, WORKER)
        processes.any_tenant_seen(tx, replace(WEB, seen_at=START + timedelta(hours=2)))

    house.clock.move(hours=23)
    forget(house.services)
    early = told(house)
    house.clock.move(hours=2)
    forget(house.services)

    assert [one.id for one in early] == [WORKER.id, WEB.id]
    assert [one.id for one in told(house)] == [WEB.id]


def test_a_presence_that_was_never_begun_can_be_stopped(house: House) -> None:
    """A process that failed at its start ends as others do."""
    Presence(house.services, WORKER).stop()

    assert told(house) == []


def test_an_outage_is_survived(postgres_server: PostgresServer) -> None:
    """While the database is away nothing happens, and nothing ends; then the process is seen again."""
    with Proxy(postgres_server.port) as proxy:
        database = Database(proxy.through(postgres_server.create_database()), pool_wait=0.5)
        migrate(database)
        with build_house(database) as house:
            presence = Presence(house.services, WORKER, every_seconds=0.02)
            presence.start()
            wait_until(lambda: len(told(house)) == 1, "it is there")

            proxy.refuse()
            proxy.cut()
            house.clock.move(seconds=15)
            with capture_logs() as logs:
                wait_until(lambda: len(logs) > 1, "it has noticed")
            proxy.heal()

            wait_until(lambda: seen_since(house), "it is seen again")
            presence.stop()
            assert told(house) == []
        database.close()

    assert {(one["event"], one["log_level"]) for one in logs} == {("presence.not_noted", "debug")}


def seen_since(house: House) -> bool:
    try:
        return told(house)[0].seen_at > START
    except Unavailable:
        # A connection that was cut is found out by using it.
        return False


def test_a_stop_in_an_outage_raises_nothing(postgres_server: PostgresServer) -> None:
    """The process ends all the same; its row is forgotten later."""
    with Proxy(postgres_server.port) as proxy:
        database = Database(proxy.through(postgres_server.create_database()), pool_wait=0.5)
        migrate(database)
        with build_house(database) as house:
            presence = Presence(house.services, WORKER, every_seconds=60)
            presence.start()
            wait_until(lambda: len(told(house)) == 1, "it is there")
            proxy.refuse()
            proxy.cut()

            presence.stop()

            proxy.heal()
        database.close()
