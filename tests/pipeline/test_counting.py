"""What pages show in numbers follows from what happened: each way that a delivery can go is counted once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from house import START, House
from pipeline.by_hand import claim, lose
from servers.receiver import Receiver
from sqlalchemy import func, select, update

from postrider.control import integrations as integration_control
from postrider.domain.delivery import LOST_ALONE, LOST_LIMIT, Claimed, Delivery, DeliveryStatus
from postrider.domain.integration import Integration
from postrider.domain.outcome import Outcome, Verdict
from postrider.pipeline import redrive
from postrider.pipeline.fan_out import BatchLimits, fan_out_round
from postrider.pipeline.sweep import fold, forget, take_back
from postrider.store import claims, counts, deliveries
from postrider.store.claims import Settlement
from postrider.store.counts import Count
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind
from postrider.store.tables import count_changes, integrations

ALWAYS = START + timedelta(days=1_000)
DEAD, PENDING, SKIPPED = DeliveryStatus.DEAD, DeliveryStatus.PENDING, DeliveryStatus.SKIPPED


@dataclass(frozen=True, slots=True)
class Numbers:
    """All that is counted of a tenant."""

    published: int = 0
    delivered: int = 0
    failed: int = 0
    died: int = 0
    backlog: int = 0
    letters: dict[str, int] = field(default_factory=dict)


def total(house: House, integration: Integration | None = None) -> Count:
    with house.services.database.read() as tx:
        return counts.total(
            tx,
            house.tenant.id,
            integration_id=integration.id if integration else None,
            since=START - timedelta(days=1),
            until=ALWAYS,
        )


def numbers(house: House) -> Numbers:
    """Read what is counted; waiting and dead are the same before it is folded and after."""
    unfolded = _standing(house)
    fold(house.services)
    assert _standing(house) == unfolded
    sums = total(house)
    return Numbers(sums.published, sums.delivered, sums.failed, sums.died, *unfolded)


def _standing(house: House) -> tuple[int, dict[str, int]]:
    with house.services.database.read() as tx:
        groups = counts.letter_groups(tx, house.tenant.id, limit=100)
        letters = {group.error: group.letters for group in groups}
        assert counts.letters(tx, house.tenant.id) == sum(letters.values())
        return counts.backlog(tx, house.tenant.id), letters


class Stage:
    """A house with an integration that gives up at once, and what cases do with it."""

    def __init__(self, house: House, receiver: Receiver) -> None:
        self.house, self.receiver = house, receiver
        self.services, self.tenant = house.services, house.tenant.id
        self.integration = house.integrate(receiver.url, delivery={"retry_waits": []})
        house.fan_out()

    def pending(self, count: int = 1) -> list[Delivery]:
        self.house.publish(*["order.paid"] * count)
        self.house.fan_out()
        return self.all()

    def delivered(self) -> list[Delivery]:
        self.pending()
        self.house.deliver()
        return self.all()

    def dead(self, count: int = 1) -> list[Delivery]:
        self.receiver.answer(404)
        self.pending(count)
        self.house.deliver()
        self.receiver.answer(200)
        return self.all()

    def skipped(self) -> list[Delivery]:
        self.disable()
        return self.pending()

    def disable(self) -> None:
        integration_control.set_enabled(self.services, self.tenant, self.integration.id, enabled=False)
        self.house.fan_out()

    def enable(self) -> None:
        integration_control.set_enabled(self.services, self.tenant, self.integration.id, enabled=True)
        self.house.fan_out()

    def discarded(self) -> list[Delivery]:
        (only,) = self.pending()
        redrive.cancel(self.services, self.tenant, only.id, reason="no")
        return self.all()

    def retrying(self) -> list[Delivery]:
        self.house.change(self.integration, delivery={"retry_waits": [60]})
        self.receiver.answer(500)
        self.pending()
        self.house.deliver()
        return self.all()

    def claimed(self) -> list[Delivery]:
        found = self.pending()
        self.held = claim(self.house, self.integration.id)
        return found

    def delete(self) -> None:
        integration_control.delete(self.services, self.tenant, self.integration.id)
        self.house.fan_out()

    def settle(self, held: Sequence[Claimed], outcome: Outcome, status: DeliveryStatus) -> None:
        now = self.house.clock.now()
        told = [
            Settlement(
                attempt_id=self.services.ids.new(),
                claimed=one,
                outcome=outcome,
                decision="finish",
                status=status,
                due_at=now if status is PENDING else None,
                reason="told" if status is DEAD else "",
            )
            for one in held
        ]
        with self.services.database.write_once() as tx:
            claims.any_tenant_settle(tx, told, now=now)

    def give_back(self) -> None:
        with self.services.database.write() as tx:
            claims.any_tenant_give_back(tx, self.held, now=self.house.clock.now())

    def job(self, kind: JobKind, *statuses: DeliveryStatus) -> None:
        wanted = DeliveryFilter(statuses=statuses)
        redrive.start_job(self.services, self.tenant, kind=kind, wanted=wanted, rate=None, reason="tidy")
        redrive.step_jobs(self.services)

    def orphan(self) -> None:
        now = self.house.clock.now()
        with self.services.database.write() as tx:
            tx.execute(update(integrations).where(integrations.c.id == self.integration.id).values(deleted_at=now))

    def all(self) -> list[Delivery]:
        return self.house.deliveries(integration_id=self.integration.id, event_type="order.paid")


DELIVERED = Outcome(Verdict.DELIVERED, status_code=200)
FAILED = Outcome(Verdict.TEMPORARY, error="http_500", status_code=500)


def nothing(_: Stage) -> list[Delivery]:
    return []


def publish(stage: Stage, _found: list[Delivery]) -> None:
    other = stage.house.integrate(stage.receiver.url)
    integration_control.set_enabled(stage.services, stage.tenant, other.id, enabled=False)
    stage.pending()  # and the news of both steps


def publish_widely(stage: Stage, _found: list[Delivery]) -> None:
    for _ in range(3):
        stage.house.integrate(stage.receiver.url)
    stage.house.publish("order.paid")
    while fan_out_round(stage.services, BatchLimits(events=1, rows=1)) is not None:
        pass


def replay(stage: Stage, found: list[Delivery]) -> None:
    redrive.replay(stage.services, stage.tenant, found[0].event_id)
    stage.house.fan_out()


def replay_to_one(stage: Stage, found: list[Delivery]) -> None:
    redrive.replay(stage.services, stage.tenant, found[0].event_id, integration_id=stage.integration.id)


def deliver(stage: Stage, _found: list[Delivery]) -> None:
    stage.house.deliver()


def fail(stage: Stage, _found: list[Delivery]) -> None:
    stage.receiver.answer(404)
    stage.house.deliver()


def try_again(stage: Stage, _found: list[Delivery]) -> None:
    stage.house.clock.move(minutes=5)
    stage.house.deliver()


def settle_late(stage: Stage, _found: list[Delivery]) -> None:
    lost(stage, [])
    stage.settle(stage.held, DELIVERED, DeliveryStatus.DELIVERED)


def settle_twice(stage: Stage, _found: list[Delivery]) -> None:
    for _ in range(2):
        stage.settle(stage.held, FAILED, DEAD)


def settle_when_deleted(stage: Stage, _found: list[Delivery]) -> None:
    stage.delete()
    stage.settle(stage.held, FAILED, PENDING)


def lost(stage: Stage, _found: list[Delivery]) -> None:
    stage.house.clock.move(seconds=31)
    take_back(stage.services)


def lost_for_good(stage: Stage, _found: list[Delivery]) -> None:
    lose(stage.house, stage.integration.id, times=LOST_LIMIT, alone_after=LOST_ALONE)


def lost_when_deleted(stage: Stage, _found: list[Delivery]) -> None:
    stage.delete()
    lost(stage, [])


def again(stage: Stage, found: list[Delivery]) -> None:
    redrive.redrive(stage.services, stage.tenant, found[0].id, force=True)


def enable_and_again(stage: Stage, found: list[Delivery]) -> None:
    stage.enable()
    again(stage, found)


def cancel(stage: Stage, found: list[Delivery]) -> None:
    redrive.cancel(stage.services, stage.tenant, found[0].id, reason="no")


def discard(stage: Stage, found: list[Delivery]) -> None:
    redrive.discard(stage.services, stage.tenant, found[0].id, reason="no")


def undo(stage: Stage, found: list[Delivery]) -> None:
    redrive.undo_discard(stage.services, stage.tenant, found[0].id)


def discard_and_undo(stage: Stage, found: list[Delivery]) -> None:
    discard(stage, found)
    undo(stage, found)


def give_back(stage: Stage, _found: list[Delivery]) -> None:
    stage.give_back()


def delete_and_give_back(stage: Stage, _found: list[Delivery]) -> None:
    stage.delete()
    stage.give_back()


def delete(stage: Stage, _found: list[Delivery]) -> None:
    stage.delete()


def disable(stage: Stage, _found: list[Delivery]) -> None:
    stage.disable()


def discard_orphans(stage: Stage, _found: list[Delivery]) -> None:
    stage.orphan()
    with stage.services.database.write() as tx:
        assert deliveries.any_tenant_discard_orphans(tx, now=stage.house.clock.now(), limit=10) == 1


def redrive_all(stage: Stage, _found: list[Delivery]) -> None:
    stage.job(JobKind.REDRIVE, DEAD)


def discard_all(stage: Stage, _found: list[Delivery]) -> None:
    stage.job(JobKind.DISCARD, DEAD, SKIPPED)


def forget_all(stage: Stage, _found: list[Delivery]) -> None:
    stage.house.clock.move(days=91)
    forget(stage.services)
    assert stage.all() == []


Begin = Callable[[Stage], list[Delivery]]
Act = Callable[[Stage, list[Delivery]], None]
CASES: list[tuple[Begin, Act, Numbers]] = [
    # The news of an integration's making and of its change are published too.
    (nothing, publish, Numbers(published=3, backlog=1)),
    (nothing, publish_widely, Numbers(published=4, backlog=4)),
    (Stage.delivered, replay, Numbers(backlog=1)),
    (Stage.delivered, replay_to_one, Numbers(backlog=1)),
    (Stage.pending, deliver, Numbers(delivered=1, backlog=-1)),
    (Stage.pending, fail, Numbers(failed=1, died=1, backlog=-1, letters={"http_404": 1})),
    (Stage.retrying, try_again, Numbers(failed=1, died=1, backlog=-1, letters={"http_500": 1})),
    (Stage.claimed, settle_late, Numbers(failed=1)),
    (Stage.claimed, settle_twice, Numbers(failed=1, died=1, backlog=-1, letters={"http_500": 1})),
    (Stage.claimed, settle_when_deleted, Numbers(published=1, failed=1, backlog=-1)),
    (Stage.claimed, lost, Numbers(failed=1)),
    (Stage.pending, lost_for_good, Numbers(failed=5, died=1, backlog=-1, letters={"worker_lost": 1})),
    (Stage.claimed, lost_when_deleted, Numbers(published=1, failed=1, backlog=-1)),
    (Stage.dead, again, Numbers(backlog=1, letters={"http_404": -1})),
    (Stage.delivered, again, Numbers(backlog=1)),
    (Stage.discarded, again, Numbers(backlog=1)),
    (Stage.skipped, enable_and_again, Numbers(published=1, backlog=1)),
    (Stage.retrying, again, Numbers()),
    (Stage.pending, cancel, Numbers(backlog=-1)),
    (Stage.dead, discard, Numbers(letters={"http_404": -1})),
    (Stage.skipped, discard, Numbers()),
    (Stage.discarded, undo, Numbers(letters={"": 1})),
    (Stage.dead, discard_and_undo, Numbers()),
    (Stage.claimed, give_back, Numbers()),
    (Stage.claimed, delete_and_give_back, Numbers(published=1, backlog=-1)),
    (Stage.pending, delete, Numbers(published=1, backlog=-1)),
    (Stage.pending, disable, Numbers(published=1)),
    (Stage.pending, discard_orphans, Numbers(backlog=-1)),
    (Stage.dead, redrive_all, Numbers(backlog=1, letters={"http_404": -1})),
    (Stage.dead, discard_all, Numbers(letters={"http_404": -1})),
    (Stage.skipped, discard_all, Numbers()),
    # The sums of that time are past their term too.
    (Stage.dead, forget_all, Numbers(published=-2, failed=-1, died=-1, letters={"http_404": -1})),
    (Stage.delivered, forget_all, Numbers(published=-2, delivered=-1)),
]


@pytest.mark.parametrize(("begin", "act", "expected"), CASES, ids=[f"{b.__name__}-{a.__name__}" for b, a, _ in CASES])
def test_each_way_is_counted(house: House, receiver: Receiver, begin: Begin, act: Act, expected: Numbers) -> None:
    """What was done makes the difference that it should, and no other."""
    stage = Stage(house, receiver)
    found = begin(stage)
    before = numbers(house)

    act(stage, found)

    assert _difference(before, numbers(house)) == expected


def _difference(before: Numbers, after: Numbers) -> Numbers:
    errors = before.letters.keys() | after.letters.keys()
    letters = {error: after.letters.get(error, 0) - before.letters.get(error, 0) for error in errors}
    return Numbers(
        after.published - before.published,
        after.delivered - before.delivered,
        after.failed - before.failed,
        after.died - before.died,
        after.backlog - before.backlog,
        {error: number for error, number in letters.items() if number},
    )


def test_an_integration_has_numbers_of_its_own(house: House, receiver: Receiver) -> None:
    """What one gets is told of it and of the tenant; of the other nothing is."""
    stage = Stage(house, receiver)
    other = house.integrate(receiver.url, "cart.updated")
    stage.delivered()
    stage.dead()
    fold(house.services)

    mine, its, all_of_it = (total(house, one) for one in (stage.integration, other, None))

    assert (mine.delivered, mine.failed, mine.died, mine.published) == (1, 1, 1, 0)
    assert (its.delivered, its.failed, its.died) == (0, 0, 0)
    assert (all_of_it.delivered, all_of_it.failed, all_of_it.died) == (1, 1, 1)
    assert mine.success_rate == 0.5
    assert its.success_rate is None


def test_a_job_leaves_one_change_for_each_integration(house: House, receiver: Receiver) -> None:
    """However many deliveries a step moves, what it leaves to fold is small."""
    stage = Stage(house, receiver)
    house.integrate(receiver.url, delivery={"retry_waits": []})
    stage.dead(10)
    fold(house.services)

    stage.job(JobKind.REDRIVE, DEAD)

    with house.services.database.read() as tx:
        assert tx.execute(select(func.count(), func.sum(count_changes.c.backlog))).one() == (2, 20)


def test_latency_is_from_publishing_to_arrival(house: House, receiver: Receiver) -> None:
    """What waited for fan-out and for a retry counts; what a person sent again does not."""
    stage = Stage(house, receiver)
    house.publish("order.paid")
    house.clock.move(seconds=3)
    house.run_until_idle()
    (arrived,) = stage.all()
    house.clock.move(hours=5)
    redrive.redrive(house.services, house.tenant.id, arrived.id, force=True)
    house.deliver()
    fold(house.services)

    told = total(house)

    assert told.delivered == 2
    assert sum(told.latencies.values()) == 1
    assert told.p50_ms == pytest.approx(3_000, rel=0.6)


def test_latency_of_a_replay_is_from_the_replay(house: House, receiver: Receiver) -> None:
    """An old event that is played again is not late."""
    stage = Stage(house, receiver)
    (delivery,) = stage.delivered()
    fold(house.services)
    house.clock.move(hours=5)
    redrive.replay(house.services, house.tenant.id, delivery.event_id)
    house.run_until_idle()
    fold(house.services)

    told = total(house)

    assert sum(told.latencies.values()) == 2
    assert told.p95_ms is not None
    assert told.p95_ms < 60_000
