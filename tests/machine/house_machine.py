"""A house that is driven at random, and the model beside it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from postrider.control import integrations as integration_control
from postrider.domain.delivery import LOST_LIMIT, REDRIVABLE, DeliveryStatus
from postrider.domain.errors import Conflict, NotFound, PostriderError
from postrider.domain.outcome import Outcome, Verdict
from postrider.pipeline import redrive, sweep
from postrider.pipeline.fan_out import BatchLimits, fan_out_round
from postrider.store import claims
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind

from .hands import Hands, pick
from .rows import Row, look

MOST_INTEGRATIONS = 4
EVENT_TYPES = ("order.paid", "order.created", "cart.updated")
OBSERVED = (["order.paid"], ["order.*"], ["*"], ["cart.updated", "order.paid"])
WAITS = ([], [5], [5, 300])
OUTCOMES = (
    Outcome(Verdict.DELIVERED),
    Outcome(Verdict.TEMPORARY, error="http_500"),
    Outcome(Verdict.TEMPORARY, error="http_429", retry_after=timedelta(hours=1)),
    Outcome(Verdict.PERMANENT, error="http_400"),
    Outcome(Verdict.PERMANENT, error="http_410", gone=True),
)
LEASE = timedelta(seconds=31)
"""A little more than a claim is leased for."""
DAY = timedelta(days=1)
# A moment, a retry's waits, an hour's wish, a day, and the terms of retention.
STEPS = (timedelta(seconds=1), *[timedelta(seconds=6)] * 2, LEASE, timedelta(minutes=7), timedelta(hours=1), DAY)
TERMS = (31 * DAY, 91 * DAY)
NAMES = st.lists(st.sampled_from(EVENT_TYPES), min_size=1, max_size=4)
PICK = st.integers(0, 255)
PICKS = st.lists(PICK, min_size=1, max_size=4)
OUTCOMES_GIVEN = st.lists(st.sampled_from(OUTCOMES), min_size=4, max_size=4)
LIMITS = st.sampled_from([BatchLimits(), BatchLimits(events=2, rows=1), BatchLimits(events=1, rows=3)])


class HouseMachine(Hands):
    """Every rule does one thing to the real house and says to the model what that must have done."""

    # -- integrations --------------------------------------------------------------------------------------------------

    @initialize(observes=st.sampled_from(OBSERVED), waits=st.sampled_from(WAITS), names=NAMES)
    def begin(self, observes: list[str], waits: list[int], names: list[str]) -> None:
        """Begin with something to do, so that short runs get somewhere."""
        for tenant, patterns in ((0, observes), (0, ["order.*"]), (1, ["*"])):
            self._create(self.tenants[tenant], patterns, waits)
        for tenant in (0, 1):
            self.publish(tenant, ["order.paid", *names])
        self.fan_out(BatchLimits(), whole=True)
        self.actor = None

    @precondition(lambda self: len(self.model.integrations) < MOST_INTEGRATIONS)
    @rule(tenant=st.sampled_from([0, 0, 1]), observes=st.sampled_from(OBSERVED), waits=st.sampled_from(WAITS))
    def create(self, tenant: int, observes: list[str], waits: list[int]) -> None:
        """Make one that is younger than all that was published."""
        self.wait(STEPS[0])
        self._create(self.tenants[tenant], observes, waits)

    @precondition(lambda self: self.model.integrations)
    @rule(which=PICK, observes=st.sampled_from(OBSERVED), waits=st.sampled_from(WAITS))
    def edit(self, which: int, observes: list[str], waits: list[int]) -> None:
        data = {"type": "integration", "observes": observes, "delivery": {"retry_waits": waits}}
        self._change(
            self._integration(which),
            lambda one: integration_control.update(self.services, one.tenant_id, one.id, data),
        )

    @precondition(lambda self: self.model.integrations)
    @rule(which=PICK, enabled=st.booleans())
    def switch(self, which: int, enabled: bool) -> None:  # noqa: FBT001 - drawn by name
        self._change(
            self._integration(which),
            lambda one: integration_control.set_enabled(self.services, one.tenant_id, one.id, enabled=enabled),
        )

    @precondition(lambda self: self.model.integrations)
    @rule(which=PICK)
    def delete(self, which: int) -> None:
        old = self._integration(which)
        self.actor = old.tenant_id
        integration_control.delete(self.services, old.tenant_id, old.id)
        self.model.delete(old, self.clock.now())
        self._expect_event(old.tenant_id, "integration.deleted")

    # -- events --------------------------------------------------------------------------------------------------------

    @rule(tenant=st.sampled_from([0, 0, 1]), names=NAMES)
    def publish(self, tenant: int, names: list[str]) -> None:
        self.actor = self.tenants[tenant].id
        self.house.publish(*names, tenant=self.tenants[tenant])
        self._expect_event(self.actor, *names)

    @precondition(lambda self: self.model.integrations)
    @rule(which=PICK)
    def send_test(self, which: int) -> None:
        to = self._integration(which)
        self.actor = to.tenant_id
        refusal = self._refusal(lambda: integration_control.send_test(self.services, to.tenant_id, to.id))
        assert refusal is (None if to.enabled else Conflict)
        if refusal is None:
            self._expect_event(to.tenant_id, "postrider.test", target_id=to.id)

    @precondition(lambda self: any(story.waiting for story in self.model.stories.values()))
    @rule(limits=LIMITS, whole=st.booleans())
    def fan_out(self, limits: BatchLimits, whole: bool) -> None:  # noqa: FBT001 - drawn by name
        while fan_out_round(self.services, limits) is not None and whole:
            pass
        self._see_fan_out(all_of_it=whole)

    @precondition(lambda self: self.model.stories)
    @rule(which=PICK, foreign=st.sampled_from([False, False, False, True]))
    def replay(self, which: int, foreign: bool) -> None:  # noqa: FBT001 - drawn by name
        story = self._story(which)
        self.actor = self._tenant(story.tenant_id, foreign=foreign)
        refusal = self._refusal(lambda: redrive.replay(self.services, self.actor_id, story.id))
        assert refusal is (NotFound if foreign else Conflict if story.waiting else None)
        if refusal is None:
            self.model.replayed(story, self.clock.now())

    @precondition(lambda self: self.model.stories and self.model.integrations)
    @rule(which=PICK, to=PICK)
    def replay_to_one(self, which: int, to: int) -> None:
        story, integration = self._story(which), self._integration(to)
        self.actor = story.tenant_id
        refusal = self._refusal(
            lambda: redrive.replay(self.services, story.tenant_id, story.id, integration_id=integration.id)
        )
        foreign = integration.tenant_id != story.tenant_id
        assert refusal is (NotFound if foreign else None)
        if refusal is None:
            (new,) = set(look(self.database).deliveries) - set(self.model.rows)
            self.model.add(new, story, integration, self.clock.now())

    # -- claims --------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.model.integrations)
    @rule(which=PICK, limit=st.integers(1, 4), alone=st.booleans())
    def claim(self, which: int, limit: int, alone: bool) -> None:  # noqa: FBT001 - drawn by name
        """Claim for any integration, also where nothing is due."""
        self._claim(self._integration(which), limit, alone=alone)

    @precondition(lambda self: self._due())
    @rule(which=PICK, limit=st.integers(1, 4), outcomes=OUTCOMES_GIVEN)
    def work(self, which: int, limit: int, outcomes: list[Outcome]) -> None:
        """Claim what is due somewhere and tell at once what became of it."""
        integration, alone = pick(self._due(), which)
        mine = self._claim(integration, limit, alone=alone)
        self.promises_hold()
        self._settle(mine, outcomes)

    @precondition(lambda self: self._due())
    @rule(which=PICK, outcomes=OUTCOMES_GIVEN, delete=st.booleans())
    def change_in_flight(self, which: int, outcomes: list[Outcome], delete: bool) -> None:  # noqa: FBT001
        """Claim what is due somewhere; tell what became of it when its integration is not what it was."""
        integration, alone = pick(self._due(), which)
        mine = self._claim(integration, len(outcomes), alone=alone)
        self.promises_hold()
        place = list(self.model.integrations).index(integration.id)
        if delete:
            self.delete(place)
        else:
            self.edit(place, ["*"], [len(self.versions)])
        self.promises_hold()
        self._settle(mine, outcomes)

    @precondition(lambda self: self._due())
    @rule(which=PICK, limit=st.integers(1, 4), times=st.sampled_from([1, 1, 2, LOST_LIMIT]))
    def lose_workers(self, which: int, limit: int, times: int) -> None:
        """Claim what is due somewhere and say nothing until the lease has run out, one worker after the other."""
        lost, _ = pick(self._due(), which)
        for alone in (alone for _ in range(times) for one, alone in self._due() if one.id == lost.id):
            self._claim(lost, limit, alone=alone)
            self.promises_hold()
            self.wait(LEASE)
            self.take_back()
            self.promises_hold()

    @precondition(lambda self: self.held)
    @rule(which=PICKS, outcomes=OUTCOMES_GIVEN)
    def settle(self, which: list[int], outcomes: list[Outcome]) -> None:
        """Tell what became of claims, those included whose lease has run out."""
        self._settle(self._of_one_drain(which), outcomes)

    @precondition(lambda self: self.held)
    @rule(which=PICKS)
    def give_back(self, which: list[int]) -> None:
        taken, now = self._of_one_drain(which), self.clock.now()
        self._let_go(taken)
        with self.database.write() as tx:
            claims.any_tenant_give_back(tx, taken, now=now)
        for one in taken:
            self.model.given_back(one, now)

    # -- the clock and the sweep ---------------------------------------------------------------------------------------

    @rule(by=st.sampled_from(STEPS))
    def wait(self, by: timedelta) -> None:
        self.clock.move(seconds=by.total_seconds())

    @rule()
    def take_back(self) -> None:
        expected = self.model.expire(self.clock.now())
        assert sweep.take_back(self.services) == expected

    @precondition(lambda self: self.model.stories)
    @rule(after=st.sampled_from(TERMS))
    def forget(self, after: timedelta) -> None:
        """Let the terms pass."""
        self.wait(after)
        stories = set(self.model.stories)
        expected = self.model.forget(self.clock.now())
        # Entries of the audit log may be more.
        assert sweep.forget(self.services) >= expected
        self.forgotten = stories - set(self.model.stories)
        # An attempt ends within its deadline: none outlives its event's term.
        self.held = [one for one in self.held if one.event_id in self.model.stories]

    @rule()
    def fold(self) -> None:
        """Add up the numbers that pages show."""
        sweep.fold(self.services)

    # -- people --------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.model.rows)
    @rule(which=PICK, force=st.booleans(), foreign=st.sampled_from([False, False, False, True]))
    def redrive(self, which: int, force: bool, foreign: bool) -> None:  # noqa: FBT001 - drawn by name
        row, now = self._row(which), self.clock.now()
        self.actor = self._tenant(row.tenant_id, foreign=foreign)
        refusal = self._refusal(lambda: redrive.redrive(self.services, self.actor_id, row.id, force=force))
        new_round = row.status in {*REDRIVABLE, *(["delivered"] if force else [])}
        assert refusal is self._redrive_refusal(row, allowed=new_round, foreign=foreign)
        if refusal is None and new_round:
            self.model.new_round(row.id, now)
        elif refusal is None:
            self.model.hastened(row.id, now)

    def _redrive_refusal(self, row: Row, *, allowed: bool, foreign: bool) -> type[PostriderError] | None:
        if foreign:
            return NotFound
        deleted = row.integration_id not in self.model.integrations
        return Conflict if deleted or not (allowed or row.status == "pending") else None

    @precondition(lambda self: self.model.rows)
    @rule(
        which=PICK, verb=st.sampled_from(["cancel", "discard", "undo"]), foreign=st.sampled_from([False, False, True])
    )
    def end(self, which: int, verb: str, foreign: bool) -> None:  # noqa: FBT001 - drawn by name
        row, now = self._row(which), self.clock.now()
        self.actor = self._tenant(row.tenant_id, foreign=foreign)
        steps: dict[str, tuple[Callable[[], object], set[str], str, str]] = {
            "cancel": (
                lambda: redrive.cancel(self.services, self.actor_id, row.id, reason="not now"),
                {"pending"},
                "discarded",
                "not now",
            ),
            "discard": (
                lambda: redrive.discard(self.services, self.actor_id, row.id, reason="not wanted"),
                {"dead", "skipped"},
                "discarded",
                "not wanted",
            ),
            "undo": (
                lambda: redrive.undo_discard(self.services, self.actor_id, row.id),
                {"discarded"},
                "dead",
                "discard_undone",
            ),
        }
        step, allowed, to, reason = steps[verb]
        refusal = self._refusal(step)
        assert refusal is (NotFound if foreign else None if row.status in allowed else Conflict)
        if refusal is None:
            self.model.moved(row.id, to, reason, now)

    @precondition(lambda self: self.model.rows)
    @rule(
        tenant=st.sampled_from([0, 0, 1]),
        kind=st.sampled_from([JobKind.REDRIVE, JobKind.DISCARD]),
        skipped=st.booleans(),
    )
    def do_to_all(self, tenant: int, kind: JobKind, skipped: bool) -> None:  # noqa: FBT001 - drawn by name
        """Run a stored job, as the sweep does."""
        self.actor, now = self.tenants[tenant].id, self.clock.now()
        statuses = (DeliveryStatus.SKIPPED,) if skipped else (DeliveryStatus.DEAD,)
        redrive.start_job(
            self.services, self.actor, kind=kind, wanted=DeliveryFilter(statuses=statuses), rate=None, reason="cleaning"
        )
        redrive.step_jobs(self.services)
        for row in list(self.model.rows.values()):
            if row.tenant_id != self.actor or row.status not in statuses:
                continue
            if kind is JobKind.DISCARD:
                self.model.moved(row.id, "discarded", "cleaning", now)
            elif row.integration_id in self.model.integrations:
                self.model.new_round(row.id, now)
