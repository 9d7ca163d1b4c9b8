"""API keys: only their digests are known here."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, insert, or_, select, update

from postrider.domain.access import ApiKey, Permission

from .engine import Transaction
from .tables import api_keys


def add(tx: Transaction, key: ApiKey, digest: bytes) -> None:
    """Store a new key by its digest."""
    tx.execute(
        insert(api_keys).values(
            id=key.id,
            tenant_id=key.tenant_id,
            name=key.name,
            prefix=key.prefix,
            digest=digest,
            permissions=sorted(key.permissions),
            created_at=key.created_at,
            expires_at=key.expires_at,
            from_environment=key.from_environment,
            integration_id=key.integration_id,
        )
    )


def any_tenant_by_digest(tx: Transaction, digest: bytes) -> ApiKey | None:
    """Find the key of a digest."""
    row = tx.execute(_all().where(api_keys.c.digest == digest)).one_or_none()
    return None if row is None else _key(row)


def any_tenant_get(tx: Transaction, key_id: UUID, *, hold: bool = False) -> ApiKey | None:
    """Find a key by its id; `hold` keeps it as it is until the transaction ends."""
    query = _all().where(api_keys.c.id == key_id)
    row = tx.execute(query.with_for_update(read=True) if hold else query).one_or_none()
    return None if row is None else _key(row)


def page(tx: Transaction, tenant_id: UUID, *, before: UUID | None, limit: int) -> list[ApiKey]:
    """List a tenant's keys, newest first, from the one before `before`, the revoked ones included."""
    query = _all().where(api_keys.c.tenant_id == tenant_id)
    if before is not None:
        query = query.where(api_keys.c.id < before)
    return [_key(row) for row in tx.execute(query.order_by(api_keys.c.id.desc()).limit(limit))]


def revoke(tx: Transaction, tenant_id: UUID, key_id: UUID, *, now: datetime) -> bool:
    """End a key for good; False when the tenant has no such key."""
    done = tx.execute(
        update(api_keys).where(api_keys.c.tenant_id == tenant_id, api_keys.c.id == key_id).values(revoked_at=now)
    )
    return done.rowcount == 1


def revoke_of_integration(tx: Transaction, tenant_id: UUID, integration_id: UUID, *, now: datetime) -> None:
    """End the keys that publish as an integration."""
    mine = (api_keys.c.tenant_id == tenant_id, api_keys.c.integration_id == integration_id)
    tx.execute(update(api_keys).where(*mine, api_keys.c.revoked_at.is_(None)).values(revoked_at=now))


def any_tenant_from_environment(tx: Transaction, *, now: datetime) -> list[ApiKey]:
    """List the keys that the environment set and that have not ended."""
    c = api_keys.c
    query = _all().where(c.from_environment, c.revoked_at.is_(None), or_(c.expires_at.is_(None), c.expires_at > now))
    return [_key(row) for row in tx.execute(query)]


def set_expiry(tx: Transaction, tenant_id: UUID, key_id: UUID, *, expires_at: datetime | None) -> None:
    """Give a key another end."""
    tx.execute(
        update(api_keys).where(api_keys.c.tenant_id == tenant_id, api_keys.c.id == key_id).values(expires_at=expires_at)
    )


def any_tenant_used(tx: Transaction, key_id: UUID, *, now: datetime) -> None:
    """Note when a key was last used."""
    tx.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=now))


def _all() -> Select[Any]:
    return select(
        api_keys.c.id,
        api_keys.c.tenant_id,
        api_keys.c.name,
        api_keys.c.prefix,
        api_keys.c.permissions,
        api_keys.c.created_at,
        api_keys.c.expires_at,
        api_keys.c.revoked_at,
        api_keys.c.last_used_at,
        api_keys.c.from_environment,
        api_keys.c.integration_id,
    )


def _key(row: Row[Any]) -> ApiKey:
    values = row._asdict()
    return ApiKey(**{**values, "permissions": frozenset(Permission(name) for name in values["permissions"])})
