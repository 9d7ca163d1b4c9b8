"""Claims, leases, slots and settles: one holder at a time, and nothing lost when a holder is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from house import House
from pipeline.by_hand import LEASE, claim
from servers.answers import reply
from servers.process import wait_until
from servers.receiver import Receiver

from postrider.control import integrations as integration_control
from postrider.domain.delivery import LOST_ALONE, LOST_LIMIT, Claimed, DeliveryStatus
from postrider.domain.outcome import Outcome, Verdict
from postrider.pipeline.sweep import take_back
from postrider.store import bells, claims, integrations
from postrider.store.claims import Settlement


def settle(house: House, claimed: Claimed, status: DeliveryStatus = DeliveryStatus.DELIVERED) -> set[UUID]:
    """Settle as a worker does."""
    settlement = Settlement(
        attempt_id=house.services.ids.new(),
        claimed=claimed,
        outcome=Outcome(Verdict.DELIVERED, status_code=200),
        decision="finish",
        status=status,
        due_at=None,
        reason="",
    )
    with house.services.database.write_once() as tx:
        return claims.any_tenant_settle(tx, [settlement], now=house.clock.now())


def ready(house: House, receiver: Receiver, count: int = 1) -> UUID:
    """Make an integration with so many due deliveries."""
    integration = house.integrate(receiver.url)
    house.publish(*["order.paid"] * count)
    house.fan_out()
    return integration.id


def test_a_delivery_has_one_holder(house: House, receiver: Receiver) -> None:
    """Claims that race never take the same delivery twice."""
    integration_id = ready(house, receiver, 200)

    with ThreadPoolExecutor(8) as pool:
        taken = [one for batch in pool.map(lambda _: claim(house, integration_id, limit=50), range(8)) for one in batch]

    assert len(taken) == len({one.delivery_id for one in taken}) == 200


def test_the_claim_is_the_record_before_the_bytes_leave(house: House, receiver: Receiver) -> None:
    """After a claim the row holds the attempt's number and start, whatever becomes of the worker."""
    integration_id = ready(house, receiver)

    (claimed,) = claim(house, integration_id)

    delivery = house.only_delivery()
    assert delivery.status is DeliveryStatus.SENDING
    assert delivery.attempt == claimed.attempt == 1
    assert claimed.started_at == house.clock.now()


def test_a_lost_worker_costs_time_not_the_event(house: House, receiver: Receiver) -> None:
    """When its lease runs out a delivery is due again at once, and delivered with the next attempt number."""
    claim(house, ready(house, receiver))
    house.clock.move(seconds=31)

    assert take_back(house.services) == 1
    house.run_until_idle()

    delivery = house.only_delivery()
    assert delivery.status is DeliveryStatus.DELIVERED
    assert [(a.number, a.verdict) for a in house.attempts(delivery)] == [(1, "unknown"), (2, "delivered")]


def test_a_lost_attempt_uses_no_retry(house: House, receiver: Receiver) -> None:
    """The retry budget counts what the far side answered, not what a worker took to its grave."""
    integration = house.integrate(receiver.url, delivery={"retry_waits": [5]})
    receiver.answer(500)
    house.publish("order.paid")
    house.fan_out()
    claim(house, integration.id)
    house.clock.move(seconds=31)
    take_back(house.services)

    house.run_until_idle()

    assert house.only_delivery().status is DeliveryStatus.PENDING


def test_a_lease_that_holds_is_not_taken_back(house: House, receiver: Receiver) -> None:
    """The sweep leaves alone what a worker still has time for."""
    claim(house, ready(house, receiver))
    house.clock.move(seconds=29)

    assert take_back(house.services) == 0


def test_a_stale_token_changes_no_delivery(house: House, receiver: Receiver) -> None:
    """A worker that comes back after its lease moves nothing; its attempt is completed and marked late."""
    integration_id = ready(house, receiver)
    (old,) = claim(house, integration_id)
    house.clock.move(seconds=31)
    take_back(house.services)
    claim(house, integration_id)

    moved = settle(house, old)

    delivery = house.only_delivery()
    assert moved == set()
    assert (delivery.status, delivery.attempt) == (DeliveryStatus.SENDING, 2)
    (late,) = house.attempts(delivery)
    assert (late.number, late.verdict, late.late) == (1, "delivered", True)


