"""What the rules of the machine are made of: each does one thing to the real house and says so to the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar
from uuid import UUID

from house import House, build_house
from hypothesis.stateful import RuleBasedStateMachine, invariant

from postrider.control import integrations as integration_control
from postrider.control import tenants as tenant_control
from postrider.domain.delivery import Claimed, DeliveryStatus
from postrider.domain.errors import Conflict, NotFound, PostriderError
from postrider.domain.integration import Integration
from postrider.domain.outcome import Outcome
from postrider.domain.retry import decide
from postrider.pipeline import health
from postrider.store import claims
from postrider.store.claims import Settlement
from postrider.store.engine import Database
from postrider.store.tenants import Tenant

from .model import STATUS, Model, Story
from .promises import check_accounts, check_leases, check_rows, check_steps, check_tenants
from .rows import Row, Snapshot, counted, counted_anew, empty, look

T = TypeVar("T")

URL = "http://127.0.0.1:9/"


class Hands(RuleBasedStateMachine):
    """The house, the model, and what there is to hold them together."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        empty(database)
        self.database = database
        self.rooms = ExitStack()
        self.house: House = self.rooms.enter_context(build_house(database))
        self.services, self.clock = self.house.services, self.house.clock
        self.tenants: list[Tenant] = [self.house.tenant, tenant_control.create_tenant(self.services, name="other")]
        self.model = Model()
        self.held: list[Claimed] = []
        """Claims of which nobody has told yet, those among them whose lease has run out."""
        self.versions: dict[tuple[UUID, int], Integration] = {}
        self.before: Snapshot = look(database)
        self.actor: UUID | None = None
        self.holder: set[UUID] = set()
        self.forgotten: set[UUID] = set()

    def teardown(self) -> None:
        self.rooms.close()

    # -- the promises --------------------------------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        """Compare everything with the model, and check what must hold whatever the model says."""
        seen = look(self.database)
        assert seen.deliveries == self.model.rows
        assert seen.attempts == self.model.attempts
        assert {one.id: one.waiting for one in seen.events.values()} == {
            one.id: one.waiting for one in self.model.stories.values()
        }
        check_rows(seen)
        check_accounts(seen)
        for tenant_id, numbers in counted(self.database).items():
            assert numbers == counted_anew(seen, tenant_id), "numbers of pages"
        check_steps(self.before, seen, self.forgotten)
        check_leases(self.before, seen, now=self.clock.now(), holder=self.holder)
        if self.actor is not None:
            check_tenants(self.before, seen, self.actor)
        self.before, self.actor, self.holder, self.forgotten = seen, None, set(), set()

    # -- integrations and events ---------------------------------------------------------------------------------------

    def _create(self, tenant: Tenant, observes: list[str], waits: list[int]) -> None:
        self.actor = tenant.id
        data = {
            "type": "integration",
            "name": "hook",
            "enabled": True,
            "observes": observes,
            "configuration": {"url": URL},
            "delivery": {"retry_waits": waits},
        }
        self._keep(integration_control.create(self.services, tenant.id, data))
        self._expect_event(tenant.id, "integration.created")

    def _change(self, old: Integration, step: Callable[[Integration], Integration]) -> None:
        self.actor = old.tenant_id
        new = step(old)
        if new.version != old.version:
            self._keep(new)
            self._expect_event(new.tenant_id, "integration.updated")

    def _keep(self, integration: Integration) -> None:
        self.model.have(integration)
        self.versions[integration.id, integration.version] = integration

    def _expect_event(self, tenant_id: UUID, *names: str, target_id: UUID | None = None) -> None:
        """Find the events that were stored just now: these, and no others."""
        new = [one for one in look(self.database).events.values() if one.id not in self.model.stories]
        assert [(one.tenant_id, one.event_type) for one in sorted(new, key=lambda one: one.id)] == [
            (tenant_id, name) for name in names
        ]
        for one in new:
            self.model.published(one, self.clock.now(), target_id)

    def _see_fan_out(self, *, all_of_it: bool) -> None:
        seen, now = look(self.database), self.clock.now()
        for row_id in sorted(set(seen.deliveries) - set(self.model.rows)):
            self.model.fanned_out(seen.deliveries[row_id], now)
        for story in self.model.stories.values():
            if story.waiting and not seen.events[story.id].waiting:
                assert story.must <= story.got, "fanned out, and not to all that observe it"
                story.waiting = False
        assert not (all_of_it and any(story.waiting for story in self.model.stories.values()))

    # -- claims --------------------------------------------------------------------------------------------------------

    def _due(self) -> list[tuple[Integration, bool]]:
        """List the integrations that have something due: for a usual claim, or for one alone."""
        now, every = self.clock.now(), self.model.integrations.values()
        return [
            (one, alone) for one in every for alone in (False, True) if self.model.next_due(one.id, now, alone=alone)
        ]

    def _claim(self, integration: Integration, limit: int, *, alone: bool) -> list[Claimed]:
        now = self.clock.now()
        self.actor = integration.tenant_id
        lease = integration.policy.timeout + self.services.options.lease_margin
        with self.database.write_once() as tx:
            claimed = claims.any_tenant_claim(
                tx,
                integration.id,
                limit=limit,
                alone=alone,
                token=self.services.ids.new(),
                now=now,
                lease_until=now + lease,
            )
        assert [one.delivery_id for one in claimed] == sorted(
            self.model.next_due(integration.id, now, alone=alone)[:limit]
        )
        for one in claimed:
            assert one.integration_version == integration.version
            self.model.claimed(one, now)
        self.held += claimed
        return claimed

    def _settle(self, taken: list[Claimed], outcomes: list[Outcome]) -> None:
        now = self.clock.now()
        self._let_go(taken)
        known = self.versions[taken[0].integration_id, taken[0].integration_version]
        settlements = [self._settlement(*pair, known) for pair in zip(taken, outcomes, strict=False)]
        counted = {one.delivery_id for one in taken if self.model.holds(one)}
        with self.database.write_once() as tx:
            moved = claims.any_tenant_settle(tx, [settlement for settlement, _ in settlements], now=now)
        assert moved == counted
        for settlement, decision in settlements:
            self.model.settled(settlement.claimed, settlement.outcome, decision, now)
        if any(settlement.outcome.gone for settlement, _ in settlements):
            self._disable(known)

    def _settlement(self, claimed: Claimed, outcome: Outcome, known: Integration) -> tuple[Settlement, Any]:
        decision = decide(
            outcome,
            attempts_made=claimed.attempt - claimed.round_start,
            policy=known.policy,
            now=self.clock.now(),
            randomness=self.services.random.random(),
        )
        settlement = Settlement(
            attempt_id=self.services.ids.new(),
            claimed=claimed,
            outcome=outcome,
            decision=decision.verb.value,
            status=DeliveryStatus(STATUS[decision.verb]),
            due_at=decision.due_at,
            reason=decision.reason,
        )
        return settlement, decision

    def _disable(self, known: Integration) -> None:
        """Do what a drain does when the far side said that it is gone."""
        now_is = self.model.integrations.get(known.id)
        expected = now_is is not None and now_is.enabled and now_is.version == known.version
        assert health.disable(self.services, known, reason="gone", now=self.clock.now()) is expected
        if expected:
            self._keep(integration_control.get(self.services, known.tenant_id, known.id))
            self._expect_event(known.tenant_id, "integration.disabled")

    def _of_one_drain(self, which: Sequence[int]) -> list[Claimed]:
        """Choose claims of one integration, each delivery once: as one drain holds them."""
        first = pick(self.held, which[0])
        same = [one for one in self.held if one.integration_id == first.integration_id]
        return list({one.delivery_id: one for one in (first, *(pick(same, index) for index in which[1:]))}.values())

    def _let_go(self, taken: list[Claimed]) -> None:
        self.held = [one for one in self.held if one not in taken]
        self.actor = taken[0].tenant_id
        self.holder = {one.delivery_id for one in taken if self.model.holds(one)}

    # -- choices -------------------------------------------------------------------------------------------------------

    @property
    def actor_id(self) -> UUID:
        assert self.actor is not None
        return self.actor

    def _refusal(self, step: Callable[[], object]) -> type[PostriderError] | None:
        try:
            step()
        except (NotFound, Conflict) as error:
            return type(error)
        return None

    def _tenant(self, owner: UUID, *, foreign: bool) -> UUID:
        return next(tenant.id for tenant in self.tenants if (tenant.id != owner) is foreign)

    def _integration(self, which: int) -> Integration:
        return pick(list(self.model.integrations.values()), which)

    def _row(self, which: int) -> Row:
        return pick(list(self.model.rows.values()), which)

    def _story(self, which: int) -> Story:
        return pick(list(self.model.stories.values()), which)


def pick(choices: Sequence[T], which: int) -> T:
    return choices[which % len(choices)]
