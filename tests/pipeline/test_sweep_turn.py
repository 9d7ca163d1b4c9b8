"""What one turn of the sweep does: each of its duties, and no more at a time than it may."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from house import House, build_house
from pipeline.by_hand import claim
from servers.process import wait_until
from servers.receiver import Receiver
from sqlalchemy import func, select, update

from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.pipeline.sweep import WALK_PAGE, WALK_SECONDS, Sweep
from postrider.store import integrations
from postrider.store.deliveries import DeliveryFilter
from postrider.store.engine import Database
from postrider.store.jobs import JobKind
from postrider.store.tables import events, integration_state, jobs


def sweep_of(house: House, wake: Callable[[list[UUID]], None] = lambda _: None) -> Sweep:
    """Make a sweep whose turns the test takes itself."""
    return Sweep(house.services, wake=wake, fan_out=lambda: None, every=timedelta(seconds=1))


def ready(house: House, receiver: Receiver) -> UUID:
    """Make an integration with one due delivery."""
    integration = house.integrate(receiver.url)
    house.publish("order.paid")
    house.fan_out()
    return integration.id


def test_a_turn_takes_back_what_workers_lost(house: House, receiver: Receiver) -> None:
    """A lease that ran out is found without a ring, and is due in the same turn."""
    woken: list[UUID] = []
    integration_id = ready(house, receiver)
    claim(house, integration_id)
    house.clock.move(seconds=31)

    sweep_of(house, woken.extend).turn()

    assert house.only_delivery().status is DeliveryStatus.PENDING
    assert woken == [integration_id]


def test_a_turn_wakes_this_worker_and_rings_the_others(house: House, receiver: Receiver) -> None:
    """Due work is begun here at once, and the other workers hear of it."""
    woken: list[UUID] = []
    integration_id = ready(house, receiver)
    house.ring.rung.clear()

    sweep_of(house, woken.extend).turn()

    assert woken == house.ring.rung == [integration_id]


def test_who_sweeps_goes_on_to(house: House, receiver: Receiver) -> None:
    """The lease is renewed before it ends, though not in each turn: no other takes over from one that is at work."""
    woken: dict[str, int] = {"first": 0, "second": 0}
    ready(house, receiver)

    def note(name: str) -> Callable[[list[UUID]], None]:
        def count(_: list[UUID]) -> None:
            woken[name] += 1

        return count

    first, second = sweep_of(house, note("first")), sweep_of(house, note("second"))
    for _ in range(10):
        first.turn()
        second.turn()
        house.clock.move(seconds=1)

    assert woken == {"first": 10, "second": 0}


def test_a_turn_forgets(house: House) -> None:
    """What is past its term goes with the sweep; nobody has to ask."""
    house.publish("order.paid")
    house.fan_out()
    house.clock.move(days=31)

    sweep_of(house).turn()

    with house.services.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(events)).scalar_one() == 0


def test_a_job_that_cannot_be_read_keeps_nothing_else_from_being_done(house: House, receiver: Receiver) -> None:
    """What another version left behind costs its own duty, and no delivery."""
    woken: list[UUID] = []
    integration_id = ready(house, receiver)
    redrive.start_job(
        house.services, house.tenant.id, kind=JobKind.REDRIVE, wanted=DeliveryFilter(), rate=None, reason=""
    )
    with house.services.database.write() as tx:
        tx.execute(update(jobs).values(kind="of another version"))

    sweep_of(house, woken.extend).turn()

    assert woken == [integration_id]


def test_parked_integrations_are_left_out(house: House, receiver: Receiver) -> None:
    """Until its time is over a parked integration is not woken, whatever is due."""
    woken: list[UUID] = []
    integration_id = ready(house, receiver)
    with house.services.database.write() as tx:
        tx.execute(update(integration_state).values(parked_until=house.clock.now() + timedelta(seconds=10)))
    sweep = sweep_of(house, woken.extend)

    sweep.turn()
    assert woken == []
    house.clock.move(seconds=11)
    sweep.turn()

    assert woken == [integration_id]


def test_a_turn_that_takes_long_is_ended_and_the_next_goes_on(sqlite: Database, receiver: Receiver) -> None:
    """The walk is bounded in time: the next turn begins behind the last page, and after the end at the beginning."""
    pages: list[list[UUID]] = []

    def slow(due: list[UUID]) -> None:
        pages.append(due)
        end = time.monotonic() + WALK_SECONDS
        wait_until(lambda: time.monotonic() > end, "the turn's time is over", seconds=5)

    with build_house(sqlite) as house:
        all_ids = many_with_work(house, receiver, WALK_PAGE + 1)
        sweep = sweep_of(house, slow)
        for _ in range(3):
            sweep.turn()

    assert pages == [all_ids[:WALK_PAGE], all_ids[WALK_PAGE:], all_ids[:WALK_PAGE]]


def many_with_work(house: House, receiver: Receiver, count: int) -> list[UUID]:
    """Make so many integrations, each with one due delivery; gives their ids in order."""
    first = house.integrate(receiver.url)
    copies = [replace(first, id=one) for one in house.services.ids.many(count - 1)]
    with house.services.database.write() as tx:
        for copy in copies:
            integrations.add(tx, house.services.box, copy, secret_names=["secret_key"])
    house.publish("order.paid")
    house.fan_out()
    return [first.id, *(copy.id for copy in copies)]
