"""Who may send how much beside whom: slots, shares, budgets and turns."""

from __future__ import annotations

from uuid import UUID

from house import House
from pipeline.by_hand import LEASE
from servers.answers import hang
from servers.process import wait_until
from servers.receiver import Receiver

from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline.agenda import Agenda
from postrider.pipeline.dispatch import Dispatcher
from postrider.pipeline.drain import ALWAYS
from postrider.store import bells


def ready(house: House, receiver: Receiver, count: int, **policy: object) -> UUID:
    """Make an integration with so many due deliveries."""
    integration = house.integrate(receiver.url, delivery=policy)
    house.publish(*["order.paid"] * count)
    house.fan_out()
    return integration.id


def test_two_workers_share_what_an_integration_takes(house: House, receiver: Receiver) -> None:
    """However many processes drain it, an integration has no more attempts under way than it wants."""
    integration_id = ready(house, receiver, 200, max_in_flight=20)
    receiver.answer_after(0.1)
    second = house.another_dispatcher()

    house.dispatcher.wake([integration_id])
    second.wake([integration_id])
    wait_until(lambda: house.dispatcher.idle() and second.idle(), "both are idle", seconds=30)
    house.run_until_idle()

    assert len(receiver.wait_for(200)) == 200
    assert receiver.busiest <= 20


def test_a_small_integration_has_one_worker(house: House, receiver: Receiver) -> None:
    """What wants few attempts at a time is drained by one process, which may have them all."""
    integration_id = ready(house, receiver, 10, max_in_flight=4)
    receiver.answer_after(0.5)

    house.dispatcher.wake([integration_id])
    wait_until(lambda: receiver.busiest == 4, "all that it takes is under way", seconds=3)
    second = house.another_dispatcher()
    second.wake([integration_id])
    wait_until(second.idle, "the second has found the slot taken", seconds=10)
    house.run_until_idle()

    assert len(receiver.wait_for(10)) == 10
    assert receiver.busiest == 4


def test_a_slot_that_is_not_open_is_not_given(house: House, receiver: Receiver) -> None:
    """The second slot is for integrations that two processes may drain."""
    integration_id = ready(house, receiver, 1)
    now = house.clock.now()

    def take() -> int | None:
        with house.services.database.write_once() as tx:
            return bells.any_tenant_take_slot(
                tx, integration_id, holder=house.services.ids.new(), slots_open=1, now=now, until=now + LEASE
            )

    assert [take(), take()] == [1, None]


def test_a_process_has_a_budget(house: House, receiver: Receiver) -> None:
    """All integrations together have no more under way than the process may have, and the few that each always has."""
    for _ in range(3):
        house.integrate(receiver.url)
    house.publish(*["order.paid"] * 10)
    house.fan_out()
    receiver.answer_after(0.2)
    # One thread, because the budget is approximate where several claim at the same time.
    dispatcher = Dispatcher(house.services, threads=1, in_flight=6)
    dispatcher.start()

    dispatcher.wake(house.due())
    wait_until(dispatcher.idle, "the dispatcher is idle", seconds=20)
    dispatcher.stop(5)

    assert len(receiver.wait_for(30)) == 30
    assert receiver.busiest <= 6 + 3 * ALWAYS


def test_nobody_waits_for_the_slowest_of_a_batch(house: House, receiver: Receiver) -> None:
    """What came back is settled while its neighbours are still under way."""
    ready(house, receiver, 3, timeout_seconds=3)
    receiver.script(hang())

    house.dispatcher.wake(house.due())

    def settled() -> bool:
        return sorted(one.status for one in house.deliveries()) == ["delivered", "delivered", "sending"]

    wait_until(settled, "the quick ones are settled and the slow one is not", seconds=10)


def test_hanging_endpoints_hold_up_no_thread(house: House, receiver: Receiver) -> None:
    """More endpoints hang than there are threads, and are rung again: a healthy one is served meanwhile."""
    hung = [house.integrate(receiver.url_of("/hung"), delivery={"timeout_seconds": 4}).id for _ in range(6)]
    receiver.hang(path="/hung")
    house.publish("order.paid")
    house.fan_out()
    house.dispatcher.wake(hung)
    receiver.wait_for(6)
    healthy = house.integrate(receiver.url_of("/healthy"), "cart.updated")
    house.publish("cart.updated")
    house.fan_out()

    house.dispatcher.wake([*hung, healthy.id])

    def served() -> bool:
        (own,) = house.deliveries(integration_id=healthy.id)
        return own.status is DeliveryStatus.DELIVERED

    wait_until(served, "the healthy one is served", seconds=10)
    assert {one.status for one in house.deliveries(event_type="order.paid")} == {DeliveryStatus.SENDING}


def test_turns_come_in_the_order_of_asking() -> None:
    """Who asked first is served first, and who asks again goes behind those who wait."""
    agenda: Agenda[str] = Agenda()
    for name in ("first", "second", "third", "first"):
        agenda.add(name)

    served = []
    for _ in range(4):
        name = agenda.take()
        assert name is not None
        agenda.add("first")
        agenda.done(name)
        served.append(name)

    assert served == ["first", "second", "third", "first"]
    agenda.close()
