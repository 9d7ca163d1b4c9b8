"""How an event stands with each integration, in a line for each; and who let a delivery go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from postrider.domain.access import Actor, ActorKind
from postrider.domain.audit import Action
from postrider.domain.delivery import Attempt, Delivery, DeliveryStatus
from postrider.services import Services
from postrider.store import audit_log, health, integrations, standings
from postrider.store.engine import Transaction
from postrider.store.integrations import IntegrationHead
from postrider.web.explain import Explanation, Target, explain

_LETTING_GO = (Action.DELIVERY_CANCELLED, Action.DELIVERY_DISCARDED, Action.JOB_DISCARD_STARTED)
_WHO = {
    ActorKind.OPERATOR_KEY: "an operator",
    ActorKind.COMMAND_LINE: "an operator, by the command line",
    ActorKind.POSTRIDER: "Postrider itself",
}
_MOST_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class LetGo:
    """Who let a delivery go, and when."""

    who: str
    at: datetime
    job_id: UUID | None
    """The job that did it, with others."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One delivery of an event."""

    delivery: Delivery
    target: IntegrationHead | None
    words: Explanation
    """Why it is where it is."""
    held_until: datetime | None
    """When its integration is tried again that kept failing."""
    let_go: LetGo | None


def standings_of(services: Services, tx: Transaction, tenant_id: UUID, its: Sequence[Delivery]) -> list[Standing]:
    """Say of each delivery why it is where it is."""
    heads = integrations.heads(tx, tenant_id, {one.integration_id for one in its})
    targets = _targets(tx, heads)
    last = standings.last_attempts(tx, tenant_id, [one.id for one in its])
    let_go = let_go_by(tx, tenant_id, its)
    return [
        Standing(
            delivery=one,
            target=heads.get(one.integration_id),
            words=_words(services, one, targets.get(one.integration_id), last.get(one.id)),
            held_until=targets[one.integration_id].parked_until if one.integration_id in targets else None,
            let_go=let_go.get(one.id),
        )
        for one in its
    ]


def let_go_by(tx: Transaction, tenant_id: UUID, its: Collection[Delivery]) -> dict[UUID, LetGo]:
    """Tell who let deliveries go, one by one or by a job; those of a deleted integration nobody did."""
    ids = [one.id for one in its if one.status is DeliveryStatus.DISCARDED]
    jobs = standings.discarding_jobs(tx, tenant_id, ids)
    objects = {delivery_id: str(jobs.get(delivery_id, delivery_id)) for delivery_id in ids}
    found = audit_log.latest_of_each(tx, tenant_id, set(objects.values()), _LETTING_GO, limit=_MOST_ENTRIES)
    return {
        delivery_id: LetGo(who(entry.actor, tenant_id), entry.created_at, jobs.get(delivery_id))
        for delivery_id, of in objects.items()
        if (entry := found.get(of)) is not None
    }


def who(actor: Actor, tenant_id: UUID) -> str:
    """Name who did something, to those of the tenant whose thing it is."""
    if actor.kind is ActorKind.API_KEY and actor.tenant_id == tenant_id:
        return f"the API key “{actor.name}”" if actor.name else "an API key"
    return _WHO.get(actor.kind, "an operator")


def _targets(tx: Transaction, heads: dict[UUID, IntegrationHead]) -> dict[UUID, Target]:
    state = health.of(tx, list(heads)) if heads else {}
    return {
        head.id: Target(
            there=not head.deleted,
            enabled=head.enabled,
            parked_until=state.get(head.id, health.NO_HEALTH).breaker.parked_until,
            secrets_unreadable=state.get(head.id, health.NO_HEALTH).secrets_unreadable,
        )
        for head in heads.values()
    }


def _words(services: Services, delivery: Delivery, target: Target | None, last: Attempt | None) -> Explanation:
    gone = Target(there=False, enabled=False, parked_until=None)
    return explain(services, delivery, target or gone, last)
