"""Bugs that were found, each kept from coming back."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from datetime import timedelta

import pytest
from house import ORDER, House, RecordingRing
from servers.answers import reply
from servers.process import wait_until
from servers.receiver import Receiver

from postrider.control import integrations as integration_control
from postrider.domain.delivery import DeliveryStatus
from postrider.domain.errors import Conflict, Unavailable
from postrider.pipeline import redrive
from postrider.pipeline.agenda import Agenda
from postrider.pipeline.publish import NewEvent, Published, Publisher, Publishing, store_group
from postrider.pipeline.redrive import step_jobs
from postrider.pipeline.sweep import forget, take_back
from postrider.store import claims, deliveries
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind


def dead_letter(house: House, receiver: Receiver) -> None:
    house.integrate(receiver.url, delivery={"retry_waits": []})
    receiver.answer(500)
    house.publish("order.paid")
    house.run_until_idle()
    receiver.answer(200)


def keyed(house: House, key: str, body_hash: bytes = b"hash") -> Publishing:
    return Publishing(house.tenant.id, (NewEvent("order.paid", ORDER),), key, body_hash)


def test_one_key_twice_in_one_commit(house: House) -> None:
    """A repeat that shares its first's commit gets the first's ids; another body is refused."""
    first, again, other = store_group(house.services, [keyed(house, "k"), keyed(house, "k"), keyed(house, "k", b"x")])

    assert isinstance(first, tuple)
    assert again == first
    assert isinstance(other, Conflict)


def test_an_event_key_twice_in_one_commit(house: House) -> None:
    """The same holds for keys of single events."""
    event = NewEvent("order.paid", ORDER, idempotency_key="k")
    first, again = store_group(
        house.services,
        [Publishing(house.tenant.id, (event,), None, b""), Publishing(house.tenant.id, (event,), None, b"")],
    )

    assert isinstance(first, tuple)
    assert again == first


def test_a_raised_timeout_is_no_lease_cut_short(house: House, receiver: Receiver) -> None:
    """A claim that was leased for a shorter timeout is given back and claimed anew, not sent."""
    integration = house.integrate(receiver.url, delivery={"timeout_seconds": 1})
    house.publish("order.paid")
    house.run_until_idle()
    house.change(integration, delivery={"timeout_seconds": 60})
    house.publish(*["order.paid"] * 5)

    house.run_until_idle()

    assert len(receiver.wait_for(6)) == 6
    assert {d.attempt for d in house.deliveries()} == {1}


def test_a_lease_lost_in_mid_flight_does_not_end_the_drain(house: House, receiver: Receiver) -> None:
    """When the sweep took back what a drain still has in the air, the drain settles on and stays whole."""
    integration = house.integrate(receiver.url)
    receiver.use(reply(200, after=0.5))
    house.publish("order.paid")
    house.fan_out()
    house.dispatcher.wake([integration.id])
    receiver.wait_for(1)
    house.clock.move(minutes=5)
    take_back(house.services)
    house.dispatcher.wake([integration.id])
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=20)
    house.publish(*["order.paid"] * 3)

    house.run_until_idle()
    house.clock.move(minutes=5)
    take_back(house.services)
    house.run_until_idle()

    assert {d.status for d in house.deliveries()} == {DeliveryStatus.DELIVERED}
    assert house.dispatcher.in_flight() == 0


def test_a_job_leaves_dead_letters_of_deleted_integrations_dead(house: House, receiver: Receiver) -> None:
    """A redrive by filter sends nothing to where there is nobody."""
    dead_letter(house, receiver)
    letter = house.only_delivery()
    integration_control.delete(house.services, house.tenant.id, letter.integration_id)
    redrive.start_job(
        house.services, house.tenant.id, kind=JobKind.REDRIVE, wanted=DeliveryFilter(), rate=None, reason=""
    )

    step_jobs(house.services)

    (after,) = house.deliveries(ids=(letter.id,))
    assert after.status is DeliveryStatus.DEAD


def test_what_is_given_back_after_a_deletion_is_discarded(house: House, receiver: Receiver) -> None:
    """A claim that was not sent does not become pending for an integration that is gone."""
    integration = house.integrate(receiver.url)
    house.publish("order.paid")
    house.fan_out()
    now = house.clock.now()
    with house.services.database.write_once() as tx:
        claimed = claims.any_tenant_claim(
            tx,
            integration.id,
            limit=1,
            alone=False,
            token=house.services.ids.new(),
            now=now,
            lease_until=now + timedelta(seconds=30),
        )
    integration_control.delete(house.services, house.tenant.id, integration.id)

    with house.services.database.write_once() as tx:
        claims.any_tenant_give_back(tx, claimed, now=now)

    (after,) = house.deliveries(event_type="order.paid")
    assert (after.status, after.attempt) == (DeliveryStatus.DISCARDED, 0)


def test_orphans_are_discarded_by_the_sweep(house: House, receiver: Receiver) -> None:
    """Whatever way a pending delivery got to a deleted integration, it does not stay there."""
    integration = house.integrate(receiver.url)
    house.publish("order.paid")
    house.fan_out()
    delivery = house.only_delivery()
    integration_control.delete(house.services, house.tenant.id, integration.id)
    with house.services.database.write() as tx:
        tx.execute(
            deliveries.deliveries.update()
            .where(deliveries.deliveries.c.id == delivery.id)
            .values(status="pending", due_at=house.clock.now())
        )

    forget(house.services)

    (after,) = house.deliveries(ids=(delivery.id,))
    assert (after.status, after.reason) == (DeliveryStatus.DISCARDED, "integration_deleted")


def test_slow_jobs_do_not_starve_others(house: House, receiver: Receiver) -> None:
    """Jobs that wait for their rate leave the turn to a job that has something to do."""
    house.integrate(receiver.url, delivery={"retry_waits": []})
    receiver.answer(404)
    house.publish(*["order.paid"] * 30)
    house.run_until_idle()
    letters = house.deliveries(event_type="order.paid")
    for number in range(5):
        redrive.start_job(
            house.services,
            house.tenant.id,
            kind=JobKind.REDRIVE,
            wanted=DeliveryFilter(ids=tuple(one.id for one in letters[number * 2 : number * 2 + 2])),
            rate=0.01,
            reason="",
        )
    step_jobs(house.services)
    house.clock.move(seconds=1)
    redrive.start_job(
        house.services,
        house.tenant.id,
        kind=JobKind.DISCARD,
        wanted=DeliveryFilter(ids=tuple(one.id for one in letters[20:])),
        rate=None,
        reason="old",
    )

    step_jobs(house.services)

    assert len(house.deliveries(statuses=(DeliveryStatus.DISCARDED,))) == 10


def test_a_gone_from_the_old_address_spares_the_corrected_integration(house: House, receiver: Receiver) -> None:
    """A 410 speaks of the address that it came from."""
    integration = house.integrate(receiver.url_of("/old"))
    receiver.use(reply(410, after=0.4), path="/old")
    house.publish("order.paid")
    house.fan_out()
    house.dispatcher.wake([integration.id])
    receiver.wait_for(1)

    house.change(integration, configuration={"url": receiver.url_of("/new")})
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=10)

    assert integration_control.get(house.services, house.tenant.id, integration.id).enabled


def test_more_than_a_turns_idempotency_keys_are_forgotten(house: House) -> None:
    """A turn that found as many keys as it may take says that there may be more."""
    for start in range(0, 1_200, 300):
        store_group(house.services, [keyed(house, str(number)) for number in range(start, start + 300)])
    house.clock.move(hours=25)

    assert [forget(house.services), forget(house.services), forget(house.services)] == [1_000, 200, 0]


def test_an_outage_is_waited_for_once_a_group() -> None:
    """When the database does not answer, a group's requests are not tried one after the other."""
    tried: list[int] = []

    class Gone:
        """A database whose every transaction takes its time to fail."""

        def write(self) -> object:
            tried.append(1)
            raise Unavailable("gone")

    class Parts:
        database, ring = Gone(), RecordingRing()

        class clock:  # noqa: N801
            @staticmethod
            def now() -> None:
                return None

    publisher = Publisher(Parts())  # type: ignore[arg-type]
    futures: list[Future[tuple[Published, ...]]] = [
        publisher.submit(Publishing(None, (), None, b""))
        for _ in range(10)  # type: ignore[arg-type]
    ]
    publisher.start()

    assert all(isinstance(future.exception(5), Unavailable) for future in futures)
    publisher.stop()
    assert len(tried) == 2


def test_wishes_for_a_later_turn_do_not_pile_up() -> None:
    """Many appointments of one item are one turn, at the earliest moment."""
    agenda: Agenda[str] = Agenda()
    for number in range(100):
        agenda.add_at("item", time.monotonic() + 0.05 + number)
    turns: list[str | None] = []
    thread = threading.Thread(target=lambda: turns.append(agenda.take()))
    thread.start()
    thread.join(5)
    agenda.done("item")

    assert turns == ["item"]
    assert agenda.quiet()
    agenda.close()


@pytest.mark.parametrize("waits", [1, 2])
def test_a_pending_delivery_can_be_hastened(house: House, receiver: Receiver, waits: int) -> None:
    """A redrive of what waits for its retry sends it now; its attempts go on to count."""
    house.integrate(receiver.url, delivery={"retry_waits": [3600] * waits})
    receiver.answer(500)
    house.publish("order.paid")
    house.run_until_idle()
    receiver.answer(200)

    redrive.redrive(house.services, house.tenant.id, house.only_delivery().id)
    house.run_until_idle()

    delivery = house.only_delivery()
    assert (delivery.status, delivery.attempt) == (DeliveryStatus.DELIVERED, 2)
