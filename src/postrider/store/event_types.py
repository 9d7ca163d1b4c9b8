"""The event types that tenants add to the built-in ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from .engine import Transaction
from .tables import event_types, observations


@dataclass(frozen=True, slots=True)
class OwnEventType:
    """An event type of one tenant."""

    name: str
    description: str
    created_at: datetime


def add(tx: Transaction, tenant_id: UUID, new: OwnEventType) -> bool:
    """Store an event type; False when the tenant has it already."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    statement = (
        dialect.insert(event_types)
        .values(tenant_id=tenant_id, name=new.name, description=new.description, created_at=new.created_at)
        .on_conflict_do_nothing()
        .returning(event_types.c.name)
    )
    return tx.execute(statement).scalar_one_or_none() is not None


def list_all(tx: Transaction, tenant_id: UUID) -> list[OwnEventType]:
    """List a tenant's own event types by name."""
    query = (
        select(event_types.c.name, event_types.c.description, event_types.c.created_at)
        .where(event_types.c.tenant_id == tenant_id)
        .order_by(event_types.c.name)
    )
    return [OwnEventType(*row) for row in tx.execute(query)]


def observers(tx: Transaction, tenant_id: UUID) -> dict[str, set[UUID]]:
    """Read which integrations observe each name or pattern that any of the tenant's observes."""
    o = observations.c
    found: dict[str, set[UUID]] = {}
    for pattern, integration_id in tx.execute(select(o.pattern, o.integration_id).where(o.tenant_id == tenant_id)):
        found.setdefault(pattern, set()).add(integration_id)
    return found
