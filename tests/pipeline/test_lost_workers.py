"""What workers take to their graves comes back, and what seems to kill them goes alone."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from house import House, build_house
from pipeline.by_hand import claim, column, lose
from servers.answers import reply
from servers.process import wait_until
from servers.receiver import Receiver, Request

from postrider.control import integrations as integration_control
from postrider.domain.delivery import LOST_ALONE, LOST_LIMIT, DeliveryStatus
from postrider.domain.integration import Integration
from postrider.pipeline import redrive
from postrider.pipeline.intake import SUSPECTS_EVERY, Intake, Taken
from postrider.pipeline.solitude import Solitude
from postrider.pipeline.sweep import take_back
from postrider.store import claims
from postrider.store.engine import Database

SLOW = 0.5


def suspect(house: House, receiver: Receiver, **policy: object) -> tuple[UUID, str]:
    """Make an integration whose only delivery was lost twice; gives both ids, the delivery's as on the wire."""
    integration = house.integrate(receiver.url, delivery=policy)
    house.publish("order.paid")
    house.fan_out()
    lose(house, integration.id, times=LOST_ALONE, alone_after=LOST_LIMIT)
    return integration.id, str(house.only_delivery().id)


def more(house: House, count: int) -> None:
    house.publish(*["order.paid"] * count)
    house.fan_out()


def split(requests: list[Request], delivery_id: str) -> tuple[Request, list[Request]]:
    """Part the suspect's request from the others."""
    (own,) = (one for one in requests if one.headers["webhook-id"] == delivery_id)
    return own, [one for one in requests if one is not own]


def test_nothing_goes_beside_a_suspect(house: House, receiver: Receiver) -> None:
    """While what was lost twice is under way, a ring sets nothing else of its integration in motion."""
    integration_id, delivery_id = suspect(house, receiver)
    receiver.script(reply(after=SLOW))
    house.dispatcher.wake([integration_id])
    receiver.wait_for(1)

    more(house, 5)
    house.dispatcher.wake([integration_id])
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=10)
    house.run_until_idle()

    own, others = split(receiver.wait_for(6), delivery_id)
    assert min(one.arrived_at for one in others) >= own.arrived_at + SLOW


def test_a_suspect_waits_for_what_is_under_way(house: House, receiver: Receiver) -> None:
    """What was lost twice is not sent while anything else of its integration still is, however often it is rung."""
    integration_id, delivery_id = suspect(house, receiver)
    more(house, 5)
    receiver.answer_after(SLOW)
    house.dispatcher.wake([integration_id])
    receiver.wait_for(5)

    house.dispatcher.wake([integration_id])
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=10)
    house.run_until_idle()

    own, others = split(receiver.wait_for(6), delivery_id)
    assert own.arrived_at >= max(one.arrived_at for one in others) + SLOW


def test_a_backlog_does_not_keep_a_suspect_waiting_for_ever(sqlite: Database, receiver: Receiver) -> None:
    """Among many claims there is one for what was lost twice, before the backlog has ended."""
    with build_house(sqlite) as house:
        _, delivery_id = suspect(house, receiver, max_in_flight=1)
        more(house, 250)

        house.run_until_idle()

        order = [request.headers["webhook-id"] for request in receiver.wait_for(251)]
    assert order.index(delivery_id) < 250


def test_an_innocent_was_buried_with_the_message_that_ended_its_workers(house: House, receiver: Receiver) -> None:
    """Of what was lost twice, whomever it is for, one is under way in a process at a time: the oldest went in pairs."""
    receiver.answer_after(SLOW)
    first, _ = suspect(house, receiver)
    second = house.integrate(receiver.url, "order.updated")
    house.publish("order.updated", "order.updated")
    house.fan_out()
    lose(house, second.id, times=LOST_ALONE, alone_after=LOST_LIMIT)

    house.dispatcher.wake([first, second.id])
    receiver.wait_for(3)
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=10)

    assert receiver.busiest == 1
    assert {one.status for one in house.deliveries()} == {DeliveryStatus.DELIVERED}


def test_without_a_suspect_nothing_waits(house: House, receiver: Receiver) -> None:
    """However many claims there were, an attempt that takes long holds nothing up when nobody waits to go alone."""
    integration = house.integrate(receiver.url)
    more(house, SUSPECTS_EVERY + 1)

    taken = take_beside_another(house, integration, times=SUSPECTS_EVERY + 1)

    assert all(len(one.claimed) == 1 for one in taken)


