"""Batches of fan-out: which events they take, and where the next one goes on."""

from __future__ import annotations

from house import House
from servers.receiver import Receiver

from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.pipeline.fan_out import BatchLimits, fan_out_tenant


def test_events_are_fanned_out_in_the_order_of_publishing(house: House, receiver: Receiver) -> None:
    """A batch takes the oldest events that wait, and makes their deliveries in their order."""
    house.integrate(receiver.url)
    house.fan_out()
    made = [one.id for one in house.publish(*["order.paid"] * 5)]

    fan_out_tenant(house.services, house.tenant.id, BatchLimits(events=3))

    assert [one.event_id for one in house.deliveries()] == made[:3]


def test_a_replay_of_a_wide_event_reaches_all(house: House, receiver: Receiver) -> None:
    """An event that took several batches is replayed from its first integration on."""
    limits = BatchLimits(rows=2)
    made = [house.integrate(receiver.url).id for _ in range(5)]
    house.fan_out()
    (event,) = house.publish("order.paid")
    while fan_out_tenant(house.services, house.tenant.id, limits).events:
        pass

    redrive.replay(house.services, house.tenant.id, event.id)
    while fan_out_tenant(house.services, house.tenant.id, limits).events:
        pass

    assert sorted(one.integration_id for one in house.deliveries()) == sorted(made * 2)


def test_held_and_skipped_are_told_apart(house: House, receiver: Receiver) -> None:
    """Switching off holds what was already made and skips what comes later; switching on sends the former only."""
    integration = house.integrate(receiver.url)
    house.publish("order.paid")
    house.fan_out()
    integration = house.change(integration, enabled=False)
    house.publish("order.paid")
    house.run_until_idle()
    held = [one.status for one in house.deliveries()]

    house.change(integration, enabled=True)
    house.run_until_idle()

    assert held == [DeliveryStatus.PENDING, DeliveryStatus.SKIPPED]
    assert [one.status for one in house.deliveries()] == [DeliveryStatus.DELIVERED, DeliveryStatus.SKIPPED]
    assert len(receiver.wait_for(1)) == 1
