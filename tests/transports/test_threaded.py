"""What a transport gets that only knows how to send: a flight that keeps the contract in its place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from servers.process import wait_until

from postrider.domain.message import Message
from postrider.domain.outcome import Landed, Outcome, Verdict
from postrider.domain.ports import FlightLimits
from postrider.transports.threaded import Send, ThreadedFlight, batches_within
from postrider.transports.watch import Watch

DELIVERED = Outcome(Verdict.DELIVERED)


def message(body: bytes = b"{}") -> Message:
    return Message(uuid4(), "order.paid", uuid4(), 1, body, ())


def flight(send: Send, *, timeout: float = 5.0, threads: int = 1, batch: int = 1) -> ThreadedFlight:
    limits = FlightLimits(timedelta(seconds=timeout), 100, ((200, 299),))
    fits = batches_within(batch, budget=1000, weigh=lambda each: len(each.body))
    return ThreadedFlight(send, limits, lambda: None, watch=Watch(), fits=fits, threads=threads)


def take(one: ThreadedFlight, count: int, *, within: float = 5.0) -> dict[UUID, Outcome]:
    landed: list[Landed] = []
    until = time.monotonic() + within
    while len(landed) < count and time.monotonic() < until:
        landed += one.take(0.05)
    assert len(landed) <= count
    return {each.message_id: each.outcome for each in landed}


def deliver(messages: Sequence[Message], _: float) -> Iterable[tuple[UUID, Outcome]]:
    return [(each.id, DELIVERED) for each in messages]


def test_simple_transport_needs_only_send() -> None:
    """A function that sends is enough for a flight."""
    messages = [message() for _ in range(20)]
    one = flight(deliver)
    one.put(messages)
    landed = take(one, 20)
    one.close()

    assert {landed[each.id].verdict for each in messages} == {Verdict.DELIVERED}


def test_send_that_raises_loses_nothing() -> None:
    """A mistake in a transport is an outcome, and the flight goes on."""

    def broken(messages: Sequence[Message], seconds: float) -> Iterable[tuple[UUID, Outcome]]:
        if messages[0].body == b"bad":
            raise ValueError("the transport's own mistake")
        return deliver(messages, seconds)

    bad, good = message(b"bad"), message()
    one = flight(broken)
    one.put([bad, good])
    landed = take(one, 2)
    one.close()

    assert (landed[bad.id].verdict, landed[bad.id].error) == (Verdict.TEMPORARY, "internal_error")
    assert landed[good.id].verdict is Verdict.DELIVERED


def test_message_that_send_forgot_has_an_outcome() -> None:
    """What a transport does not speak of is not taken for delivered."""
    one = flight(lambda messages, _: [(messages[0].id, DELIVERED)], batch=2)
    messages = [message(), message()]
    one.put(messages)
    landed = take(one, 2)
    one.close()

    assert [landed[each.id].error for each in messages] == ["", "internal_error"]


@pytest.mark.alone
def test_stuck_send_costs_its_own_messages_only() -> None:
    """A call that never ends holds one thread; the others go on, and its messages end at the deadline."""
    go_on = threading.Event()

    def sometimes_stuck(messages: Sequence[Message], seconds: float) -> Iterable[tuple[UUID, Outcome]]:
        if messages[0].body == b"stuck":
            go_on.wait(10)
        return deliver(messages, seconds)

    stuck, others = message(b"stuck"), [message() for _ in range(5)]
    one = flight(sometimes_stuck, timeout=0.5, threads=2)
    began = time.monotonic()
    one.put([stuck, *others])
    landed = take(one, 6)
    took = time.monotonic() - began
    go_on.set()
    late = one.take(0.2)
    one.close()

    assert (landed[stuck.id].verdict, landed[stuck.id].error) == (Verdict.TEMPORARY, "timeout")
    assert {landed[each.id].verdict for each in others} == {Verdict.DELIVERED}
    assert 0.4 < took <= 1.0
    assert late == []


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_are_bounded(threads: int) -> None:
    """A flight has as many calls under way as it may, and no more."""
    lock, under_way, most = threading.Lock(), 0, 0
    all_in = threading.Barrier(threads)

    def counted(messages: Sequence[Message], seconds: float) -> Iterable[tuple[UUID, Outcome]]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        all_in.wait(5)
        with lock:
            under_way -= 1
        return deliver(messages, seconds)

    one = flight(counted, threads=threads)
    one.put([message() for _ in range(threads * 4)])
    landed = take(one, threads * 4)
    one.close()

    assert len(landed) == threads * 4
    assert most == threads


def test_send_is_told_how_long_it_has() -> None:
    """The time left for a call counts from when its message was put in."""
    told: list[float] = []

    def slow(messages: Sequence[Message], seconds: float) -> Iterable[tuple[UUID, Outcome]]:
        told.append(seconds)
        time.sleep(0.2)
        return deliver(messages, seconds)

    one = flight(slow, timeout=2.0)
    one.put([message(), message()])
    take(one, 2)
    one.close()

    assert told[0] == pytest.approx(2.0, abs=0.1)
    assert told[1] == pytest.approx(1.8, abs=0.1)


def test_batches_are_bounded_in_number_and_weight() -> None:
    """Calls hold as many messages as may go together, in their order; one that is too heavy goes by itself."""
    calls: list[list[int]] = []

    def noted(messages: Sequence[Message], seconds: float) -> Iterable[tuple[UUID, Outcome]]:
        calls.append([len(each.body) for each in messages])
        return deliver(messages, seconds)

    one = flight(noted, batch=3)
    one.put([message(b"x" * size) for size in (1, 2, 3, 4, 500, 501, 2000, 5)])
    take(one, 8)
    one.close()

    assert calls == [[1, 2, 3], [4, 500], [501], [2000], [5]]


def test_nothing_is_left_behind() -> None:
    """After a close no thread of the flight lives on."""
    before = threading.active_count()
    one = flight(deliver, threads=4)
    one.put([message() for _ in range(40)])
    take(one, 40)
    one.close()

    wait_until(lambda: threading.active_count() <= before, "the flight's threads have ended", seconds=2)