def test_a_second_settle_changes_nothing(house: House, receiver: Receiver) -> None:
    """A settle that is repeated because its answer was lost moves the delivery once."""
    (claimed,) = claim(house, ready(house, receiver))

    assert settle(house, claimed) == {claimed.delivery_id}
    assert settle(house, claimed) == set()
    assert house.only_delivery().status is DeliveryStatus.DELIVERED


def test_what_was_lost_before_is_claimed_alone(house: House, receiver: Receiver) -> None:
    """A delivery that was lost twice goes by itself, so that a message that kills workers takes no others along."""
    integration_id = ready(house, receiver)
    for _ in range(LOST_ALONE):
        claim(house, integration_id, alone=False)
        house.clock.move(seconds=31)
        take_back(house.services)
    house.publish(*["order.paid"] * 5)
    house.fan_out()

    together, alone = claim(house, integration_id), claim(house, integration_id, alone=True)

    assert len(together) == 5
    assert [one.lost for one in alone] == [LOST_ALONE]


def test_a_suspect_is_delivered_too(house: House, receiver: Receiver) -> None:
    """What was lost twice through no fault of its own arrives in the end."""
    integration_id = ready(house, receiver)
    for _ in range(LOST_ALONE):
        claim(house, integration_id)
        house.clock.move(seconds=31)
        take_back(house.services)

    house.run_until_idle()

    assert house.only_delivery().status is DeliveryStatus.DELIVERED


def test_a_message_that_kills_workers_is_buried(house: House, receiver: Receiver) -> None:
    """After five losses a delivery is a dead letter with that reason."""
    integration_id = ready(house, receiver)
    for number in range(LOST_LIMIT):
        claim(house, integration_id, alone=number >= LOST_ALONE)
        house.clock.move(seconds=31)
        take_back(house.services)

    delivery = house.only_delivery()
    assert (delivery.status, delivery.reason) == (DeliveryStatus.DEAD, "worker_lost")


def test_the_same_ring_a_hundred_times_sends_once(house: House, receiver: Receiver) -> None:
    """Rings only say where to look."""
    integration_id = ready(house, receiver)

    for _ in range(100):
        house.dispatcher.wake([integration_id])
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=20)

    receiver.wait_for(1)
    assert [d.attempt for d in house.deliveries()] == [1]
    assert len(receiver.requests) == 1


def test_two_workers_send_each_delivery_once(house: House, receiver: Receiver) -> None:
    """Two processes drain one integration side by side without sending anything twice."""
    integration_id = ready(house, receiver, 300)
    second = house.another_dispatcher()

    house.dispatcher.wake([integration_id])
    second.wake([integration_id])
    wait_until(lambda: house.dispatcher.idle() and second.idle(), "both are idle", seconds=30)
    house.run_until_idle()

    assert len(receiver.wait_for(300)) == 300
    assert {d.attempt for d in house.deliveries()} == {1}


def test_what_is_settled_twice_is_as_it_was(house: House, receiver: Receiver) -> None:
    """A worker whose connection broke before it heard of its commit tells once more, and that makes nothing late."""
    (claimed,) = claim(house, ready(house, receiver))

    moved = [settle(house, claimed), settle(house, claimed)]

    assert moved == [{claimed.delivery_id}, set()]
    assert [(one.verdict, one.late) for one in house.attempts(house.only_delivery())] == [("delivered", False)]


def test_an_integration_has_two_slots(house: House, receiver: Receiver) -> None:
    """At most two processes drain an integration at a time; each keeps its slot, which is free when its lease ends."""
    integration_id = ready(house, receiver)
    holders = [house.services.ids.new() for _ in range(3)]

    def take(holder: UUID) -> int | None:
        now = house.clock.now()
        with house.services.database.write_once() as tx:
            return bells.any_tenant_take_slot(
                tx, integration_id, holder=holder, slots_open=2, now=now, until=now + LEASE
            )

    def free(holder: UUID) -> None:
        with house.services.database.write_once() as tx:
            bells.any_tenant_free_slot(tx, integration_id, holder=holder)

    assert [take(holder) for holder in holders] == [1, 2, None]
    assert take(holders[0]) == 1
    free(holders[0])
    assert take(holders[1]) == 2
    assert take(holders[0]) == 1
    house.clock.move(seconds=31)
    assert take(holders[2]) in (1, 2)


