"""An endpoint that hangs costs the others nothing."""

from __future__ import annotations

import threading
from queue import Queue

import pytest
from house import House
from servers.process import wait_until
from servers.receiver import Receiver

from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline.agenda import Agenda
from postrider.pipeline.dispatch import Dispatcher
from postrider.pipeline.drain import ALWAYS, FIRST_WINDOW


def test_an_endpoint_gets_more_as_it_answers(house: House, receiver: Receiver) -> None:
    """Before it has answered, an endpoint gets a few attempts, however many are due; afterwards as many as it may."""
    integration = house.integrate(receiver.url, delivery={"timeout_seconds": 20})
    receiver.answer_after(0.5)
    house.publish(*["order.paid"] * 400)
    house.fan_out()

    house.dispatcher.wake([integration.id])
    receiver.wait_for(FIRST_WINDOW)
    at_first = receiver.busiest
    wait_until(house.dispatcher.idle, "all have arrived")

    assert at_first == FIRST_WINDOW
    assert receiver.busiest > 2 * FIRST_WINDOW


@pytest.mark.alone
def test_hanging_endpoints_leave_room_for_others(house: House) -> None:
    """However many attempts hang, up to the worker's limit, the healthy endpoint gets its own at once."""
    small = Dispatcher(house.services, threads=2, in_flight=6)
    small.start()
    try:
        with Receiver() as hanging, Receiver() as healthy:
            hanging.hang()
            for number in range(3):
                house.integrate(hanging.url_of(f"/{number}"), "order.updated", delivery={"timeout_seconds": 5})
            house.publish(*["order.updated"] * 30)
            house.fan_out()
            small.wake(house.due())
            hanging.wait_for(6)
            integration = house.integrate(healthy.url)
            house.publish(*["order.paid"] * 30)
            house.fan_out()

            small.wake([integration.id])
            healthy.wait_for(30, timeout=3)
            under_way = small.in_flight()
    finally:
        # What hung ends with its receiver.
        small.stop(20)

    assert under_way >= 6
    assert len(hanging.requests) <= 6 + 3 * ALWAYS
    arrived = house.deliveries(integration_id=integration.id)
    assert [one.status for one in arrived] == [DeliveryStatus.DELIVERED] * 30


def test_who_goes_first_does_not_keep_the_others_for_ever() -> None:
    """Those that are known to answer are served first; of five turns one is for the others."""
    agenda: Agenda[str] = Agenda(goes_first=lambda item: item.startswith("well"))
    for number in range(3):
        agenda.add(f"unknown-{number}")
    for number in range(9):
        agenda.add(f"well-{number}")

    turns = [agenda.take() for _ in range(12)]

    assert turns == [
        *(f"well-{number}" for number in range(4)),
        "unknown-0",
        *(f"well-{number}" for number in range(4, 8)),
        "unknown-1",
        "well-8",
        "unknown-2",
    ]


def test_others_are_served_few_at_a_time() -> None:
    """However many threads ask, one item of the others is in hand; who goes first is served beside it at once."""
    agenda: Agenda[str] = Agenda(goes_first=lambda item: item.startswith("well"), others_at_once=1)
    taken: Queue[str | None] = Queue()

    def serve() -> None:
        while (item := agenda.take()) is not None:
            taken.put(item)

    threads = [threading.Thread(target=serve) for _ in range(3)]
    for thread in threads:
        thread.start()
    agenda.add("unknown-0")
    agenda.add("unknown-1")
    agenda.add("well")
    first, second = sorted([str(taken.get(timeout=10)), str(taken.get(timeout=10))])
    held_back = taken.empty()
    agenda.done(first)
    third = taken.get(timeout=10)
    agenda.close()
    for thread in threads:
        thread.join()

    assert (first, second, third) == ("unknown-0", "well", "unknown-1")
    assert held_back
