"""From publish to delivered, and what happens on the way when the far side fails."""

import json

from house import House
from servers.receiver import Receiver

from postrider.domain.delivery import DeliveryStatus


def test_a_published_event_arrives(house: House, receiver: Receiver) -> None:
    """What is published reaches the integration that observes it, byte for byte."""
    house.integrate(receiver.url)

    house.publish("order.paid")
    house.run_until_idle()

    (request,) = receiver.wait_for(1)
    assert b'"payload":{"data":{"type":"order","id":"1","total":1.10}}' in request.body
    assert json.loads(request.body)["triggered_by"] == "order.paid"
    assert request.headers["x-moltin-secret-key"] == "s3cret-key"
    assert house.only_delivery().status is DeliveryStatus.DELIVERED


def test_a_slow_receiver_costs_an_attempt_not_the_event(house: House, receiver: Receiver) -> None:
    """A receiver that answers too late is retried."""
    house.integrate(receiver.url, delivery={"timeout_seconds": 0.3})
    receiver.hang()

    house.publish("order.paid")
    house.run_until_idle()

    assert house.only_delivery().status is DeliveryStatus.PENDING
    due_at = house.only_delivery().due_at
    assert due_at is not None
    assert due_at > house.clock.now()


def test_a_failing_receiver_gets_it_when_it_is_well_again(house: House, receiver: Receiver) -> None:
    """The retry after the first wait delivers, with the same id and the next attempt number."""
    house.integrate(receiver.url)
    receiver.answer(500)
    house.publish("order.paid")
    house.run_until_idle()
    receiver.answer(200)

    house.clock.move(seconds=7)
    house.run_until_idle()

    first, second = (json.loads(request.body) for request in receiver.wait_for(2))
    assert (first["id"], first["attempt"]) == (second["id"], 1)
    assert second["attempt"] == 2
    assert house.only_delivery().status is DeliveryStatus.DELIVERED


def test_an_exhausted_delivery_is_a_dead_letter(house: House, receiver: Receiver) -> None:
    """After the last wait has passed in vain the delivery lies dead, with every attempt told."""
    house.integrate(receiver.url, delivery={"retry_waits": [5, 60]})
    receiver.answer(500, b"no")

    house.publish("order.paid")
    for _ in range(3):
        house.run_until_idle()
        house.clock.move(minutes=5)

    delivery = house.only_delivery()
    assert delivery.status is DeliveryStatus.DEAD
    assert delivery.reason == "attempts_exhausted"
    assert [(a.number, a.status_code, a.decision) for a in house.attempts(delivery)] == [
        (1, 500, "retry"),
        (2, 500, "retry"),
        (3, 500, "bury"),
    ]
