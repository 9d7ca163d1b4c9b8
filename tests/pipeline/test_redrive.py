"""What people do with deliveries, one by one and by filter."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from house import House
from servers.receiver import Receiver

from postrider.control import integrations as integration_control
from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.domain.errors import Conflict, InvalidInput, NotFound
from postrider.pipeline import redrive
from postrider.pipeline.redrive import step_jobs
from postrider.store import jobs
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import Job, JobKind, JobStatus


def dead(house: House, receiver: Receiver, count: int = 1) -> list[Delivery]:
    """Make dead letters, of an endpoint that is there: one in trouble would be parked."""
    house.integrate(receiver.url, delivery={"retry_waits": []})
    receiver.answer(404)
    house.publish(*["order.paid"] * count)
    house.run_until_idle()
    receiver.answer(200)
    found = house.deliveries(event_type="order.paid")
    assert {d.status for d in found} == {DeliveryStatus.DEAD}
    return found


def read(house: House, job: Job) -> Job:
    with house.services.database.read() as tx:
        found = jobs.get(tx, house.tenant.id, job.id)
    assert found is not None
    return found


def test_a_redrive_delivers_with_the_same_id(house: House, receiver: Receiver) -> None:
    """A dead letter is sent again: the id stays, attempt numbers go on."""
    (letter,) = dead(house, receiver)

    redrive.redrive(house.services, house.tenant.id, letter.id)
    house.run_until_idle()

    body = json.loads(receiver.wait_for(2)[-1].body)
    assert (body["id"], body["attempt"]) == (str(letter.id), 2)
    assert house.only_delivery().status is DeliveryStatus.DELIVERED


def test_a_redrive_begins_a_new_round_of_retries(house: House, receiver: Receiver) -> None:
    """The retry budget counts from the redrive, not from the first attempt."""
    house.integrate(receiver.url, delivery={"retry_waits": [5]})
    receiver.answer(500)
    house.publish("order.paid")
    for _ in range(2):
        house.run_until_idle()
        house.clock.move(minutes=1)
    letter = house.only_delivery()
    assert letter.status is DeliveryStatus.DEAD

    redrive.redrive(house.services, house.tenant.id, letter.id)
    house.run_until_idle()

    again = house.only_delivery()
    assert (again.status, again.attempt) == (DeliveryStatus.PENDING, 3)


def test_a_delivered_one_is_redriven_only_by_force(house: House, receiver: Receiver) -> None:
    """What arrived is not sent again by mistake."""
    house.integrate(receiver.url)
    house.publish("order.paid")
    house.run_until_idle()
    delivery = house.only_delivery()

    with pytest.raises(Conflict, match="the delivery is delivered"):
        redrive.redrive(house.services, house.tenant.id, delivery.id)
    redrive.redrive(house.services, house.tenant.id, delivery.id, force=True)
    house.run_until_idle()

    assert len(receiver.wait_for(2)) == 2


def test_a_redrive_to_a_deleted_integration_is_refused(house: House, receiver: Receiver) -> None:
    """There is nowhere to send it, and that is said."""
    (letter,) = dead(house, receiver)
    integration_control.delete(house.services, house.tenant.id, letter.integration_id)

    with pytest.raises(Conflict, match="deleted"):
        redrive.redrive(house.services, house.tenant.id, letter.id)


def test_cancel_discard_and_undo(house: House, receiver: Receiver) -> None:
    """Pending can be cancelled, dead discarded, and a discard taken back; each only from its own status."""
    house.integrate(receiver.url)
    house.publish("order.paid")
    house.fan_out()
    delivery = house.only_delivery()
    tenant = house.tenant.id

    with pytest.raises(Conflict, match="the delivery is pending"):
        redrive.discard(house.services, tenant, delivery.id, reason="no")
    cancelled = redrive.cancel(house.services, tenant, delivery.id, reason="sent by hand")
    with pytest.raises(Conflict, match="the delivery is discarded"):
        redrive.cancel(house.services, tenant, delivery.id, reason="twice")
    undone = redrive.undo_discard(house.services, tenant, delivery.id)
    discarded = redrive.discard(house.services, tenant, delivery.id, reason="not wanted")

    assert (cancelled.status, cancelled.reason) == (DeliveryStatus.DISCARDED, "sent by hand")
    assert undone.status is DeliveryStatus.DEAD
    assert (discarded.status, discarded.reason) == (DeliveryStatus.DISCARDED, "not wanted")


def test_another_tenants_delivery_is_not_found(house: House, receiver: Receiver) -> None:
    """Ids of others are unknown ids."""
    (letter,) = dead(house, receiver)

    with pytest.raises(NotFound):
        redrive.redrive(house.services, uuid4(), letter.id)
    with pytest.raises(NotFound):
        redrive.cancel(house.services, uuid4(), letter.id, reason="")
    with pytest.raises(NotFound):
        redrive.replay(house.services, uuid4(), letter.event_id)


def test_a_replay_makes_new_deliveries(house: House, receiver: Receiver) -> None:
    """A replayed event goes to all that observe it by now, under new ids."""
    house.integrate(receiver.url_of("/old"))
    house.publish("order.paid")
    house.run_until_idle()
    house.clock.move(seconds=1)
    house.integrate(receiver.url_of("/new"))
    (first,) = house.deliveries(event_type="order.paid")

    redrive.replay(house.services, house.tenant.id, first.event_id)
    house.run_until_idle()

    requests = receiver.wait_for(3)
    assert sorted(request.path for request in requests) == ["/new", "/old", "/old"]
    assert len({request.headers["webhook-id"] for request in requests}) == 3


def test_a_replay_can_name_its_integration(house: House, receiver: Receiver) -> None:
    """Only the named one gets it, whether it observes the event or not."""
    house.integrate(receiver.url_of("/observer"))
    other = house.integrate(receiver.url_of("/other"), "cart.updated")
    house.publish("order.paid")
    house.run_until_idle()
    receiver.forget()

    redrive.replay(
        house.services, house.tenant.id, house.deliveries(event_type="order.paid")[0].event_id, integration_id=other.id
    )
    house.run_until_idle()

    assert [request.path for request in receiver.wait_for(1)] == ["/other"]


def test_an_event_that_waits_for_fan_out_is_not_replayed(house: House) -> None:
    """A replay of what has not been played says so."""
    (event,) = house.publish("order.paid")

    with pytest.raises(Conflict, match="being fanned out"):
        redrive.replay(house.services, house.tenant.id, event.id)


def test_a_job_redrives_what_its_filter_takes(house: House, receiver: Receiver) -> None:
    """All dead letters of the filter are sent, those that come later are not, and progress is told."""
    letters = dead(house, receiver, 30)
    job = redrive.start_job(
        house.services,
        house.tenant.id,
        kind=JobKind.REDRIVE,
        wanted=DeliveryFilter(integration_id=letters[0].integration_id),
        rate=None,
        reason="",
    )

    step_jobs(house.services)
    house.run_until_idle()

    done = read(house, job)
    assert (job.total, done.done, done.status) == (30, 30, JobStatus.DONE)
    assert {d.status for d in house.deliveries(event_type="order.paid")} == {DeliveryStatus.DELIVERED}


def test_a_job_keeps_its_rate(house: House, receiver: Receiver) -> None:
    """At ten a second, thirty take three seconds: due times are spread, over steps too."""
    dead(house, receiver, 60)
    begin = house.clock.now()
    job = redrive.start_job(
        house.services, house.tenant.id, kind=JobKind.REDRIVE, wanted=DeliveryFilter(), rate=10, reason=""
    )
    while read(house, job).status is JobStatus.RUNNING:
        step_jobs(house.services)
        house.clock.move(seconds=1)

    due = sorted(d.due_at for d in house.deliveries(event_type="order.paid") if d.due_at)
    assert len(due) == 60
    assert due[0] >= begin
    assert due[-1] - due[0] >= timedelta(seconds=5.9)
    assert all(later - earlier >= timedelta(milliseconds=99) for earlier, later in pairwise(due))


def test_a_job_can_be_paused_and_goes_on(house: House, receiver: Receiver) -> None:
    """A paused job touches nothing; resumed, it goes on where it was; cancelled, it stays so."""
    dead(house, receiver, 40)
    tenant = house.tenant.id
    job = redrive.start_job(
        house.services, tenant, kind=JobKind.DISCARD, wanted=DeliveryFilter(), rate=None, reason="old"
    )

    redrive.change_job(house.services, tenant, job.id, to=JobStatus.PAUSED)
    step_jobs(house.services)
    assert read(house, job).done == 0
    redrive.change_job(house.services, tenant, job.id, to=JobStatus.RUNNING)
    step_jobs(house.services)
    assert read(house, job).status is JobStatus.DONE
    with pytest.raises(Conflict, match="the job is done"):
        redrive.change_job(house.services, tenant, job.id, to=JobStatus.CANCELLED)

    assert {(d.status, d.reason) for d in house.deliveries(event_type="order.paid")} == {
        (DeliveryStatus.DISCARDED, "old")
    }


def test_a_job_takes_no_delivery_that_it_may_not_touch(house: House) -> None:
    """A filter by status that makes no sense for the job is refused with its field."""
    with pytest.raises(InvalidInput) as refused:
        redrive.start_job(
            house.services,
            house.tenant.id,
            kind=JobKind.DISCARD,
            wanted=DeliveryFilter(statuses=(DeliveryStatus.DELIVERED,)),
            rate=None,
            reason="",
        )

    assert refused.value.pointer == "data.filter.status"
