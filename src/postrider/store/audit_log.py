"""The audit log: written by whatever changes something, read by people, forgotten after its term."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, select

from postrider.domain.access import Actor, ActorKind
from postrider.domain.audit import Action, AuditEntry, FieldChange, ObjectType
from postrider.domain.ids import first_at

from .engine import Transaction
from .tables import audit_log


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; None takes all."""

    actor_key_id: UUID | None = None
    action: Action | None = None
    object_type: ObjectType | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Both to the millisecond: entries are told apart in time by their ids."""


def add(tx: Transaction, entry: AuditEntry) -> None:
    """Store an entry."""
    tx.execute(
        insert(audit_log).values(
            id=entry.id,
            tenant_id=entry.tenant_id,
            action=entry.action.value,
            object_type=entry.action.object_type.value,
            object_id=entry.object_id,
            actor_kind=entry.actor.kind.value,
            actor_tenant_id=entry.actor.tenant_id,
            actor_key_id=entry.actor.api_key_id,
            actor_name=entry.actor.name,
            address=entry.actor.address,
            changes=[asdict(change) for change in entry.changes],
            created_at=entry.created_at,
        )
    )


def page(
    tx: Transaction,
    tenant_id: UUID,
    wanted: AuditFilter,
    *,
    own_actors: bool,
    before: UUID | None,
    limit: int,
) -> list[AuditEntry]:
    """List what was done to a tenant's things, newest first, from the one before `before`.

    With `own_actors` a search for an actor finds keys of the tenant itself alone.
    """
    conditions = _conditions(wanted)
    if own_actors and wanted.actor_key_id is not None:
        conditions.append(audit_log.c.actor_tenant_id == tenant_id)
    if before is not None:
        conditions.append(audit_log.c.id < before)
    query = _all().where(audit_log.c.tenant_id == tenant_id, *conditions).order_by(audit_log.c.id.desc())
    return [_entry(row) for row in tx.execute(query.limit(limit))]


def latest_of_each(
    tx: Transaction, tenant_id: UUID, object_ids: Collection[str], actions: Collection[Action], *, limit: int
) -> dict[str, AuditEntry]:
    """Read by whom the last of some actions was done to each object; looks at the newest `limit` entries."""
    if not object_ids:
        return {}
    a = audit_log.c
    query = _all().where(a.tenant_id == tenant_id, a.object_id.in_(object_ids), a.action.in_(sorted(actions)))
    found = [_entry(row) for row in tx.execute(query.order_by(a.id.desc()).limit(limit))]
    return {entry.object_id: entry for entry in reversed(found)}


def last_of_each(
    tx: Transaction, tenant_id: UUID, object_ids: Collection[str], actions: Collection[Action]
) -> dict[str, AuditEntry]:
    """Read by whom the last of some actions was done to each object, however long ago and however often before."""
    if not object_ids:
        return {}
    a = audit_log.c
    newest_first = func.row_number().over(partition_by=a.object_id, order_by=a.id.desc())
    ranked = _all().add_columns(newest_first.label("rank"))
    ranked = ranked.where(a.tenant_id == tenant_id, a.object_id.in_(object_ids), a.action.in_(sorted(actions)))
    found = ranked.subquery()
    entries = [_entry(row) for row in tx.execute(select(found).where(found.c.rank == 1))]
    return {entry.object_id: entry for entry in entries}


def any_tenant_forget(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Delete the oldest entries of before a moment; tells how many."""
    old = select(audit_log.c.id).where(audit_log.c.id < first_at(before)).order_by(audit_log.c.id).limit(limit)
    return tx.execute(delete(audit_log).where(audit_log.c.id.in_(old))).rowcount


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    a = audit_log.c
    conditions: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (a.actor_key_id, wanted.actor_key_id),
            (a.action, wanted.action),
            (a.object_type, wanted.object_type),
            (a.object_id, wanted.object_id),
        )
        if value is not None
    ]
    if wanted.since is not None:
        conditions.append(a.id >= first_at(wanted.since))
    if wanted.until is not None:
        conditions.append(a.id < first_at(wanted.until))
    return conditions


def _all() -> Select[Any]:
    a = audit_log.c
    return select(
        a.id,
        a.tenant_id,
        a.action,
        a.object_id,
        a.actor_kind,
        a.actor_tenant_id,
        a.actor_key_id,
        a.actor_name,
        a.address,
        a.changes,
        a.created_at,
    )


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        tenant_id=row.tenant_id,
        action=Action(row.action),
        object_id=row.object_id,
        actor=Actor(
            ActorKind(row.actor_kind), row.actor_tenant_id, row.actor_key_id, name=row.actor_name, address=row.address
        ),
        changes=tuple(FieldChange(**change) for change in row.changes),
        created_at=row.created_at,
    )
