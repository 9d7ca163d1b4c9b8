"""A tenant's integrations as a list shows them: without their configuration, and no secret of them opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, select, tuple_

from .engine import Transaction
from .health import FAILS, NO_HEALTH, Health, of
from .tables import integration_state, integrations

_I, _STATE = integrations.c, integration_state.c


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which integrations are listed; None or empty takes all."""

    text: str = ""
    """Occurs in the name, whatever its case; or is the id."""
    integration_type: str | None = None
    enabled: bool | None = None
    failing: bool = False
    """Only those that are switched on and whose last attempts failed."""


@dataclass(frozen=True, slots=True)
class ListedIntegration:
    """An integration in a list."""

    id: UUID
    name: str
    integration_type: str
    enabled: bool
    disabled_reason: str
    health: Health


_LISTED = select(_I.id, _I.name, _I.integration_type, _I.enabled, _I.disabled_reason)
_TROUBLED = (_I.enabled & FAILS) | (~_I.enabled & (_I.disabled_reason != ""))


@dataclass(frozen=True, slots=True)
class Standings:
    """How many of a tenant's integrations stand how."""

    all: int
    failing: int
    disabled: int
    troubled: int
    """What fails, and what Postrider has switched off."""


def page(
    tx: Transaction, tenant_id: UUID, wanted: ListFilter, *, behind: UUID | None, limit: int
) -> list[ListedIntegration]:
    """List integrations by name, from the one behind `behind`."""
    by_name = tuple_(func.lower(_I.name), _I.id)
    query = _LISTED.where(*_conditions(tenant_id, wanted))
    if wanted.failing:
        query = query.join(integration_state, _STATE.integration_id == _I.id)
    if behind is not None:
        last = integrations.alias()
        name = select(func.lower(last.c.name)).where(last.c.tenant_id == tenant_id, last.c.id == behind)
        query = query.where(by_name > tuple_(name.scalar_subquery(), behind))
    return _listed(tx, query.order_by(*by_name.clauses).limit(limit))


def _listed(tx: Transaction, query: Select[Any]) -> list[ListedIntegration]:
    rows = tx.execute(query).all()
    health = of(tx, [row.id for row in rows])
    return [ListedIntegration(**row._asdict(), health=health.get(row.id, NO_HEALTH)) for row in rows]


def troubled(tx: Transaction, tenant_id: UUID, *, limit: int) -> list[ListedIntegration]:
    """List the integrations that need somebody to look at them, those that have failed for longest first.

    They fail, or Postrider has switched them off because they did.
    """
    query = _LISTED.join(integration_state, _STATE.integration_id == _I.id)
    query = query.where(_I.tenant_id == tenant_id, _I.deleted_at.is_(None), _TROUBLED)
    return _listed(tx, query.order_by(_STATE.failing_since, _I.id).limit(limit))


def _conditions(tenant_id: UUID, wanted: ListFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [_I.tenant_id == tenant_id, _I.deleted_at.is_(None)]
    if wanted.text:
        conditions.append(_named(wanted.text))
    if wanted.integration_type is not None:
        conditions.append(_I.integration_type == wanted.integration_type)
    if wanted.enabled is not None:
        conditions.append(_I.enabled if wanted.enabled else ~_I.enabled)
    if wanted.failing:
        conditions += [_I.enabled, FAILS]
    return conditions


def _named(text: str) -> ColumnElement[bool]:
    try:
        return _I.id == UUID(text)
    except ValueError:
        return _I.name.icontains(text, autoescape=True)


def standings(tx: Transaction, tenant_id: UUID) -> Standings:
    """Count a tenant's integrations."""
    query = (
        select(
            func.count(),
            func.coalesce(func.sum(case((_I.enabled & FAILS, 1), else_=0)), 0),
            func.coalesce(func.sum(case((_I.enabled, 0), else_=1)), 0),
            func.coalesce(func.sum(case((_TROUBLED, 1), else_=0)), 0),
        )
        .join_from(integrations, integration_state, _STATE.integration_id == _I.id)
        .where(_I.tenant_id == tenant_id, _I.deleted_at.is_(None))
    )
    return Standings(*tx.execute(query).one())