def test_a_ring_that_found_the_slots_taken_is_not_lost(house: House, receiver: Receiver) -> None:
    """A drain that gives up its slot looks once more: what came meanwhile is delivered without another ring."""
    integration = house.integrate(receiver.url, delivery={"max_in_flight": 10})
    house.fan_out()
    receiver.answer_after(0.3)
    house.publish("order.paid")
    house.fan_out()
    house.dispatcher.wake([integration.id])
    receiver.wait_for(1)
    house.publish("order.paid")
    house.fan_out()

    second = house.another_dispatcher()
    second.wake([integration.id])

    assert len(receiver.wait_for(2, timeout=10)) == 2


def test_rings_are_few(house: House, receiver: Receiver) -> None:
    """A bell that was just rung is not rung again until a drain has heard it, or five seconds have passed."""
    integration_id = ready(house, receiver)
    name, again = str(integration_id), timedelta(seconds=5)

    def ring() -> list[str]:
        with house.services.database.write_once() as tx:
            return bells.any_tenant_ring(tx, [name], now=house.clock.now(), again_after=again)

    assert [ring(), ring()] == [[name], []]
    house.deliver()
    assert ring() == [name]
    house.clock.move(seconds=6)
    assert ring() == [name]


def test_what_is_switched_off_in_mid_flight_is_held(house: House, receiver: Receiver) -> None:
    """Disabling lets the attempt under way end; its retry waits, and goes out on enabling."""
    integration = house.integrate(receiver.url)
    receiver.use(reply(500, after=0.3))
    house.publish("order.paid")
    house.fan_out()
    house.dispatcher.wake([integration.id])
    wait_until(lambda: house.dispatcher.in_flight() == 1, "the attempt is under way", seconds=10)

    house.change(integration, enabled=False)
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=10)
    house.clock.move(minutes=1)
    house.run_until_idle()
    held = house.only_delivery()
    receiver.answer(200)
    house.change(integration, enabled=True)
    house.run_until_idle()

    assert (held.status, held.attempt) == (DeliveryStatus.PENDING, 1)
    assert house.only_delivery().status is DeliveryStatus.DELIVERED


def test_what_is_deleted_in_mid_flight_is_settled_and_not_tried_again(house: House, receiver: Receiver) -> None:
    """Deletion discards what is pending; the attempt under way ends, and its failure is the end."""
    integration = house.integrate(receiver.url, delivery={"max_in_flight": 1})
    receiver.use(reply(500, after=0.3))
    house.publish("order.paid", "order.paid")
    house.fan_out()
    house.dispatcher.wake([integration.id])
    wait_until(lambda: house.dispatcher.in_flight() == 1, "the attempt is under way", seconds=10)

    integration_control.delete(house.services, house.tenant.id, integration.id)
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=10)

    found = house.deliveries(event_type="order.paid")
    assert {(d.status, d.reason) for d in found} == {(DeliveryStatus.DISCARDED, "integration_deleted")}
    assert sorted(d.attempt for d in found) == [0, 1]


def test_an_edit_is_used_by_the_next_claim(house: House, receiver: Receiver) -> None:
    """A drain that is at work reads the integration again when a claim tells a new version."""
    integration = house.integrate(receiver.url_of("/old"))
    house.publish("order.paid")
    house.run_until_idle()

    house.change(integration, configuration={"url": receiver.url_of("/new"), "secret_key": "other-key"})
    house.publish("order.paid")
    house.run_until_idle()

    old, new = receiver.wait_for(2)
    assert (old.path, old.headers["x-moltin-secret-key"]) == ("/old", "s3cret-key")
    assert (new.path, new.headers["x-moltin-secret-key"]) == ("/new", "other-key")


def test_gone_buries_and_disables(house: House, receiver: Receiver) -> None:
    """HTTP 410 ends the delivery, switches the integration off and is published."""
    watcher = house.integrate(receiver.url_of("/watch"), "integration.disabled")
    integration = house.integrate(receiver.url_of("/gone"))
    receiver.answer(410, path="/gone")

    house.publish("order.paid")
    house.run_until_idle()

    (dead,) = house.deliveries(integration_id=integration.id)
    assert (dead.status, dead.reason) == (DeliveryStatus.DEAD, "http_410")
    after = integration_control.get(house.services, house.tenant.id, integration.id)
    assert (after.enabled, after.disabled_reason) == (False, "gone")
    assert [d.status for d in house.deliveries(integration_id=watcher.id)] == [DeliveryStatus.DELIVERED]