def test_a_suspect_is_waited_for_once(house: House, receiver: Receiver) -> None:
    """When its time has come nothing is claimed until all is back; then it goes alone, and the others go on."""
    integration_id, delivery_id = suspect(house, receiver)
    integration = integration_control.get(house.services, house.tenant.id, integration_id)
    more(house, SUSPECTS_EVERY + 1)
    intake = Intake(house.services, integration_id, house.services.ids.new(), Solitude())

    *_, held_up = take_beside_another(house, integration, times=SUSPECTS_EVERY, intake=intake)
    alone, other = (
        intake.take(integration.policy, room=1, in_flight=in_flight, now=house.clock.now()) for in_flight in (0, 1)
    )

    assert (held_up.claimed, held_up.more) == ([], True)
    assert [str(one.delivery_id) for one in alone.claimed] == [delivery_id]
    assert len(other.claimed) == 1


def take_beside_another(
    house: House, integration: Integration, *, times: int, intake: Intake | None = None
) -> list[Taken]:
    """Claim one by one, as a worker does that has another attempt under way all the while."""
    intake = intake or Intake(house.services, integration.id, house.services.ids.new(), Solitude())
    return [intake.take(integration.policy, room=1, in_flight=1, now=house.clock.now()) for _ in range(times)]


def test_a_redrive_forgets_the_losses(house: House, receiver: Receiver) -> None:
    """What was buried for its lost workers starts anew: claimed with others, and with five lives."""
    integration = house.integrate(receiver.url)
    more(house, 1)
    lose(house, integration.id, times=LOST_LIMIT, alone_after=LOST_ALONE)
    assert house.only_delivery().status is DeliveryStatus.DEAD

    redrive.redrive(house.services, house.tenant.id, house.only_delivery().id)

    (claimed,) = claim(house, integration.id, alone=False)
    assert claimed.lost == 0


def test_what_was_lost_after_a_deletion_is_discarded(house: House, receiver: Receiver) -> None:
    """A lease that runs out makes nothing due for an integration that is gone; its attempt is written down."""
    integration = house.integrate(receiver.url)
    more(house, 1)
    claim(house, integration.id)
    integration_control.delete(house.services, house.tenant.id, integration.id)
    house.clock.move(seconds=31)

    take_back(house.services)

    (gone,) = house.deliveries(event_type="order.paid")
    assert (gone.status, gone.reason, gone.due_at) == (DeliveryStatus.DISCARDED, "integration_deleted", None)
    assert [(one.number, one.verdict) for one in house.attempts(gone)] == [(1, "unknown")]


def test_a_lease_outlasts_its_attempt(house: House, receiver: Receiver) -> None:
    """A worker has its lease for as long as an attempt may take, and the margin."""
    integration = house.integrate(receiver.url, delivery={"timeout_seconds": 3})
    more(house, 1)
    receiver.hang()

    house.dispatcher.wake([integration.id])
    receiver.wait_for(1)

    assert column(house, "lease_until") == [
        house.clock.now() + timedelta(seconds=3) + house.services.options.lease_margin
    ]


def test_a_raised_timeout_has_its_lease(house: House, receiver: Receiver) -> None:
    """A worker that still knew a shorter timeout sends under no lease that could end before the attempt."""
    integration = house.integrate(receiver.url, delivery={"timeout_seconds": 1})
    more(house, 1)
    house.run_until_idle()
    house.change(integration, delivery={"timeout_seconds": 60})
    more(house, 1)
    receiver.answer_after(SLOW)

    house.dispatcher.wake([integration.id])
    receiver.wait_for(2)

    _, lease_until = column(house, "lease_until")
    assert lease_until == house.clock.now() + timedelta(seconds=60) + house.services.options.lease_margin


def test_the_oldest_is_claimed_first(house: House, receiver: Receiver) -> None:
    """A claim that cannot take all takes what has been due for longest, and nothing before its time."""
    integration = house.integrate(receiver.url, delivery={"retry_waits": [3600]})
    receiver.script(reply(500))
    more(house, 1)
    house.run_until_idle()
    failed = house.only_delivery().id
    for _ in range(3):
        house.clock.move(seconds=1)
        more(house, 1)

    taken = [one.delivery_id for _ in range(4) for one in claim(house, integration.id, limit=1)]

    assert taken == [one.id for one in house.deliveries() if one.id != failed]


def test_giving_back_a_stale_claim_took_the_next_one_along(house: House) -> None:
    """A claim whose lease ran out is given back beside one of a later batch: what that batch holds of it stays held."""
    integration = house.integrate("http://127.0.0.1:9/")
    house.publish("order.paid", "order.paid")
    house.fan_out()
    stale = claim(house, integration.id, limit=1)[0]
    house.clock.move(seconds=31)
    take_back(house.services)
    batch = claim(house, integration.id)
    again = next(one for one in batch if one.delivery_id == stale.delivery_id)
    other = next(one for one in batch if one is not again)

    with house.services.database.write_once() as tx:
        claims.any_tenant_give_back(tx, [stale, other], now=house.clock.now())

    statuses = {one.id: one.status for one in house.deliveries(integration_id=integration.id)}
    assert statuses[again.delivery_id] is DeliveryStatus.SENDING
    assert statuses[other.delivery_id] is DeliveryStatus.PENDING
