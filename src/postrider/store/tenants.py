"""Tenants, and what the installation keeps for itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from .engine import Transaction
from .tables import installation, tenants


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose events and integrations they are; its id is the delivered `store_id`."""

    id: UUID
    name: str
    org_id: str
    created_at: datetime


def add(tx: Transaction, tenant: Tenant) -> None:
    """Store a new tenant."""
    tx.execute(
        insert(tenants).values(id=tenant.id, name=tenant.name, org_id=tenant.org_id, created_at=tenant.created_at)
    )


def get(tx: Transaction, tenant_id: UUID) -> Tenant | None:
    """Read one tenant."""
    row = tx.execute(_all().where(tenants.c.id == tenant_id)).one_or_none()
    return None if row is None else Tenant(*row)


def hold(tx: Transaction, tenant_id: UUID) -> None:
    """Keep all others who hold the tenant waiting until the transaction ends: for what only one may decide."""
    # Who only refers to the tenant by a new row is not kept waiting.
    tx.execute(select(tenants.c.id).where(tenants.c.id == tenant_id).with_for_update(key_share=True))


def any_tenant_oldest(tx: Transaction) -> Tenant | None:
    """Read the tenant that was there first."""
    row = tx.execute(_all().order_by(tenants.c.id).limit(1)).one_or_none()
    return None if row is None else Tenant(*row)


def any_tenant_list(tx: Transaction, *, before: UUID | None = None, limit: int = 100) -> list[Tenant]:
    """List all tenants, newest first."""
    query = _all() if before is None else _all().where(tenants.c.id < before)
    return [Tenant(*row) for row in tx.execute(query.order_by(tenants.c.id.desc()).limit(limit))]


def _all() -> Select[Any]:
    return select(tenants.c.id, tenants.c.name, tenants.c.org_id, tenants.c.created_at)


def installation_secret(tx: Transaction, name: str) -> str | None:
    """Read a secret of the installation, still encrypted."""
    return tx.execute(select(installation.c.secret).where(installation.c.name == name)).scalar_one_or_none()


def keep_installation_secret(tx: Transaction, name: str, locked: str) -> None:
    """Store a secret of the installation, unless one of the name is there."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    tx.execute(dialect.insert(installation).values(name=name, secret=locked).on_conflict_do_nothing())
