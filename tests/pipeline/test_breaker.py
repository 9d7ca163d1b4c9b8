"""The breaker over real deliveries: who is parked, who probes, what is kept, and what others are told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from house import House
from servers.process import wait_until
from servers.receiver import Receiver

from postrider.control import integrations as integration_control
from postrider.domain.breaker import CLOSED, GIVEN_UP_AFTER, Breaker
from postrider.domain.delivery import DeliveryStatus
from postrider.domain.integration import Integration
from postrider.pipeline import redrive
from postrider.pipeline.fan_out import fan_out_round
from postrider.pipeline.intake import Intake
from postrider.pipeline.solitude import Solitude
from postrider.pipeline.sweep import take_back
from postrider.store import claims, health
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind

LONG = {"retry_waits": [3_600] * 30}


def breaker_of(house: House, integration: Integration) -> Breaker:
    with house.services.database.read() as tx:
        return health.any_tenant_breaker(tx, integration.id)


def parked(house: House, receiver: Receiver, *, failures: int = 10, **delivery: object) -> Integration:
    """Give an integration that was parked by failures of its endpoint just now."""
    integration = house.integrate(receiver.url_of("/hook"), delivery={**LONG, **delivery})
    receiver.answer(503, path="/hook")
    house.publish(*["order.paid"] * failures)
    house.run_until_idle()
    assert breaker_of(house, integration).opened_at is not None
    receiver.forget()
    return integration


def test_a_parked_integration_gets_nothing_and_keeps_its_attempts(house: House, receiver: Receiver) -> None:
    """What is published while it is parked waits with no attempt used."""
    integration = parked(house, receiver)
    house.publish(*["order.paid"] * 5)
    house.fan_out()
    house.dispatcher.wake([integration.id])
    house.deliver()

    waiting = [one for one in house.deliveries() if one.attempt == 0]

    assert receiver.requests == []
    assert [one.status for one in waiting] == [DeliveryStatus.PENDING] * 5


def test_one_delivery_probes_and_the_others_follow_it(house: House, receiver: Receiver) -> None:
    """When the wait is over one goes alone; it arrives, and all that waited goes at once."""
    integration = parked(house, receiver)
    house.publish(*["order.paid"] * 50)
    house.fan_out()
    house.clock.move(seconds=7)
    busiest_before_the_first_answer: list[int] = []
    receiver.choose(lambda _: busiest_before_the_first_answer.append(receiver._busiest) or None)  # type: ignore[func-returns-value]
    receiver.answer(200, path="/hook")

    house.run_until_idle()

    assert busiest_before_the_first_answer[0] == 1
    assert breaker_of(house, integration) == CLOSED
    assert sum(one.status is DeliveryStatus.DELIVERED for one in house.deliveries()) == 50


def test_a_failed_probe_uses_one_attempt_of_one_delivery(house: House, receiver: Receiver) -> None:
    """The endpoint is asked once and left alone for longer; the others keep their attempts."""
    integration = parked(house, receiver)
    house.publish(*["order.paid"] * 50)
    house.fan_out()
    house.clock.move(seconds=7)

    house.run_until_idle()

    after = breaker_of(house, integration)
    assert len(receiver.requests) == 1
    assert after.probes == 1
    assert after.parked_until is not None
    assert timedelta(seconds=8) <= after.parked_until - house.clock.now() <= timedelta(seconds=12)
    assert sum(one.attempt == 0 for one in house.deliveries()) == 49


def test_two_workers_probe_once(house: House, receiver: Receiver) -> None:
    """While one process probes, the other leaves the endpoint alone."""
    integration = parked(house, receiver)
    other = house.another_dispatcher()
    house.publish(*["order.paid"] * 20)
    house.fan_out()
    house.clock.move(seconds=7)
    receiver.answer_after(0.3, path="/hook")

    house.dispatcher.wake([integration.id])
    receiver.wait_for(1)
    other.wake([integration.id])
    wait_until(other.idle, "the other worker looked")
    probes = len(receiver.requests)
    wait_until(house.dispatcher.idle, "the backlog is drained")

    assert probes == 1


def test_a_lost_probe_is_followed_by_another(house: House, receiver: Receiver) -> None:
    """A worker that dies with the probe keeps the integration parked for its lease, not for ever."""
    integration = parked(house, receiver)
    house.publish("order.paid")
    house.fan_out()
    house.clock.move(seconds=7)
    now, lease = house.clock.now(), house.clock.now() + timedelta(seconds=30)
    with house.services.database.write() as tx:
        (lost,) = claims.any_tenant_claim(
            tx,
            integration.id,
            limit=1,
            alone=False,
            token=house.services.ids.new(),
            now=now,
            lease_until=lease,
            probe=True,
        )
        held = breaker_of(house, integration)
        health.any_tenant_set_breaker(tx, integration.id, Breaker(held.failures, held.opened_at, lease, held.probes))
    receiver.answer(200, path="/hook")

    house.run_until_idle()
    before = len(receiver.requests)
    house.clock.move(seconds=31)
    take_back(house.services)
    house.run_until_idle()

    assert before == 0
    statuses = {one.id: one.status for one in house.deliveries()}
    assert statuses[lost.delivery_id] is DeliveryStatus.DELIVERED


@pytest.mark.parametrize("status", [404, 401, 302])
def test_answers_to_the_message_park_nobody(house: House, receiver: Receiver, status: int) -> None:
    """An endpoint that refuses messages is there: it gets all of them."""
    integration = house.integrate(receiver.url, delivery=LONG)
    receiver.answer(status)
    house.publish(*["order.paid"] * 30)

    house.run_until_idle()

    assert len(receiver.requests) == 30
    assert breaker_of(house, integration) == CLOSED


def test_a_success_between_starts_the_count_anew(house: House, receiver: Receiver) -> None:
    """Nine failures, a success, nine failures: nobody is parked."""
    integration = house.integrate(receiver.url, delivery=LONG)
    for status, events in ((500, 9), (200, 1), (500, 9)):
        receiver.answer(status)
        house.publish(*["order.paid"] * events)
        house.run_until_idle()

    assert breaker_of(house, integration).failures == 9
    assert breaker_of(house, integration).opened_at is None


def test_a_mended_address_is_tried_at_once(house: House, receiver: Receiver) -> None:
    """Who corrects the configuration of a parked integration waits for no probe."""
    integration = parked(house, receiver)
    house.publish("order.paid")

    house.change(integration, configuration={"url": receiver.url_of("/mended"), "secret_key": "s3cret-key"})
    house.run_until_idle()

    assert [request.path for request in receiver.requests] == ["/mended"]


def test_a_redrive_probes_at_once(house: House, receiver: Receiver) -> None:
    """A person who sends one of its deliveries again need not wait for the next probe."""
    integration = parked(house, receiver)
    receiver.answer(200, path="/hook")

    redrive.redrive(house.services, house.tenant.id, house.deliveries()[0].id)
    house.run_until_idle()

    assert len(receiver.requests) == 1
    assert breaker_of(house, integration) == CLOSED


def test_parking_is_gone_for_the_others_too_when_it_closes(house: House, receiver: Receiver) -> None:
    """The state is in the database: a worker that never saw the failures keeps to it, and goes on with the others."""
    integration = parked(house, receiver)
    fresh = house.another_dispatcher()
    house.publish(*["order.paid"] * 3)
    house.fan_out()

    fresh.wake([integration.id])
    wait_until(fresh.idle, "it looked")
    while_parked = len(receiver.requests)
    house.clock.move(seconds=7)
    receiver.answer(200, path="/hook")
    fresh.wake([integration.id])
    receiver.wait_for(3)
    wait_until(fresh.idle, "it has delivered")

    assert while_parked == 0


def test_opening_gives_back_what_was_not_sent(house: House, receiver: Receiver) -> None:
    """Of a hundred claimed those that no byte was sent of keep their attempts."""
    integration = house.integrate(
        receiver.url_of("/hook"), delivery={**LONG, "max_in_flight": 200, "timeout_seconds": 5}
    )
    receiver.answer(500, path="/hook")
    house.publish(*["order.paid"] * 400)

    house.run_until_idle()

    sent = len(receiver.requests)
    untouched = [one for one in house.deliveries() if one.attempt == 0]
    assert breaker_of(house, integration).opened_at is not None
    assert sent + len(untouched) == 400
    assert untouched
    assert {one.status for one in untouched} == {DeliveryStatus.PENDING}


def test_five_days_of_failures_disable_and_say_so(house: House, receiver: Receiver) -> None:
    """An integration that did nothing but fail is switched off, its deliveries are held, and others can observe it."""
    watcher = house.integrate(receiver.url_of("/watch"), "integration.disabled")
    integration = parked(house, receiver)
    house.clock.move(seconds=GIVEN_UP_AFTER.total_seconds())
    receiver.forget()

    house.run_until_idle()
    house.run_until_idle()

    after = integration_control.get(house.services, house.tenant.id, integration.id)
    assert (after.enabled, after.disabled_reason) == (False, "failing")
    assert [one.status for one in house.deliveries(integration_id=watcher.id)] == [DeliveryStatus.DELIVERED]
    assert {one.status for one in house.deliveries(integration_id=integration.id)} == {DeliveryStatus.PENDING}
    (news,) = [request for request in receiver.requests if request.path == "/watch"]
    assert b'"disabled_reason":"failing"' in news.body.replace(b'": "', b'":"')


def test_recovery_after_parking_is_told(house: House, receiver: Receiver) -> None:
    """The first delivery that arrives after a parking publishes integration.recovered, once."""
    watcher = house.integrate(receiver.url_of("/watch"), "integration.recovered")
    parked(house, receiver)
    receiver.answer(200, path="/hook")
    house.clock.move(hours=2)

    house.run_until_idle()
    house.run_until_idle()

    assert len(house.deliveries(integration_id=watcher.id)) == 1


def test_a_parked_integration_is_not_rung(house: House, receiver: Receiver) -> None:
    """Events for a parked integration wake nobody: the sweep finds them when its probe is due."""
    integration = parked(house, receiver)
    house.publish("order.paid")

    woken = fan_out_round(house.services)

    assert woken == []
    assert house.due() == []
    house.clock.move(seconds=7)
    assert house.due() == [integration.id]


def test_a_redrive_by_filter_probes_at_once(house: House, receiver: Receiver) -> None:
    """Who sends all dead letters again after an outage waits for no probe."""
    integration = parked(house, receiver, retry_waits=[])
    receiver.answer(200, path="/hook")
    redrive.start_job(
        house.services, house.tenant.id, kind=JobKind.REDRIVE, wanted=DeliveryFilter(), rate=None, reason=""
    )

    redrive.step_jobs(house.services)
    house.run_until_idle()

    assert breaker_of(house, integration) == CLOSED
    assert {one.status for one in house.deliveries(integration_id=integration.id)} == {DeliveryStatus.DELIVERED}


def test_a_probe_that_was_not_sent_kept_everybody_waiting_for_its_lease(house: House, receiver: Receiver) -> None:
    """A probe that is given back, because the timeout was raised meanwhile, is followed by another at once."""
    integration = parked(house, receiver, timeout_seconds=1)
    house.publish("order.paid")
    house.fan_out()
    house.dispatcher.wake([integration.id])
    wait_until(house.dispatcher.idle, "it has seen the integration as it was")
    house.change(integration, delivery={"timeout_seconds": 60})
    house.clock.move(seconds=7)
    receiver.answer(200, path="/hook")

    house.run_until_idle()

    assert len(receiver.requests) == 1
    assert breaker_of(house, integration) == CLOSED


def test_a_stopped_worker_kept_its_right_to_probe(house: House, receiver: Receiver) -> None:
    """The right to probe is given back with the probe, so that another worker has it at once."""
    integration = parked(house, receiver)
    house.publish("order.paid")
    house.fan_out()
    house.clock.move(seconds=7)
    stopped, other = (intake(house, integration) for _ in range(2))
    (probe,) = stopped.take(integration.policy, room=1, in_flight=0, now=house.clock.now()).claimed
    while_it_probes = other.take(integration.policy, room=1, in_flight=0, now=house.clock.now())

    stopped.give_back([probe], house.clock.now())
    (next_probe,) = other.take(integration.policy, room=1, in_flight=0, now=house.clock.now()).claimed

    assert while_it_probes.claimed == []
    assert (next_probe.delivery_id, next_probe.attempt) == (probe.delivery_id, probe.attempt)


def test_a_probe_that_is_given_back_late_leaves_the_next_one_alone(house: House, receiver: Receiver) -> None:
    """Who gives a probe back after somebody else got the right to probe takes it from nobody."""
    integration = parked(house, receiver)
    house.publish("order.paid", "order.paid")
    house.fan_out()
    house.clock.move(seconds=7)
    slow, quick, third = (intake(house, integration) for _ in range(3))
    (first,) = slow.take(integration.policy, room=1, in_flight=0, now=house.clock.now()).claimed
    house.clock.move(seconds=31)
    quick.take(integration.policy, room=1, in_flight=0, now=house.clock.now())

    slow.give_back([first], house.clock.now())

    assert third.take(integration.policy, room=1, in_flight=0, now=house.clock.now()).claimed == []


def intake(house: House, integration: Integration) -> Intake:
    """Claim as a worker of its own does."""
    return Intake(house.services, integration.id, house.services.ids.new(), Solitude())
