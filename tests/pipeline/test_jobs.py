"""Stored jobs: what they take and leave, when they rest, and where they go on."""

from __future__ import annotations

from typing import Any

import pytest
from house import House
from servers.receiver import Receiver

from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.domain.errors import Conflict
from postrider.pipeline import redrive
from postrider.pipeline.redrive import step_jobs
from postrider.store import jobs
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import Job, JobKind, JobStatus


def dead(house: House, receiver: Receiver, count: int) -> list[Delivery]:
    """Make dead letters of an integration that keeps failing."""
    house.integrate(receiver.url, delivery={"retry_waits": []})
    receiver.answer(400)
    house.publish(*["order.paid"] * count)
    house.run_until_idle()
    return house.deliveries(event_type="order.paid")


def start(house: House, kind: JobKind = JobKind.REDRIVE, **changes: Any) -> Job:
    given = {"wanted": DeliveryFilter(), "rate": None, "reason": "old", **changes}
    return redrive.start_job(house.services, house.tenant.id, kind=kind, **given)


def read(house: House, job: Job) -> Job:
    with house.services.database.read() as tx:
        found = jobs.get(tx, house.tenant.id, job.id)
    assert found is not None
    return found


def test_a_job_leaves_what_came_after_it(house: House, receiver: Receiver) -> None:
    """What died after a job was started is not meant by it."""
    house.integrate(receiver.url, delivery={"retry_waits": []})
    receiver.answer(400)
    house.publish("order.paid")
    house.run_until_idle()
    job = start(house, JobKind.DISCARD)
    house.publish("order.paid")
    house.run_until_idle()

    step_jobs(house.services)

    assert [one.status for one in house.deliveries()] == [DeliveryStatus.DISCARDED, DeliveryStatus.DEAD]
    assert (read(house, job).status, read(house, job).done) == (JobStatus.DONE, 1)


def test_a_job_did_more_than_there_were(house: House, receiver: Receiver) -> None:
    """What waited when the job was started, and died before its turn, is taken too: and counted in the total."""
    house.integrate(receiver.url, delivery={"retry_waits": []})
    receiver.answer(400)
    house.publish("order.paid")
    house.run_until_idle()
    house.publish("order.paid")
    house.fan_out()
    job = start(house)
    house.run_until_idle()

    step_jobs(house.services)

    assert job.total == 1
    assert (read(house, job).done, read(house, job).total) == (2, 2)


def test_a_job_goes_on_where_it_was(house: House, receiver: Receiver) -> None:
    """Each delivery has its turn once, even if it dies again before the job is done; nothing but its row is kept."""
    dead(house, receiver, 8)
    job = start(house, rate=1)
    for _ in range(20):
        step_jobs(house.services)
        house.clock.move(seconds=1)
        house.run_until_idle()

    assert [one.attempt for one in house.deliveries()] == [2] * 8
    assert (read(house, job).status, read(house, job).done) == (JobStatus.DONE, 8)


@pytest.mark.parametrize("rest", [JobStatus.PAUSED, JobStatus.CANCELLED])
def test_a_job_that_rests_touches_nothing(house: House, receiver: Receiver, rest: JobStatus) -> None:
    """Paused or cancelled, a job leaves every delivery as it is."""
    dead(house, receiver, 3)
    job = start(house, JobKind.DISCARD)

    redrive.change_job(house.services, house.tenant.id, job.id, to=rest)
    step_jobs(house.services)

    assert {one.status for one in house.deliveries()} == {DeliveryStatus.DEAD}
    assert read(house, job).status is rest


def test_a_rate_is_planned_a_moment_ahead(house: House, receiver: Receiver) -> None:
    """However often it is stepped, a job has made no more due than what its rate takes in the next seconds."""
    dead(house, receiver, 30)
    job = start(house, rate=1)

    for _ in range(30):
        step_jobs(house.services)

    assert read(house, job).done <= 6


def undo(house: House, job: Job) -> Job:
    return redrive.undo_job(house.services, house.tenant.id, job.id)


def test_an_undo_takes_back_what_its_job_did_and_nothing_else(house: House, receiver: Receiver) -> None:
    """Not what a person or another job discarded for the same reason, nor what was moved since."""
    letters = dead(house, receiver, 6)
    tenant = house.tenant.id
    redrive.discard(house.services, tenant, letters[0].id, reason="old")
    other = start(house, JobKind.DISCARD, wanted=DeliveryFilter(ids=(letters[1].id,)))
    job = start(house, JobKind.DISCARD)
    step_jobs(house.services)
    redrive.undo_discard(house.services, tenant, letters[2].id)
    redrive.discard(house.services, tenant, letters[2].id, reason="old")
    redrive.redrive(house.services, tenant, letters[3].id)
    redrive.cancel(house.services, tenant, letters[3].id, reason="old")

    made = undo(house, job)
    step_jobs(house.services)

    assert [(one.status.value, one.reason) for one in house.deliveries()] == [
        *[("discarded", "old")] * 4, *[("dead", "discard_undone")] * 2
    ]  # fmt: skip
    assert (made.kind, made.total, read(house, made).done) == (JobKind.UNDO_DISCARD, 2, 2)
    assert read(house, other).done == 1


def test_an_undo_can_be_followed_by_another_discard(house: House, receiver: Receiver) -> None:
    """Each undo speaks of its own job: a second one finds nothing that the later job did."""
    dead(house, receiver, 2)
    first = start(house, JobKind.DISCARD)
    step_jobs(house.services)
    undo(house, first)
    step_jobs(house.services)
    start(house, JobKind.DISCARD)
    step_jobs(house.services)

    again = undo(house, first)
    step_jobs(house.services)

    assert (again.total, read(house, again).status) == (0, JobStatus.DONE)
    assert {one.status for one in house.deliveries()} == {DeliveryStatus.DISCARDED}


def test_only_an_ended_discard_is_undone(house: House, receiver: Receiver) -> None:
    """What goes on, and what discards nothing, is a conflict."""
    dead(house, receiver, 1)
    job, other = start(house, JobKind.DISCARD), start(house)

    with pytest.raises(Conflict, match="the job is running"):
        undo(house, job)
    with pytest.raises(Conflict, match="redrive job cannot be undone"):
        undo(house, other)
    redrive.change_job(house.services, house.tenant.id, job.id, to=JobStatus.CANCELLED)

    assert undo(house, job).total == 0


def test_a_redrive_without_a_rate_rings(house: House, receiver: Receiver) -> None:
    """What is due at once is sent at once."""
    (letter,) = dead(house, receiver, 1)
    start(house, wanted=DeliveryFilter(integration_id=letter.integration_id))
    house.ring.rung.clear()

    step_jobs(house.services)

    assert house.ring.rung == [letter.integration_id]
