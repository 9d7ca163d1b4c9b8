"""Which integrations need somebody to look at them: found by their state, with no look at their deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select

from .engine import Transaction
from .tables import integration_state, integrations


@dataclass(frozen=True, slots=True)
class Troubled:
    """An integration that fails, or that was switched off because it did."""

    id: UUID
    name: str
    integration_type: str
    enabled: bool
    disabled_reason: str
    """Why Postrider switched it off; empty when a person did, or nobody."""
    failing_since: datetime | None
    parked_until: datetime | None
    last_error: str
    last_failure_at: datetime | None


_S, _I = integration_state.c, integrations.c
_FAILS = and_(_I.enabled, or_(_S.failing_since.is_not(None), _S.breaker_opened_at.is_not(None)))
_SWITCHED_OFF = and_(~_I.enabled, _I.disabled_reason != "")
_TROUBLED = (
    select(
        _I.id,
        _I.name,
        _I.integration_type,
        _I.enabled,
        _I.disabled_reason,
        _S.failing_since,
        _S.parked_until,
        _S.last_error,
        _S.last_failure_at,
    )
    .join(integration_state, _S.integration_id == _I.id)
    .where(_I.deleted_at.is_(None), or_(_FAILS, _SWITCHED_OFF))
)


def troubled(tx: Transaction, tenant_id: UUID, *, limit: int) -> list[Troubled]:
    """List the integrations in trouble, those that have been in it for longest first."""
    query = _TROUBLED.where(_I.tenant_id == tenant_id).order_by(_S.failing_since, _I.id).limit(limit)
    return [Troubled(*row) for row in tx.execute(query)]


def count_troubled(tx: Transaction, tenant_id: UUID) -> int:
    """Count the integrations in trouble."""
    query = select(func.count()).select_from(_TROUBLED.where(_I.tenant_id == tenant_id).subquery())
    return tx.execute(query).scalar_one()
