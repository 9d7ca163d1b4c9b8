"""What is forgotten, when, and in which order."""

from __future__ import annotations

from datetime import datetime

from house import START, House
from pipeline.by_hand import claim
from servers.receiver import Receiver
from sqlalchemy import select

from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.pipeline.sweep import FORGET_LIMIT, PastTerm, forget
from postrider.store import jobs
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import Job, JobKind, JobStatus
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


def test_what_is_kept_is_not_in_the_way(house: House, receiver: Receiver) -> None:
    """However many old events are kept, a turn looks at so many, and the next ones find what is behind them."""
    house.integrate(receiver.url)
    house.publish(*["order.paid"] * FORGET_LIMIT)
    house.publish("order.refunded")
    house.fan_out()
    house.clock.move(days=31)
    walk = PastTerm()

    turns = [forget(house.services, walk) for _ in range(2)]

    assert turns == [FORGET_LIMIT, 1]
    assert len(made_at(house)) == FORGET_LIMIT
    assert walk == PastTerm()


def test_finished_jobs_were_never_forgotten(house: House) -> None:
    """A job that is done or was cancelled goes with its term, counted from its end; one that may still go on stays."""
    done, cancelled, paused, recent = (start_job(house) for _ in range(4))
    for job, to in ((cancelled, JobStatus.CANCELLED), (paused, JobStatus.PAUSED), (recent, JobStatus.PAUSED)):
        redrive.change_job(house.services, house.tenant.id, job.id, to=to)
    redrive.step_jobs(house.services)
    house.clock.move(days=29)
    redrive.change_job(house.services, house.tenant.id, recent.id, to=JobStatus.CANCELLED)
    early = forget(house.services)

    house.clock.move(days=2)
    forgotten = forget(house.services)

    with house.services.database.read() as tx:
        left = [job.id for job in jobs.page(tx, house.tenant.id, before=None, limit=100)]
    assert (early, forgotten) == (0, 2)
    assert left == [recent.id, paused.id]
    assert {done.id, cancelled.id}.isdisjoint(left)


def start_job(house: House) -> Job:
    return redrive.start_job(
        house.services, house.tenant.id, kind=JobKind.DISCARD, wanted=DeliveryFilter(), rate=None, reason="old"
    )
