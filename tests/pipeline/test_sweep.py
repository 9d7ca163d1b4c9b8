"""The sweep: what rings and workers forgot is found, and what is past its term is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from house import House
from servers.process import wait_until
from servers.receiver import Receiver
from sqlalchemy import func, select

from postrider.control import integrations as integration_control
from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.pipeline.fan_out import FanOut
from postrider.pipeline.publish import NewEvent, Publisher, Publishing
from postrider.pipeline.sweep import FORGET_LIMIT, Sweep, forget
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind
from postrider.store.tables import attempts, deliveries, events, idempotency


def rows(house: House) -> tuple[int, ...]:
    """Count events, deliveries and attempts."""
    with house.services.database.read() as tx:
        return tuple(
            tx.execute(select(func.count()).select_from(table)).scalar_one() for table in (events, deliveries, attempts)
        )


@contextmanager
def sweeping(house: House) -> Iterator[Sweep]:
    """Run fan-out and sweep as a worker does, every 20 ms."""
    fan_out = FanOut(house.services, house.dispatcher.wake)
    sweep = Sweep(
        house.services,
        wake=house.dispatcher.wake,
        fan_out=fan_out.poke,
        every=timedelta(milliseconds=20),
    )
    fan_out.start()
    sweep.start()
    yield sweep
    fan_out.stop()
    sweep.stop()


def has_delivered(house: House, count: int) -> bool:
    return len(house.deliveries(statuses=(DeliveryStatus.DELIVERED,), event_type="order.paid")) == count


def test_without_any_ring_everything_arrives(house: House, receiver: Receiver) -> None:
    """Events that nobody rang for are fanned out and delivered, because the sweep looks."""
    house.integrate(receiver.url)
    house.publish(*["order.paid"] * 30)

    with sweeping(house):
        receiver.wait_for(30)
        wait_until(lambda: has_delivered(house, 30), "all are settled", seconds=10)


def test_a_retry_goes_out_when_its_time_has_come(house: House, receiver: Receiver) -> None:
    """Waits live in the table: no message waits anywhere else."""
    house.integrate(receiver.url)
    receiver.answer(500)
    house.publish("order.paid")
    house.run_until_idle()
    receiver.answer(200)

    with sweeping(house):
        house.clock.move(seconds=3)
        assert house.only_delivery().status is DeliveryStatus.PENDING
        house.clock.move(seconds=4)
        wait_until(lambda: has_delivered(house, 1), "it is delivered", seconds=10)


def test_one_worker_sweeps_at_a_time(house: House) -> None:
    """A second sweep does nothing while the first holds the lease, and takes over when it is dropped."""
    fanned: list[str] = []

    def sweep(name: str) -> Sweep:
        return Sweep(
            house.services,
            wake=lambda _: None,
            fan_out=lambda: fanned.append(name),
            every=timedelta(seconds=1),
        )

    first, second = sweep("first"), sweep("second")
    house.publish("order.paid")

    first.turn()
    second.turn()
    first.turn()
    first.stop()
    second.turn()

    assert fanned == ["first", "first", "second"]


def test_a_sweeper_that_died_is_replaced(house: House) -> None:
    """The lease ends by itself after five seconds."""
    fanned: list[str] = []
    dead, heir = (
        Sweep(
            house.services,
            wake=lambda _: None,
            fan_out=lambda name=name: fanned.append(name),
            every=timedelta(seconds=1),
        )
        for name in ("dead", "heir")
    )
    house.publish("order.paid")

    dead.turn()
    heir.turn()
    house.clock.move(seconds=6)
    heir.turn()

    assert fanned == ["dead", "heir"]


def test_a_job_goes_on_with_the_sweep(house: House, receiver: Receiver) -> None:
    """A stored job is worked off without anybody waiting for it, and its redrives arrive."""
    house.integrate(receiver.url, delivery={"retry_waits": []})
    receiver.answer(500)
    house.publish(*["order.paid"] * 20)
    house.run_until_idle()
    receiver.answer(200)
    redrive.start_job(
        house.services, house.tenant.id, kind=JobKind.REDRIVE, wanted=DeliveryFilter(), rate=None, reason=""
    )

    with sweeping(house):
        wait_until(lambda: has_delivered(house, 20), "all were redriven", seconds=10)


def test_what_is_past_its_term_is_forgotten(house: House, receiver: Receiver) -> None:
    """After 30 days an event goes with its deliveries and attempts; a younger one stays."""
    house.integrate(receiver.url)
    house.fan_out()
    house.publish("order.paid")
    house.run_until_idle()
    house.clock.move(days=29)
    house.publish("order.paid")
    house.run_until_idle()
    assert rows(house) == (3, 2, 2)

    house.clock.move(days=1, seconds=1)
    assert forget(house.services) == 2

    assert rows(house) == (1, 1, 1)


def test_dead_letters_are_kept_longer(house: House, receiver: Receiver) -> None:
    """A dead letter keeps its event for 90 days."""
    house.integrate(receiver.url, delivery={"retry_waits": []})
    receiver.answer(500)
    house.publish("order.paid")
    house.run_until_idle()

    house.clock.move(days=89)
    forget(house.services)
    assert house.only_delivery().status is DeliveryStatus.DEAD
    house.clock.move(days=2)
    forget(house.services)

    assert rows(house) == (0, 0, 0)


def test_what_is_still_to_be_sent_is_never_forgotten(house: House, receiver: Receiver) -> None:
    """An event with a pending delivery stays, however old: a disabled integration may be enabled again."""
    integration = house.integrate(receiver.url)
    house.publish("order.paid")
    house.fan_out()
    integration_control.set_enabled(house.services, house.tenant.id, integration.id, enabled=False)
    house.clock.move(days=400)
    forget(house.services)
    integration_control.set_enabled(house.services, house.tenant.id, integration.id, enabled=True)

    house.run_until_idle()

    assert has_delivered(house, 1)


def test_an_event_that_was_never_fanned_out_is_not_forgotten(house: House) -> None:
    """What no worker has looked at yet is kept."""
    house.publish("order.paid")
    house.clock.move(days=300)

    assert forget(house.services) == 0


def test_forgetting_is_bounded_a_turn(house: House) -> None:
    """A thousand events a turn, so that a long absence does not become one long transaction."""
    for _ in range(2):
        house.publish(*["order.paid"] * 600)
    house.fan_out()
    house.clock.move(days=31)

    assert [forget(house.services) for _ in range(3)] == [FORGET_LIMIT, 1_200 - FORGET_LIMIT, 0]


def test_old_idempotency_keys_are_forgotten(house: House) -> None:
    """Keys are kept for a day."""
    publisher = Publisher(house.services)
    publisher.start()
    publishing = Publishing(house.tenant.id, (NewEvent("order.paid", b"1"),), "key", b"hash")
    publisher.submit(publishing).result(10)
    publisher.stop()
    house.clock.move(hours=25)

    forget(house.services)

    with house.services.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(idempotency)).scalar_one() == 0
