"""What Postrider must do, as plain as it can be said: one delivery at a time, without SQL, batches or locks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from postrider.domain.delivery import LOST_ALONE, LOST_LIMIT, Claimed
from postrider.domain.integration import Integration
from postrider.domain.observe import observes
from postrider.domain.outcome import Outcome
from postrider.domain.retry import Decision, Verb

from .rows import AttemptRow, EventRow, Row

RETENTION, DEAD_LETTER_RETENTION = timedelta(days=30), timedelta(days=90)
STATUS = {Verb.FINISH: "delivered", Verb.RETRY: "pending", Verb.BURY: "dead"}


@dataclass
class Story:
    """An event, and its present round of fan-out."""

    id: UUID
    tenant_id: UUID
    event_type: str
    created_at: datetime
    published_at: datetime
    target_id: UUID | None
    must: set[UUID]
    """The integrations that have observed it ever since it was published or replayed."""
    got: set[UUID] = field(default_factory=set)
    """Those that have their delivery of this round."""
    waiting: bool = True


@dataclass
class Model:
    """The deliveries as they should be."""

    rows: dict[UUID, Row] = field(default_factory=dict)
    attempts: dict[tuple[UUID, int], AttemptRow] = field(default_factory=dict)
    stories: dict[UUID, Story] = field(default_factory=dict)
    integrations: dict[UUID, Integration] = field(default_factory=dict)
    """Those that live."""
    tries: dict[UUID, int] = field(default_factory=dict)
    """How often a delivery was tried in its round, the attempts of lost workers left out."""

    # -- integrations and events ---------------------------------------------------------------------------------------

    def have(self, integration: Integration) -> None:
        """Take over an integration as it was made or changed."""
        self.integrations[integration.id] = integration
        for story in self.stories.values():
            if story.target_id is None and not observes(integration.observes, story.event_type):
                story.must.discard(integration.id)

    def delete(self, integration: Integration, now: datetime) -> None:
        del self.integrations[integration.id]
        for story in self.stories.values():
            story.must.discard(integration.id)
        for row in list(self.rows.values()):
            if row.integration_id == integration.id and row.status == "pending":
                self._end(row, "discarded", "integration_deleted", now)

    def published(self, event: EventRow, now: datetime, target_id: UUID | None) -> None:
        must = self._observers(event.tenant_id, event.event_type) if target_id is None else {target_id}
        self.stories[event.id] = Story(event.id, event.tenant_id, event.event_type, now, now, target_id, must)

    def replayed(self, story: Story, now: datetime) -> None:
        story.published_at, story.waiting, story.got = now, True, set()
        story.must = self._observers(story.tenant_id, story.event_type)
        if story.target_id is not None:
            story.must = {story.target_id} & set(self.integrations)

    def _observers(self, tenant_id: UUID, event_type: str) -> set[UUID]:
        every = self.integrations.values()
        return {one.id for one in every if one.tenant_id == tenant_id and observes(one.observes, event_type)}

    def fanned_out(self, row: Row, now: datetime) -> None:
        """Take over a delivery that fan-out made, having checked that it may be."""
        story, integration = self.stories[row.event_id], self.integrations[row.integration_id]
        assert story.waiting, "made of an event that had been fanned out"
        assert row.integration_id not in story.got, "made twice in a round"
        if story.target_id is None:
            assert observes(integration.observes, story.event_type), "made for one that does not observe it"
            assert integration.created_at <= story.published_at, "made for one that is younger than the event"
        else:
            assert row.integration_id == story.target_id, "made for another than the only one that gets it"
        story.got.add(row.integration_id)
        self.add(row.id, story, integration, now, held=not integration.enabled)

    def add(self, row_id: UUID, story: Story, integration: Integration, now: datetime, *, held: bool = False) -> None:
        """Have a new delivery; `held` leaves it out for an integration that is switched off."""
        status, reason, due_at = ("skipped", "disabled", None) if held else ("pending", "", now)
        self.rows[row_id] = Row(
            id=row_id,
            tenant_id=integration.tenant_id,
            event_id=story.id,
            integration_id=integration.id,
            status=status,
            due_at=due_at,
            attempt=0,
            round_start=0,
            lost=0,
            token=None,
            lease_until=None,
            reason=reason,
            error="",
            created_at=now,
            updated_at=now,
        )
        self.tries[row_id] = 0

    # -- claims --------------------------------------------------------------------------------------------------------

    def next_due(self, integration_id: UUID, now: datetime, *, alone: bool) -> list[UUID]:
        """List what a claim takes, in the order in which it takes."""
        integration = self.integrations.get(integration_id)
        if integration is None or not integration.enabled:
            return []
        due = [
            (row.due_at, row.id)
            for row in self.rows.values()
            if row.integration_id == integration_id
            and row.due_at is not None
            and row.due_at <= now
            and (row.lost >= LOST_ALONE) is alone
        ]
        return [row_id for _, row_id in sorted(due)]

    def claimed(self, claimed: Claimed, now: datetime) -> None:
        row = self.rows[claimed.delivery_id]
        assert claimed.attempt == row.attempt + 1, "the attempt's number"
        assert claimed.attempt - claimed.round_start == self.tries[row.id] + 1, "the retry budget"
        self.rows[row.id] = replace(
            row,
            status="sending",
            due_at=None,
            attempt=claimed.attempt,
            token=claimed.token,
            lease_until=claimed.lease_until,
            updated_at=now,
        )

    def holds(self, claimed: Claimed) -> bool:
        """Tell whether the claim still counts."""
        row = self.rows.get(claimed.delivery_id)
        return row is not None and row.token == claimed.token

    def settled(self, claimed: Claimed, outcome: Outcome, decision: Decision, now: datetime) -> None:
        key, late = (claimed.delivery_id, claimed.attempt), not self.holds(claimed)
        first = self.attempts.get(key)
        # What a late outcome says of an attempt is noted; what was decided without it stands.
        decided = first.decision if first else decision.verb.value
        self.attempts[key] = AttemptRow(outcome.verdict.value, decided, late)
        if late:
            return
        row = replace(self.rows[claimed.delivery_id], error=outcome.error)
        self.tries[row.id] += 1
        if decision.verb is Verb.RETRY:
            self._again(row, decision.due_at, now)
        else:
            self._end(row, STATUS[decision.verb], decision.reason, now)

    def given_back(self, claimed: Claimed, now: datetime) -> None:
        if self.holds(claimed):
            row = self.rows[claimed.delivery_id]
            self._again(replace(row, attempt=row.attempt - 1), row.created_at, now)

    def expire(self, now: datetime) -> int:
        """Take back what workers were lost with; tells how many."""
        over = [row for row in self.rows.values() if row.lease_until is not None and row.lease_until < now]
        for row in over:
            lost = row.lost + 1
            self.attempts[row.id, row.attempt] = AttemptRow("unknown", "bury" if lost >= LOST_LIMIT else "retry", False)
            back = replace(row, lost=lost, error="worker_lost", round_start=row.round_start + 1)
            if lost >= LOST_LIMIT and row.integration_id in self.integrations:
                self._end(back, "dead", "worker_lost", now)
            else:
                # It had its turn already: it goes before what waits.
                self._again(back, back.created_at, now)
        return len(over)

    def _again(self, row: Row, due_at: datetime | None, now: datetime) -> None:
        """Wait for another try, unless there is nowhere to send it any more."""
        if row.integration_id not in self.integrations:
            self._end(row, "discarded", "integration_deleted", now)
            return
        self.rows[row.id] = replace(
            row, status="pending", due_at=due_at, token=None, lease_until=None, reason="", updated_at=now
        )

    def _end(self, row: Row, status: str, reason: str, now: datetime) -> None:
        self.rows[row.id] = replace(
            row, status=status, due_at=None, token=None, lease_until=None, reason=reason, updated_at=now
        )

    # -- people --------------------------------------------------------------------------------------------------------

    def moved(self, row_id: UUID, to: str, reason: str, now: datetime) -> None:
        """End a delivery by hand."""
        self._end(self.rows[row_id], to, reason, now)

    def new_round(self, row_id: UUID, now: datetime) -> None:
        row = self.rows[row_id]
        self.tries[row_id] = 0
        self._again(replace(row, round_start=row.attempt, lost=0), now, now)

    def hastened(self, row_id: UUID, now: datetime) -> None:
        row = self.rows[row_id]
        assert row.due_at is not None
        self.rows[row_id] = replace(row, due_at=min(row.due_at, now), updated_at=now)

    # -- forgetting ----------------------------------------------------------------------------------------------------

    def forget(self, now: datetime) -> int:
        """Drop the events of which nothing is left to do or inside its term; tells how many."""
        over = [story for story in self.stories.values() if self._is_over(story, now)]
        for story in over:
            del self.stories[story.id]
            for row in [row for row in self.rows.values() if row.event_id == story.id]:
                del self.rows[row.id]
                for number in range(1, row.attempt + 1):
                    self.attempts.pop((row.id, number), None)
        return len(over)

    def _is_over(self, story: Story, now: datetime) -> bool:
        if story.waiting or story.created_at >= now - RETENTION:
            return False
        rows = [row for row in self.rows.values() if row.event_id == story.id]
        return all(_has_ended(row) and row.updated_at < now - _term(row) for row in rows)


def _has_ended(row: Row) -> bool:
    return row.status not in {"pending", "sending"}


def _term(row: Row) -> timedelta:
    return DEAD_LETTER_RETENTION if row.status == "dead" else RETENTION