@pytest.mark.parametrize(("failures", "news"), [(9, 0), (10, 1)])
def test_recovery_is_published(house: House, receiver: Receiver, failures: int, news: int) -> None:
    """The first success after ten failures in a row is an event that others can observe; a lesser trouble is not."""
    watcher = house.integrate(receiver.url_of("/watch"), "integration.recovered")
    house.integrate(receiver.url_of("/hook"), delivery={"max_in_flight": 1})
    receiver.answer(500, path="/hook")
    house.publish(*["order.paid"] * failures)
    house.run_until_idle()
    receiver.answer(200, path="/hook")

    house.clock.move(seconds=7)
    house.publish("order.paid")
    house.run_until_idle()

    assert len(house.deliveries(integration_id=watcher.id)) == news


def test_a_stopped_worker_gives_back_what_it_did_not_send(house: House, receiver: Receiver) -> None:
    """SIGTERM: attempts under way end and settle, nothing else is claimed, and nothing is left in sending."""
    integration_id = ready(house, receiver, 60)
    receiver.answer_after(0.2)
    worker = house.another_dispatcher()
    worker.wake([integration_id])
    wait_until(lambda: worker.in_flight() > 0, "something is under way", seconds=10)

    assert worker.stop(15)

    found = house.deliveries()
    assert DeliveryStatus.SENDING not in {d.status for d in found}
    assert len(receiver.requests) == sum(d.attempt for d in found)


def test_a_worker_that_is_to_stop_begins_nothing(house: House, receiver: Receiver) -> None:
    """From the signal on it claims nothing, whoever rings, and gives back what is not sent; it has not ended yet."""
    integration_id = ready(house, receiver, 5)
    worker = house.another_dispatcher()
    worker.wake([integration_id])
    receiver.wait_for(5)
    house.publish("order.paid")
    house.fan_out()

    worker.claim_no_more()
    worker.wake([integration_id])
    wait_until(worker.idle, "nothing is in hand", seconds=10)

    assert [d.attempt for d in house.deliveries()] == [1] * 5 + [0]
    assert len(receiver.requests) == 5


def test_an_unreadable_secret_sends_nothing(house: House, receiver: Receiver) -> None:
    """When no key opens the integration's secrets its deliveries wait, unclaimed and uncounted."""
    from dataclasses import replace  # noqa: PLC0415

    from postrider.pipeline.dispatch import Dispatcher  # noqa: PLC0415
    from postrider.store.secrets import SecretBox, new_key  # noqa: PLC0415

    integration_id = ready(house, receiver)
    blind = Dispatcher(replace(house.services, box=SecretBox([new_key()])), threads=1, in_flight=10)
    blind.start()
    blind.wake([integration_id])
    wait_until(blind.idle, "it has given up", seconds=10)
    blind.stop(5)

    delivery = house.only_delivery()
    assert (delivery.status, delivery.attempt) == (DeliveryStatus.PENDING, 0)
    assert receiver.requests == []


def test_the_walk_finds_only_what_can_be_sent(house: House, receiver: Receiver) -> None:
    """The sweep's walk names integrations that are on and have something due, page by page."""
    wanted = {ready(house, receiver)}
    house.integrate(receiver.url, "cart.updated")
    off = house.integrate(receiver.url)
    house.publish("order.paid")
    house.fan_out()
    house.change(off, enabled=False)
    wanted |= {d.integration_id for d in house.deliveries() if d.integration_id != off.id}

    found: set[UUID] = set()
    after: UUID | None = None
    while True:
        with house.services.database.read() as tx:
            after, due = integrations.any_tenant_walk(tx, after=after, limit=2, now=house.clock.now())
        found |= set(due)
        if after is None:
            break

    assert found == wanted


@pytest.mark.parametrize("count", [1, 250])
def test_nothing_is_left_in_hand(house: House, receiver: Receiver, count: int) -> None:
    """When a backlog is drained no slot is held, no delivery is being sent and the budget is whole."""
    integration_id = ready(house, receiver, count)

    house.run_until_idle()

    assert house.dispatcher.in_flight() == 0
    assert {d.status for d in house.deliveries()} == {DeliveryStatus.DELIVERED}
    now = house.clock.now()
    with house.services.database.write_once() as tx:
        taken = bells.any_tenant_take_slot(
            tx, integration_id, holder=house.services.ids.new(), slots_open=1, now=now, until=now + LEASE
        )
    assert taken == 1
