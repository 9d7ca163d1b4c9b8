"""A Postrider with many integrations: a few that deliver, and a thousand that are dead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import psycopg
from growth.filling import EVENT_TYPE, Owners
from house import House, build_house
from sqlalchemy import update

from postrider.store import integrations
from postrider.store.engine import Database
from postrider.store.migrate import migrate
from postrider.store.tables import integration_state

HEALTHY, DEAD = 20, 1_000
NOBODY = "http://127.0.0.1:1/"
MEASURED = "order.paid"
"""What only the first of the healthy ones observes: a round of deliveries goes there."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is measured on."""

    house: House
    healthy: list[UUID]
    dead: list[UUID]

    @property
    def database(self) -> Database:
        return self.house.services.database

    @property
    def tenant(self) -> UUID:
        return self.house.tenant.id

    @property
    def owners(self) -> Owners:
        return Owners(self.tenant, self.healthy, self.dead, self.house.clock.now())

    def connect(self) -> psycopg.Connection:
        """Open a connection past all code of ours; each statement is its own transaction."""
        url = self.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True, options="-c maintenance_work_mem=512MB -c work_mem=256MB")


@contextmanager
def a_scene(url: str, *, dead: int = DEAD) -> Iterator[Scene]:
    """Migrate an empty database and furnish it."""
    database = Database(url)
    try:
        migrate(database)
        with build_house(database) as house:
            yield furnish(house, dead=dead)
    finally:
        database.close()


def furnish(house: House, *, dead: int) -> Scene:
    """Make the integrations; nothing waits and nothing is due then."""
    healthy = [house.integrate(NOBODY, MEASURED).id, *_many(house, HEALTHY - 1)]
    scene = Scene(house, healthy, _many(house, dead))
    _park(scene)
    house.fan_out()  # the news of their making
    return scene


def _many(house: House, count: int) -> list[UUID]:
    model = house.integrate(NOBODY, EVENT_TYPE)
    copies = [replace(model, id=one) for one in house.services.ids.many(count - 1)]
    with house.services.database.write() as tx:
        for copy in copies:
            integrations.add(tx, house.services.box, copy, secret_names=["secret_key"])
    return [model.id, *(copy.id for copy in copies)]


def _park(scene: Scene) -> None:
    """Open the breakers of the dead ones, for longer than anybody measures."""
    now = scene.house.clock.now()
    with scene.database.write() as tx:
        tx.execute(
            update(integration_state)
            .where(integration_state.c.integration_id.in_(scene.dead))
            .values(breaker_failures=10, breaker_opened_at=now, parked_until=now + timedelta(days=1))
        )
