"""An integration's rate: how many attempts a second it gets, from all workers together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from house import House
from pipeline.by_hand import lose
from servers.process import wait_until
from servers.receiver import Receiver

from postrider.domain.breaker import OPEN_AFTER
from postrider.domain.delivery import LOST_ALONE, LOST_LIMIT
from postrider.store import health


def test_no_more_than_the_rate_goes_out_at_a_moment(house: House, receiver: Receiver) -> None:
    """Of a backlog as many go as are free now; the rest waits with no attempt used."""
    house.integrate(receiver.url, delivery={"rate_limit": 50})
    house.publish(*["order.paid"] * 30)

    house.run_until_idle()

    assert len(receiver.requests) == 5
    assert sum(one.attempt == 0 for one in house.deliveries()) == 25


def test_the_next_goes_at_the_next_free_moment(house: House, receiver: Receiver) -> None:
    """Each step of the clock lets as many go as the rate says, until all are there."""
    house.integrate(receiver.url, delivery={"rate_limit": 2})
    house.publish(*["order.paid"] * 5)
    house.run_until_idle()
    arrived = [len(receiver.requests)]

    for _ in range(8):
        house.clock.move(seconds=0.25)
        house.run_until_idle()
        arrived.append(len(receiver.requests))

    assert arrived == [1, 1, 2, 2, 3, 3, 4, 4, 5]


def test_what_goes_alone_goes_at_the_rate(house: House, receiver: Receiver) -> None:
    """Deliveries that were lost with their workers are attempts like any other."""
    integration = house.integrate(receiver.url, delivery={"rate_limit": 1})
    house.publish(*["order.paid"] * 3)
    house.fan_out()
    lose(house, integration.id, times=LOST_ALONE, alone_after=LOST_LIMIT)
    arrived = []

    for _ in range(3):
        house.run_until_idle()
        arrived.append(len(receiver.requests))
        house.clock.move(seconds=1)

    assert arrived == [1, 2, 3]


def test_a_probe_counts(house: House, receiver: Receiver) -> None:
    """What shows that a parked endpoint is back is an attempt like any other: the next waits for its turn."""
    house.integrate(receiver.url, delivery={"rate_limit": 0.1, "retry_waits": [1] * 30})
    receiver.answer(500)
    house.publish("order.paid", "order.paid")
    for _ in range(OPEN_AFTER):
        house.run_until_idle()
        house.clock.move(seconds=10)
    receiver.answer(200)

    house.run_until_idle()
    probed = len(receiver.requests)
    house.clock.move(seconds=10)
    house.run_until_idle()

    assert (probed, len(receiver.requests)) == (OPEN_AFTER + 1, OPEN_AFTER + 2)


def test_two_workers_share_the_rate(house: House, receiver: Receiver) -> None:
    """The rate is the integration's, not that of each worker."""
    integration = house.integrate(receiver.url, delivery={"rate_limit": 100})
    house.publish(*["order.paid"] * 60)
    house.fan_out()
    other = house.another_dispatcher()

    house.dispatcher.wake([integration.id])
    other.wake([integration.id])
    wait_until(lambda: house.dispatcher.idle() and other.idle(), "both looked")

    assert len(receiver.requests) == 10


@pytest.mark.parametrize("rate", [50, None])
def test_a_raised_rate_holds_at_once(house: House, receiver: Receiver, rate: float | None) -> None:
    """Nobody waits for as long as the rate of before would have it, also where a worker still knows that one."""
    integration = house.integrate(receiver.url, delivery={"rate_limit": 0.001})
    house.publish(*["order.paid"] * 5)
    house.run_until_idle()
    assert len(receiver.requests) == 1
    house.ring.rung.clear()

    house.change(integration, delivery={"rate_limit": rate})
    rung = house.ring.rung == [integration.id]
    for _ in range(2):
        house.run_until_idle()
        house.clock.move(seconds=1)
    house.run_until_idle()

    assert rung
    assert len(receiver.requests) == 5
    assert house.due() == []


def test_what_waits_for_its_rate_is_not_walked_to(house: House, receiver: Receiver) -> None:
    """The sweep leaves it alone until the moment that is free, and finds it then."""
    integration = house.integrate(receiver.url, delivery={"rate_limit": 0.1})
    house.publish(*["order.paid"] * 2)
    house.run_until_idle()
    too_early = house.due()

    house.clock.move(seconds=10)

    assert too_early == []
    assert house.due() == [integration.id]


@pytest.mark.alone
def test_a_worker_keeps_time_by_itself(house: House, receiver: Receiver) -> None:
    """Without any ring the worker goes on at the free moment that it was told."""
    integration = house.integrate(receiver.url, delivery={"rate_limit": 20})
    house.publish(*["order.paid"] * 4)
    house.run_until_idle()
    assert len(receiver.requests) == 2

    house.clock.move(seconds=1)

    receiver.wait_for(4, timeout=1)
    wait_until(house.dispatcher.idle, "it is at rest")
    with house.services.database.read() as tx:
        next_free_at = health.any_tenant_next_free(tx, integration.id)
    assert next_free_at == house.clock.now() + timedelta(milliseconds=100)
