"""Fan-out: for every integration that observes an event there is a row, and for no other."""

from __future__ import annotations

from house import House
from servers.receiver import Receiver
from sqlalchemy import update
from structlog.testing import capture_logs
from structlog.typing import EventDict

from postrider.control import tenants as tenant_control
from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline.fan_out import BatchLimits, Resting, fan_out_round, fan_out_tenant
from postrider.store.tables import integrations


def test_patterns_choose_the_integrations(house: House, receiver: Receiver) -> None:
    """A name, a prefix and everything observe; other names do not."""
    chosen = {
        house.integrate(receiver.url, *patterns).id
        for patterns in (["order.paid"], ["order.*"], ["*"], ["cart.updated", "order.paid"])
    }
    house.integrate(receiver.url, "order.created")
    house.integrate(receiver.url, "cart.*")
    house.run_until_idle()
    receiver.forget()

    house.publish("order.paid")
    house.fan_out()

    assert {d.integration_id for d in house.deliveries(event_type="order.paid")} == chosen


def test_an_integration_observes_what_comes_after_it(house: House, receiver: Receiver) -> None:
    """What was published before an integration was made is not for it, even if it is fanned out later."""
    house.publish("order.paid")
    house.clock.move(seconds=1)
    house.integrate(receiver.url)

    house.fan_out()

    assert house.deliveries() == []


def test_a_disabled_integration_gets_a_skipped_row(house: House, receiver: Receiver) -> None:
    """What is not sent is accounted for, with the reason."""
    house.integrate(receiver.url, enabled=False)

    house.publish("order.paid")
    house.run_until_idle()

    delivery = house.only_delivery()
    assert (delivery.status, delivery.reason) == (DeliveryStatus.SKIPPED, "disabled")
    assert receiver.requests == []


def test_a_deleted_integration_gets_nothing(house: House, receiver: Receiver) -> None:
    """An event that is fanned out after a deletion makes no row for it."""
    from postrider.control import integrations  # noqa: PLC0415

    integration = house.integrate(receiver.url)
    house.publish("order.paid")
    integrations.delete(house.services, house.tenant.id, integration.id)

    house.fan_out()

    assert house.deliveries(event_type="order.paid") == []


def test_another_tenants_event_crosses_nothing(house: House, receiver: Receiver) -> None:
    """An event reaches its own tenant's integrations only."""
    house.integrate(receiver.url, "*")
    other = tenant_control.create_tenant(house.services, name="other")

    house.publish("order.paid", tenant=other)
    house.fan_out()

    assert house.deliveries(event_type="order.paid") == []


def test_an_event_is_fanned_out_once(house: House, receiver: Receiver) -> None:
    """A second ring, and a second worker, make no second delivery."""
    house.integrate(receiver.url)
    house.publish("order.paid")

    house.fan_out()
    house.fan_out()

    assert len(house.deliveries()) == 1


def test_an_event_wider_than_a_batch_takes_several(house: House, receiver: Receiver) -> None:
    """Each transaction makes a bounded number of rows, and in the end every integration has exactly one."""
    limits = BatchLimits(rows=4)
    made = [house.integrate(receiver.url).id for _ in range(10)]
    house.fan_out()
    house.publish("order.paid", "order.paid")

    sizes = []
    while (batch := fan_out_tenant(house.services, house.tenant.id, limits)).events:
        sizes.append(len(batch.rows))

    assert max(sizes) == 4
    assert sorted(d.integration_id for d in house.deliveries()) == sorted(made * 2)


def test_tenants_take_turns(house: House, receiver: Receiver) -> None:
    """A flood of one tenant does not hold up the single event of another."""
    other = tenant_control.create_tenant(house.services, name="other")
    house.integrate(receiver.url)
    house.fan_out()
    house.publish(*["order.paid"] * 100)
    house.publish("order.paid", tenant=other)

    fan_out_round(house.services, BatchLimits(events=10))

    assert fan_out_tenant(house.services, other.id).events == 0
    assert len(house.deliveries()) == 10


def break_fan_out(house: House, receiver: Receiver) -> None:
    """Give the house's own tenant an integration whose row fan-out cannot read."""
    integration = house.integrate(receiver.url)
    house.fan_out()
    with house.services.database.write() as tx:
        tx.execute(update(integrations).where(integrations.c.id == integration.id).values(observes=5))


def test_one_tenants_trouble_held_up_the_events_of_the_others(house: House, receiver: Receiver) -> None:
    """An unexpected error with one tenant's events leaves those of the tenants behind it alone."""
    others = [tenant_control.create_tenant(house.services, name=name) for name in ("second", "third")]
    break_fan_out(house, receiver)
    for tenant in (house.tenant, *others):
        house.publish("order.paid", tenant=tenant)

    with capture_logs() as logs:
        fan_out_round(house.services)

    assert [fan_out_tenant(house.services, other.id).events for other in others] == [0, 0]
    assert [log["tenant_id"] for log in failures(logs)] == [str(house.tenant.id)]


def test_a_tenant_in_trouble_rests(house: House, receiver: Receiver) -> None:
    """It is not tried again with each event of another tenant, but after its rest."""
    other = tenant_control.create_tenant(house.services, name="other")
    break_fan_out(house, receiver)
    house.publish("order.paid")
    long, short = Resting(seconds=3_600), Resting(seconds=0)

    with capture_logs() as logs:
        for _ in range(3):
            house.publish("order.paid", tenant=other)
            assert fan_out_round(house.services, resting=long) == []
        assert fan_out_round(house.services, resting=long) is None
        while_resting = len(failures(logs))
        assert [fan_out_round(house.services, resting=short) for _ in range(2)] == [None, None]

    assert while_resting == 1
    assert len(failures(logs)) == 3


def failures(logs: list[EventDict]) -> list[EventDict]:
    return [log for log in logs if log["event"] == "fan_out.tenant_failed"]
