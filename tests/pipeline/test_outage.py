"""The database is away for a while, and what was under way is not lost with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from house import House, build_house
from servers.answers import reply
from servers.process import wait_until
from servers.receiver import Receiver
from sqlalchemy import ExceptionContext, event

from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline.sweep import take_back
from postrider.store.engine import Database


class Outage:
    """Makes a SQLite database refuse every write from `begin` to `end`, as a disk that went read-only does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stop_looking: Callable[[], None] = lambda: None
        self.refused = 0
        self._on = False
        event.listen(database.engine, "checkout", self._prepare)
        event.listen(database.engine, "handle_error", self._count)

    def begin(self) -> None:
        self._on = True

    def begin_after(self, words: str) -> None:
        """Begin behind the transaction in which a statement begins with these words."""

        def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            self._on = self._on or statement.startswith(words)

        event.listen(self._database.engine, "before_cursor_execute", look)
        self._stop_looking = lambda: event.remove(self._database.engine, "before_cursor_execute", look)

    def end(self) -> None:
        self._stop_looking()
        self._stop_looking = lambda: None
        self._on = False

    def close(self) -> None:
        """Look no more: other tests have this kind of database too."""
        self._stop_looking()
        event.remove(self._database.engine, "handle_error", self._count)

    def _prepare(self, connection: Any, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA query_only = {int(self._on)}")

    def _count(self, _context: ExceptionContext) -> None:
        self.refused += 1


@pytest.fixture
def outage(sqlite: Database) -> Iterator[Outage]:
    with closing(Outage(sqlite)) as made:
        yield made


@pytest.fixture
def house(sqlite: Database, outage: Outage) -> Iterator[House]:
    with build_house(sqlite) as built:
        yield built
        outage.end()


def under_way(house: House, receiver: Receiver) -> None:
    """Have one attempt under way, whose answer comes in a moment."""
    integration = house.integrate(receiver.url)
    receiver.use(reply(after=0.3))
    house.publish("order.paid")
    house.fan_out()
    house.dispatcher.wake([integration.id])
    receiver.wait_for(1)


def test_an_outcome_outlives_an_outage(house: House, outage: Outage, receiver: Receiver) -> None:
    """What came back while nothing could be written is written afterwards, and not sent again."""
    under_way(house, receiver)
    outage.begin()
    wait_until(lambda: outage.refused > 1, "it was tried more than once", seconds=10)

    outage.end()
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=10)

    delivery = house.only_delivery()
    assert (delivery.status, delivery.attempt) == (DeliveryStatus.DELIVERED, 1)
    assert [one.verdict for one in house.attempts(delivery)] == ["delivered"]


def test_an_outage_longer_than_the_lease_costs_an_attempt(house: House, outage: Outage, receiver: Receiver) -> None:
    """When the lease is over the worker lets go, though the database is still away; the sweep makes it due again."""
    under_way(house, receiver)
    outage.begin()
    wait_until(lambda: outage.refused > 0, "it was tried", seconds=10)

    house.clock.move(seconds=31)
    wait_until(lambda: house.dispatcher.in_flight() == 0, "the worker has let go", seconds=10)
    outage.end()
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=10)
    take_back(house.services)
    house.run_until_idle()

    delivery = house.only_delivery()
    assert (delivery.status, delivery.attempt) == (DeliveryStatus.DELIVERED, 2)
    assert [one.verdict for one in house.attempts(delivery)] == ["unknown", "delivered"]


def test_what_was_claimed_as_the_outage_began_counted_as_lost(house: House, outage: Outage, receiver: Receiver) -> None:
    """What is not to be sent after all, and cannot be given back at that moment, is given back when it can be."""
    integration = house.integrate(receiver.url, delivery={"timeout_seconds": 1})
    house.publish("order.paid")
    house.run_until_idle()
    house.change(integration, delivery={"timeout_seconds": 60})
    house.publish(*["order.paid"] * 5)
    house.fan_out()

    outage.begin_after("UPDATE deliveries SET status")
    house.dispatcher.wake([integration.id])
    wait_until(lambda: outage.refused > 1, "it was tried more than once", seconds=10)
    outage.end()
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=10)

    assert {(one.status, one.attempt, one.lost) for one in house.deliveries(event_type="order.paid")} == {
        (DeliveryStatus.DELIVERED, 1, 0)
    }
