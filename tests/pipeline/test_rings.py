"""Rings: few, soon, from a thread of their own, and never in anybody's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from house import ORDER, House
from servers.process import wait_until
from servers.receiver import Receiver

from postrider.bell.app import make_app
from postrider.bell.ringer import FAN_OUT, HEARD_PACE_SECONDS, Ringer
from postrider.domain.delivery import DeliveryStatus
from postrider.domain.errors import Unavailable
from postrider.pipeline import redrive
from postrider.pipeline.drain import Budget, Drain
from postrider.pipeline.fan_out import SHARED_FROM, FanOut
from postrider.pipeline.publish import NewEvent, Publisher, Publishing
from postrider.pipeline.solitude import Solitude
from postrider.store import bells


@contextmanager
def ringer(may_ring: Callable[[set[str]], list[str]]) -> Iterator[Ringer]:
    """Run a ringer over a broker in memory."""
    running = Ringer(make_app("memory://", prefix=uuid4().hex), may_ring)
    running.start()
    yield running
    running.stop()


@contextmanager
def fanning_out(house: House, wake: Callable[[list[UUID]], None]) -> Iterator[FanOut]:
    running = FanOut(house.services, wake)
    running.start()
    yield running
    running.stop()


def one_event(house: House) -> Publishing:
    return Publishing(house.tenant.id, (NewEvent("order.paid", ORDER),), None, b"")


def test_a_wish_waits_for_nobody() -> None:
    """Who wishes a ring goes on while the ringer is held up, and many wishes for a bell become one ring."""
    asked: list[set[str]] = []
    held, integration_id = threading.Event(), uuid4()

    def may_ring(names: set[str]) -> list[str]:
        asked.append(names)
        held.wait(20)
        return []

    with ringer(may_ring) as running:
        running.fan_out()
        wait_until(lambda: len(asked) == 1, "the ringer is held up", seconds=10)
        for _ in range(50):
            running.fan_out()
            running.deliver([integration_id])
        still_held = not held.is_set()
        held.set()
        wait_until(lambda: len(asked) == 2, "the rest is rung", seconds=10)

    assert still_held
    assert asked == [{FAN_OUT}, {FAN_OUT, str(integration_id)}]


def test_who_is_at_work_is_looked_at_rarely() -> None:
    """While fan-out is at work already, the stream of wishes asks seldom whether it is: each look is a write."""
    looks: list[float] = []

    def may_ring(_: set[str]) -> list[str]:
        looks.append(time.monotonic())
        return []

    with ringer(may_ring) as running:
        while len(looks) < 3:
            running.fan_out()

    assert looks[1] - looks[0] >= HEARD_PACE_SECONDS
    assert looks[2] - looks[1] >= HEARD_PACE_SECONDS


def test_a_ringer_that_failed_rests_and_recovers() -> None:
    """After a failure nothing is tried for a while, longer after the next; then it rings and is well again."""
    tries: list[float] = []

    def may_ring(_: set[str]) -> list[str]:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise Unavailable("gone")
        return []

    with ringer(may_ring) as running:
        health = []
        for count in (1, 2, 3):

            def tried(count: int = count) -> bool:
                running.fan_out()
                return len(tries) >= count

            wait_until(tried, "it was tried again", seconds=10)
            wait_until(lambda count=count: running.healthy() is (count == 3), "the try has ended", seconds=10)
            health.append(running.healthy())

    assert health == [False, False, True]
    assert tries[1] - tries[0] >= 0.5
    assert tries[2] - tries[1] >= 1.0


def test_rings_have_no_duties() -> None:
    """Rings are taken off the queue early, are not tried again, keep no result, and cannot fill a broker."""
    app = make_app("amqp://guest@127.0.0.1//")

    assert (app.conf.task_acks_late, app.conf.task_publish_retry, app.conf.task_ignore_result) == (False, False, True)
    assert app.conf.result_backend is None
    for queue in app.conf.task_queues:
        assert queue.queue_arguments["x-max-length"] == 10_000
        assert queue.queue_arguments["x-overflow"] == "drop-head"


def test_a_group_of_publishes_is_one_commit_and_one_ring(house: House) -> None:
    """Requests that wait together are stored together; fan-out is rung once for them."""
    publisher = Publisher(house.services)
    futures = [publisher.submit(one_event(house)) for _ in range(20)]
    house.ring.fan_outs = 0

    publisher.start()
    answers = [future.result(10) for future in futures]
    publisher.stop()

    assert len({answer[0].id for answer in answers}) == 20
    assert house.ring.fan_outs == 1


def test_what_is_published_one_by_one_rings_too(house: House) -> None:
    """A group that had to be parted is rung for as well."""
    publisher = Publisher(house.services)
    bad = Publishing("not a tenant", (NewEvent("order.paid", ORDER),), None, b"")  # type: ignore[arg-type]
    house.ring.fan_outs = 0

    good, broken = publisher.submit(one_event(house)), publisher.submit(bad)
    publisher.start()
    good.result(10)
    publisher.stop()

    assert broken.exception(10) is not None
    assert house.ring.fan_outs == 1


def test_fan_out_rings_once_for_each_integration(house: House, receiver: Receiver) -> None:
    """However many deliveries a batch makes, this worker is woken and the others are rung once an integration."""
    woken: list[UUID] = []
    on, off = house.integrate(receiver.url), house.integrate(receiver.url, enabled=False)
    house.fan_out()
    house.publish(*["order.paid"] * 20)
    house.ring.rung.clear()

    with fanning_out(house, woken.extend) as fan_out:
        fan_out.poke()
        wait_until(lambda: len(house.deliveries(integration_id=off.id)) == 20, "all is fanned out", seconds=10)
        wait_until(lambda: bool(house.ring.rung), "it was rung", seconds=10)

    assert woken == house.ring.rung == [on.id]


def test_few_deliveries_ring_nobody(house: House, receiver: Receiver) -> None:
    """What this worker brings by itself soon enough is worth no ring."""
    woken: list[UUID] = []
    integration = house.integrate(receiver.url)
    house.fan_out()
    house.publish(*["order.paid"] * (SHARED_FROM - 1))
    house.ring.rung.clear()

    with fanning_out(house, woken.extend) as fan_out:
        fan_out.poke()
        wait_until(lambda: bool(woken), "this worker is woken", seconds=10)

    assert (woken, house.ring.rung) == ([integration.id], [])


def test_who_finds_the_slots_taken_rings_those_who_have_them(house: House, receiver: Receiver) -> None:
    """A worker that hears of news and may not drain passes it on, once."""
    integration = house.integrate(receiver.url)
    now = house.clock.now()
    with house.services.database.write() as tx:
        for _ in range(bells.SLOTS):
            assert bells.any_tenant_take_slot(
                tx,
                integration.id,
                holder=house.services.ids.new(),
                slots_open=bells.SLOTS,
                now=now,
                until=now + timedelta(seconds=3),
            )
    house.publish()
    house.fan_out()
    house.ring.rung.clear()

    for _ in range(2):
        house.dispatcher.wake([integration.id])
        wait_until(lambda: bool(house.ring.rung), "the others are rung", seconds=10)

    assert house.ring.rung == [integration.id]
    assert receiver.requests == []


def test_fan_out_clears_its_bell(house: House) -> None:
    """Once a ring is heard, the next event rings again."""

    def ring() -> list[str]:
        with house.services.database.write_once() as tx:
            return bells.any_tenant_ring(tx, [FAN_OUT], now=house.clock.now(), again_after=timedelta(seconds=5))

    assert [ring(), ring()] == [[FAN_OUT], []]
    with fanning_out(house, lambda _: None) as fan_out:
        fan_out.poke()

        wait_until(lambda: ring() == [FAN_OUT], "the bell is clear", seconds=10)


def test_a_bell_rings_again_after_five_seconds(house: House) -> None:
    """A ring that got lost is no reason never to ring again."""

    def ring() -> list[str]:
        with house.services.database.write_once() as tx:
            return bells.any_tenant_ring(tx, [FAN_OUT], now=house.clock.now(), again_after=timedelta(seconds=5))

    rung = [ring()]
    for seconds in (5, 1):
        house.clock.move(seconds=seconds)
        rung.append(ring())

    assert rung == [[FAN_OUT], [], [FAN_OUT]]


def test_a_ring_for_what_is_switched_off_sends_nothing(house: House, receiver: Receiver) -> None:
    """A ring that was on its way when its integration was disabled finds nothing to claim."""
    integration = house.integrate(receiver.url)
    house.publish("order.paid")
    house.fan_out()
    house.change(integration, enabled=False)

    house.dispatcher.wake([integration.id])
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=10)

    assert (house.only_delivery().status, house.only_delivery().attempt) == (DeliveryStatus.PENDING, 0)
    assert receiver.requests == []


@pytest.mark.parametrize("replayed", [False, True])
def test_what_people_send_again_is_rung_for(house: House, receiver: Receiver, replayed: bool) -> None:  # noqa: FBT001
    """A redrive rings its integration, a replay rings fan-out: nobody waits for the sweep."""
    integration = house.integrate(receiver.url)
    house.publish("order.paid")
    house.run_until_idle()
    delivery = house.only_delivery()
    house.ring.rung.clear()
    house.ring.fan_outs = 0

    if replayed:
        redrive.replay(house.services, house.tenant.id, delivery.event_id)
    else:
        redrive.redrive(house.services, house.tenant.id, delivery.id, force=True)

    assert (house.ring.fan_outs, house.ring.rung) == ((1, []) if replayed else (0, [integration.id]))


class Watched(Drain):
    """A drain that tells what it says of having heard something."""

    said: ClassVar[list[bool]] = []

    def __setattr__(self, name: str, value: object) -> None:
        if name == "heard":
            self.said.append(bool(value))
        super().__setattr__(name, value)


def test_a_ring_at_the_end_of_a_look_was_forgotten(house: House, receiver: Receiver) -> None:
    """After a look that found nothing a drain does not write once more that it has heard nothing: it may have since."""
    integration = house.integrate(receiver.url)
    Watched.said.clear()
    with ThreadPoolExecutor(1) as scribes:
        drain = Watched(
            integration.id,
            house.services,
            house.services.ids.new(),
            Budget(10),
            wake=lambda: None,
            solitude=Solitude(),
            scribes=scribes,
        )

        drain.turn(stopping=False)
        drain.close()

    assert Watched.said == [True, False]
