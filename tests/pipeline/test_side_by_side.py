"""Two workers at the same rows of PostgreSQL: one has them in hand, the other goes on without."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from house import House, build_house
from servers.process import wait_until
from servers.receiver import Receiver
from sqlalchemy import text

from postrider.control import integrations as integration_control
from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.domain.observe import patterns_for
from postrider.pipeline import redrive
from postrider.pipeline.fan_out import fan_out_tenant
from postrider.pipeline.redrive import step_jobs
from postrider.pipeline.sweep import forget
from postrider.store import claims, deliveries, events, integrations, jobs
from postrider.store.deliveries import DeliveryFilter
from postrider.store.engine import Database
from postrider.store.jobs import JobKind


@pytest.fixture
def house(postgresql: Database) -> Iterator[House]:
    with build_house(postgresql) as built:
        yield built


def dead_letter(house: House, receiver: Receiver) -> Delivery:
    house.integrate(receiver.url, delivery={"retry_waits": []})
    receiver.answer(400)
    house.publish("order.paid")
    house.run_until_idle()
    return house.only_delivery()


def somebody_waits(house: House) -> bool:
    """Tell whether a connection waits for another's lock."""
    with house.services.database.read() as tx:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(tx.execute(text(query)).scalar_one())


def test_an_event_in_hand_is_left_to_its_worker(house: House, receiver: Receiver) -> None:
    """Two workers that fan out the same tenant take different events, and neither waits."""
    house.integrate(receiver.url)
    house.fan_out()
    made = [one.id for one in house.publish(*["order.paid"] * 5)]

    with house.services.database.write() as tx:
        events.take_waiting(tx, house.tenant.id, limit=2)
        batch = fan_out_tenant(house.services, house.tenant.id)

    assert batch.done == made[2:]


def test_a_claim_in_hand_is_left_to_its_worker(house: House, receiver: Receiver) -> None:
    """Two workers that claim for the same integration take different deliveries, and neither waits."""
    integration = house.integrate(receiver.url)
    house.publish(*["order.paid"] * 5)
    house.fan_out()
    now = house.clock.now()

    def claim(tx: deliveries.Transaction, limit: int) -> int:
        return len(
            claims.any_tenant_claim(
                tx,
                integration.id,
                limit=limit,
                alone=False,
                token=house.services.ids.new(),
                now=now,
                lease_until=now + timedelta(seconds=30),
            )
        )

    with house.services.database.write() as ours, house.services.database.write() as theirs:
        taken = [claim(ours, 2), claim(theirs, 10)]

    assert taken == [2, 3]


def test_a_job_in_hand_is_left_to_its_worker(house: House, receiver: Receiver) -> None:
    """A job that one worker steps is not stepped by another at the same time."""
    letter = dead_letter(house, receiver)
    redrive.start_job(
        house.services, house.tenant.id, kind=JobKind.DISCARD, wanted=DeliveryFilter(), rate=None, reason="old"
    )

    with house.services.database.write() as tx:
        jobs.any_tenant_running(tx, before=house.clock.now(), limit=1)
        step_jobs(house.services)

        assert house.deliveries(ids=(letter.id,))[0].status is DeliveryStatus.DEAD


def test_an_event_in_hand_is_not_forgotten(house: House) -> None:
    """What somebody is just sending again is left out of a turn that forgets, and goes with a later one."""
    (event,) = house.publish("order.paid")
    house.fan_out()
    house.clock.move(days=31)

    with house.services.database.write() as tx:
        assert events.hold(tx, house.tenant.id, event.id)
        turns = [forget(house.services)]
    turns.append(forget(house.services))

    assert turns == [0, 1]


def test_a_deletion_waits_for_the_fan_out_in_hand(house: House, receiver: Receiver) -> None:
    """What is just being made for an integration is made before it is deleted, and so discarded with the rest."""
    integration = house.integrate(receiver.url)
    house.fan_out()
    (event,) = house.publish("order.paid")
    delivery = Delivery(
        id=house.services.ids.new(),
        tenant_id=house.tenant.id,
        event_id=event.id,
        integration_id=integration.id,
        event_type="order.paid",
        status=DeliveryStatus.PENDING,
        due_at=house.clock.now(),
        attempt=0,
        round_start=0,
        lost=0,
        reason="",
        error="",
        created_at=house.clock.now(),
        updated_at=house.clock.now(),
    )

    with ThreadPoolExecutor(1) as pool:
        with house.services.database.write() as tx:
            now, patterns = house.clock.now(), patterns_for("order.paid")
            integrations.observers(tx, house.tenant.id, patterns, after=None, limit=10, now=now)
            deletion: Future[None] = pool.submit(
                integration_control.delete, house.services, house.tenant.id, integration.id
            )
            wait_until(lambda: deletion.done() or somebody_waits(house), "the deletion was tried", seconds=10)
            deliveries.add(tx, house.tenant.id, [delivery], now=house.clock.now())
        deletion.result(10)

    (after,) = house.deliveries(ids=(delivery.id,))
    assert after.status is DeliveryStatus.DISCARDED
