"""The disk is full: publishing says so, stores no half of a request, and goes on when there is room again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from faults.audit import Audited, audit, stored_events
from faults.grounds import Grounds
from faults.landing import Landing
from faults.load import EVENT_TYPE, Load
from faults.matrix import Figures, row
from faults.small_disk import SmallDisk, a_small_disk
from faults.world import TIMEOUT_SECONDS, a_world
from flows.installed import API_KEY, Api, Running
from servers.postgres import PostgresServer
from servers.process import free_port, wait_until

EVENTS = 5_000
REFUSALS = 5
_UNDER_WAY = """
SELECT (SELECT count(*) FROM events WHERE fanned_out_at IS NULL)
     + (SELECT count(*) FROM deliveries WHERE status IN ('pending', 'sending'))
"""


@row("disk-full-postgres", "disk full under PostgreSQL", long=True, needs="mount")
def the_disk_of_postgresql_is_full(grounds: Grounds) -> Figures:
    """PostgreSQL can extend no table: requests are refused whole, and deliveries wait."""
    with (
        a_small_disk() as disk,
        _database_on(grounds.postgres, disk) as url,
        a_world(grounds, database_url=url) as world,
    ):
        world.workers(1)
        world.integrate()
        world.load.publish(EVENTS // 2)
        disk.fill()
        refused = _publish_until_refused(world)
        half = _half_rows(world)
        disk.make_room()
        world.load.publish(EVENTS - len(world.load.accepted))
        recovery = world.settle()
        return audit(world).figures(recovery=recovery, broken=[*refused, *half], note=_told(world))


@row("disk-full-sqlite", "disk full under SQLite (`postrider up`)", long=True, needs="mount")
def the_disk_of_sqlite_is_full(grounds: Grounds) -> Figures:
    """SQLite can write no page: requests are refused whole, and deliveries wait."""
    with a_small_disk() as disk, _up(disk.folder / "data", grounds.folder()) as house:
        house.api.integrate(house.landing.url, EVENT_TYPE, delivery={"timeout_seconds": TIMEOUT_SECONDS})
        house.load.publish(EVENTS // 2)
        disk.fill()
        refused = _publish_until_refused(house)
        disk.make_room()
        half = _half_rows(house)
        house.load.publish(EVENTS - len(house.load.accepted))
        wait_until(lambda: house.sql(_UNDER_WAY)[0][0] == 0, "all deliveries to end", seconds=120)
        return audit(house).figures(broken=[*refused, *half], note=_told(house))


@dataclass(frozen=True, slots=True)
class Embedded:
    """Postrider in one process, with its SQLite file."""

    api: Api
    landing: Landing
    load: Load
    file: Path

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.file, timeout=20)
        try:
            return connection.execute(statement.replace("%s", "?"), values).fetchall()
        finally:
            connection.close()


@contextmanager
def _up(data: Path, folder: Path) -> Iterator[Embedded]:
    port = free_port()
    arguments = ["up", "--port", str(port), "--data-dir", str(data)]
    with (
        Running(arguments, environment={"POSTRIDER_API_KEY": API_KEY}, folder=folder) as running,
        Landing() as landing,
        Api(port) as api,
    ):
        running.wait_for("API key:")
        (file,) = data.glob("*.db")
        yield Embedded(api.ready(), landing, Load(port, API_KEY), file)


@contextmanager
def _database_on(server: PostgresServer, disk: SmallDisk) -> Iterator[str]:
    """Make a database whose files lie on the small disk."""
    place = disk.folder / "tablespace"
    place.mkdir(mode=0o700)
    if server.user is not None:
        shutil.chown(place, server.user)
    url = server.create_database()
    server_url, name = url.replace("+psycopg", "").rsplit("/", 1)
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
        connection.execute(f'ALTER DATABASE "{name}" SET TABLESPACE small'.encode())
        try:
            yield url
        finally:
            server.drop_database(url)
            connection.execute(b"DROP TABLESPACE small")


def _publish_until_refused(house: Audited) -> list[str]:
    """Publish on the full disk until a few requests were refused; tells if they were refused wrongly."""
    before = house.load.answers.copy()

    def refused() -> int:
        return (house.load.answers - before).total() - (house.load.answers - before)["202"]

    with house.load.going_on(at_once=50):
        wait_until(lambda: refused() >= REFUSALS, "publishing to be refused", seconds=60)
    others = set(house.load.answers) - {"202", "503"}
    return [f"publish answered {', '.join(sorted(others))}"] if others else []


def _half_rows(house: Audited) -> list[str]:
    stored = stored_events(house)
    half = len(set(stored) - set(house.load.accepted))
    return [f"{half} events of refused requests are stored"] if half else []


def _told(house: Audited) -> str:
    return f"{house.load.answers['503']} requests of 50 events refused with 503, none of them stored"
