"""What is forgotten, when, and in which order."""

from __future__ import annotations

from datetime import datetime

from house import START, House
from pipeline.by_hand import claim
from servers.receiver import Receiver
from sqlalchemy import select

from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.pipeline.sweep import FORGET_LIMIT, forget
from postrider.store.tables import events


def made_at(house: House) -> list[datetime]:
    """Tell when the events that are still there were published."""
    with house.services.database.read() as tx:
        return list(tx.execute(select(events.c.created_at)).scalars())


def test_what_was_sent_lately_is_inside_its_term(house: House, receiver: Receiver) -> None:
    """An old event that was redriven stays until its delivery is past the term as well."""
    house.integrate(receiver.url)
    house.publish("order.paid")
    house.run_until_idle()
    house.clock.move(days=29)
    redrive.redrive(house.services, house.tenant.id, house.only_delivery().id, force=True)
    house.run_until_idle()

    house.clock.move(days=2)
    forget(house.services)
    kept = house.deliveries()
    house.clock.move(days=29)
    forget(house.services)

    assert [one.attempt for one in kept] == [2]
    assert house.deliveries() == []


def test_what_nobody_observed_is_kept_for_its_term_too(house: House) -> None:
    """An event without a single delivery can be looked at and replayed for thirty days."""
    house.publish("order.paid")
    house.fan_out()

    house.clock.move(days=29)
    early = forget(house.services)
    house.clock.move(days=2)

    assert (early, forget(house.services)) == (0, 1)


def test_what_is_under_way_is_never_forgotten(house: House, receiver: Receiver) -> None:
    """A worker that holds a delivery finds it when it comes back, however long that took."""
    integration = house.integrate(receiver.url)
    house.publish("order.paid")
    house.fan_out()
    claim(house, integration.id)
    house.clock.move(days=400)

    forget(house.services)

    assert house.only_delivery().status is DeliveryStatus.SENDING


def test_the_oldest_are_forgotten_first(house: House) -> None:
    """A turn that cannot take all leaves the youngest."""
    for days in (0, 1):
        house.clock.move(days=days)
        house.publish(*["order.paid"] * (FORGET_LIMIT // 2 + 100))
    house.fan_out()
    house.clock.move(days=40)

    forget(house.services)

    left = made_at(house)
    assert len(left) == 200
    assert min(left) > START
