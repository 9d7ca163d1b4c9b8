"""What pages read of many deliveries at once."""

from __future__ import annotations

from house import House
from servers.receiver import Receiver

from postrider.control.tenants import create_tenant
from postrider.domain.audit import Action
from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.store import audit_log, events, standings
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind


def test_the_last_attempt_of_each_delivery(house: House, receiver: Receiver) -> None:
    """The newest of several; none of what was not tried, and none of another tenant's."""
    receiver.answer(status=500, path="/broken")
    broken = house.integrate(receiver.url_of("/broken"), delivery={"retry_waits": [60]})
    house.integrate(receiver.url)
    house.publish()
    for _ in range(2):
        house.run_until_idle()
        house.clock.move(hours=1)
    house.publish()
    house.fan_out()
    its, other = house.deliveries(), create_tenant(house.services, name="other")

    with house.services.database.read() as tx:
        last = standings.last_attempts(tx, house.tenant.id, [one.id for one in its])
        others = standings.last_attempts(tx, other.id, [one.id for one in its])
        none = standings.last_attempts(tx, house.tenant.id, [])

    assert [(last[one.id].number if one.id in last else None, one.integration_id == broken.id) for one in its] == [
        (2, True),
        (1, False),
        (None, True),
        (None, False),
    ]
    assert others == none == {}


def test_the_statuses_of_an_events_deliveries(house: House, receiver: Receiver) -> None:
    """Each once, the worst first."""
    receiver.answer(status=410, path="/gone")
    for path in ("/a", "/b", "/gone"):
        house.integrate(receiver.url_of(path))
    first, second = house.publish("order.paid", "cart.updated")
    house.run_until_idle()
    other = create_tenant(house.services, name="other")

    with house.services.database.read() as tx:
        found = standings.statuses_of_each(tx, house.tenant.id, [first.id, second.id])
        others = standings.statuses_of_each(tx, other.id, [first.id])

    assert found == {first.id: (DeliveryStatus.DEAD, DeliveryStatus.DELIVERED)}
    assert others == {}


def test_by_which_job_a_delivery_was_discarded(house: House) -> None:
    """And by whom that job was started; what was discarded by itself has no job."""
    house.integrate("http://127.0.0.1:9/", enabled=False)
    house.publish("order.paid", "order.paid")
    house.fan_out()
    alone, together = house.deliveries()
    redrive.discard(house.services, house.tenant.id, alone.id, reason="mine")
    wanted = DeliveryFilter(statuses=(DeliveryStatus.SKIPPED,))
    job = redrive.start_job(
        house.services, house.tenant.id, kind=JobKind.DISCARD, wanted=wanted, rate=None, reason="all of them"
    )
    redrive.step_jobs(house.services)

    actions = (Action.DELIVERY_DISCARDED, Action.JOB_DISCARD_STARTED)
    with house.services.database.read() as tx:
        jobs = standings.discarding_jobs(tx, house.tenant.id, [alone.id, together.id])
        entries = audit_log.latest_of_each(
            tx, house.tenant.id, [str(alone.id), str(together.id), str(job.id)], actions, limit=10
        )

    assert jobs == {together.id: job.id}
    assert {of: entry.action for of, entry in entries.items()} == {
        str(alone.id): Action.DELIVERY_DISCARDED,
        str(job.id): Action.JOB_DISCARD_STARTED,
    }


def test_whether_an_event_waits_for_fan_out(house: House) -> None:
    """Until it was fanned out, and again when it is replayed."""
    event = house.publish()[0]

    def waits() -> bool:
        with house.services.database.read() as tx:
            return events.waits(tx, house.tenant.id, event.id)

    first = waits()
    house.fan_out()
    second = waits()
    redrive.replay(house.services, house.tenant.id, event.id)

    assert (first, second, waits()) == (True, False, True)
