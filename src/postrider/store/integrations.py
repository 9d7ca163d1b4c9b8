"""Integrations, their observations and their state."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from postrider.domain.errors import SecretUnreadable
from postrider.domain.integration import DeliveryPolicy, Integration

from . import bells, health, sealed
from .engine import Transaction
from .secrets import SecretBox
from .tables import deliveries, integration_state, integrations, observations, status_is
from .types import Instant


def add(tx: Transaction, box: SecretBox, new: Integration, *, secret_names: Iterable[str]) -> None:
    """Store a new integration with its observations, bell and slots."""
    tx.execute(insert(integrations).values(id=new.id, tenant_id=new.tenant_id, **_columns(box, new, secret_names)))
    tx.execute(insert(integration_state).values(integration_id=new.id))
    _observe(tx, new)
    bells.any_tenant_open(tx, new.id)


def change(tx: Transaction, box: SecretBox, new: Integration, *, secret_names: Iterable[str]) -> bool:
    """Store a changed integration; False when it has changed since it was read (its version is not one less)."""
    done = tx.execute(
        update(integrations)
        .where(integrations.c.tenant_id == new.tenant_id, integrations.c.id == new.id)
        .where(integrations.c.version == new.version - 1, integrations.c.deleted_at.is_(None))
        .values(**_columns(box, new, secret_names))
    )
    if done.rowcount != 1:
        return False
    tx.execute(delete(observations).where(observations.c.integration_id == new.id))
    _observe(tx, new)
    return True


def _columns(box: SecretBox, new: Integration, secret_names: Iterable[str]) -> dict[str, Any]:
    hidden = set(secret_names)
    # What could not be read is left as it lies there, for the day on which its key is back.
    secrets = {} if new.secrets_unreadable else {"secrets": sealed.lock(box, new, hidden)}
    return {
        "integration_type": new.integration_type,
        "name": new.name,
        "description": new.description,
        "enabled": new.enabled,
        "disabled_reason": new.disabled_reason,
        "observes": list(new.observes),
        "configuration": {name: value for name, value in new.configuration.items() if name not in hidden},
        **secrets,
        "policy": policy_json(new.policy),
        "extras": new.extras,
        "version": new.version,
        "created_at": new.created_at,
        "updated_at": new.updated_at,
    }


def _observe(tx: Transaction, new: Integration) -> None:
    rows = [
        {"tenant_id": new.tenant_id, "pattern": pattern, "integration_id": new.id}
        for pattern in dict.fromkeys(new.observes)
    ]
    if rows:
        tx.execute(insert(observations), rows)


def get(tx: Transaction, box: SecretBox, tenant_id: UUID, integration_id: UUID) -> Integration | None:
    """Read one integration with its secrets in clear; without them when they cannot be read."""
    query = _all().where(integrations.c.tenant_id == tenant_id, integrations.c.id == integration_id)
    row = tx.execute(query).one_or_none()
    return None if row is None else _readable_or_not(box, row)


def any_tenant_get(tx: Transaction, box: SecretBox, integration_id: UUID) -> Integration | None:
    """Read the integration that a worker is about to send for.

    Raises SecretUnreadable: nobody sends without the secrets.
    """
    row = tx.execute(_all().where(integrations.c.id == integration_id)).one_or_none()
    return None if row is None else _integration(row, sealed.unlock(box, row.secrets))


def known(tx: Transaction, tenant_id: UUID, integration_id: UUID, *, hold: bool = False) -> bool:
    """Tell whether the tenant has the integration, without opening its secrets; `hold` keeps it until the end."""
    query = select(integrations.c.id).where(
        integrations.c.tenant_id == tenant_id,
        integrations.c.id == integration_id,
        integrations.c.deleted_at.is_(None),
    )
    if hold:
        query = query.with_for_update(read=True)
    return tx.execute(query).scalar_one_or_none() is not None


def any_tenant_has(tx: Transaction, integration_id: UUID) -> bool:
    """Tell whether an id is taken, by a deleted one too."""
    return tx.execute(select(integrations.c.id).where(integrations.c.id == integration_id)).one_or_none() is not None


def by_beginning(tx: Transaction, tenant_id: UUID, digits: str) -> UUID | None:
    """Find the integration whose id begins with these hexadecimal digits; None for none, or more than one."""
    low, high = (UUID(hex=digits.ljust(32, end)) for end in "0f")
    query = select(integrations.c.id).where(
        integrations.c.tenant_id == tenant_id,
        integrations.c.id.between(low, high),
        integrations.c.deleted_at.is_(None),
    )
    found = list(tx.execute(query.limit(2)).scalars())
    return found[0] if len(found) == 1 else None


def page(tx: Transaction, box: SecretBox, tenant_id: UUID, *, offset: int, limit: int) -> list[Integration]:
    """List integrations in the order of their making, those without their secrets that cannot be read."""
    query = _all().where(integrations.c.tenant_id == tenant_id).order_by(integrations.c.id)
    return [_readable_or_not(box, row) for row in tx.execute(query.offset(offset).limit(limit))]


def read_all(
    tx: Transaction,
    box: SecretBox,
    conditions: Sequence[ColumnElement[bool]],
    *,
    order: Sequence[ColumnElement[Any]],
    offset: int,
    limit: int,
) -> list[Integration]:
    """List what meets the conditions, which name the tenant, as `page` does."""
    query = _all().where(*conditions).order_by(*order).offset(offset).limit(limit)
    return [_readable_or_not(box, row) for row in tx.execute(query)]


def with_extra(
    tx: Transaction, tenant_id: UUID, system: str, member: str, value: str, *, hold: bool = False
) -> dict[UUID, Mapping[str, Any]]:
    """Find the integrations of which a system says just this, with their extras; `hold` keeps them until the end."""
    # Extras are one JSON text; what is found in it may stand elsewhere too.
    told = cast(integrations.c.extras, Text).contains(f'"{member}":"{value}"', autoescape=True)
    query = (
        select(integrations.c.id, integrations.c.extras)
        .where(integrations.c.tenant_id == tenant_id, integrations.c.deleted_at.is_(None), told)
        .order_by(integrations.c.id)
    )
    if hold:
        query = query.with_for_update()
    return {row.id: row.extras for row in tx.execute(query) if row.extras.get(system, {}).get(member) == value}


def set_extras(
    tx: Transaction, tenant_id: UUID, integration_id: UUID, extras: Mapping[str, Any], *, now: datetime
) -> None:
    """Write what systems say of an integration that is held; nothing that is sent changes by it."""
    tx.execute(
        update(integrations)
        .where(integrations.c.tenant_id == tenant_id, integrations.c.id == integration_id)
        .values(extras=extras, version=integrations.c.version + 1, updated_at=now)
    )


@dataclass(frozen=True, slots=True)
class IntegrationHead:
    """An integration as lists name it: without its configuration and secrets."""

    id: UUID
    name: str
    integration_type: str
    enabled: bool
    deleted: bool


def heads(tx: Transaction, tenant_id: UUID, integration_ids: Collection[UUID]) -> dict[UUID, IntegrationHead]:
    """Name integrations, deleted ones too: their deliveries are still there."""
    query = _heads(tenant_id).where(integrations.c.id.in_(integration_ids))
    return {row.id: IntegrationHead(*row) for row in tx.execute(query)} if integration_ids else {}


def head_list(tx: Transaction, tenant_id: UUID, *, limit: int) -> list[IntegrationHead]:
    """Name the tenant's integrations, deleted ones left out, by name."""
    query = _heads(tenant_id).where(integrations.c.deleted_at.is_(None))
    return [IntegrationHead(*row) for row in tx.execute(query.order_by(integrations.c.name).limit(limit))]


def _heads(tenant_id: UUID) -> Select[Any]:
    i = integrations.c
    deleted = i.deleted_at.is_not(None).label("deleted")
    return select(i.id, i.name, i.integration_type, i.enabled, deleted).where(i.tenant_id == tenant_id)


def count(tx: Transaction, tenant_id: UUID) -> int:
    """Count a tenant's integrations."""
    query = select(func.count()).where(integrations.c.tenant_id == tenant_id, integrations.c.deleted_at.is_(None))
    return tx.execute(query).scalar_one()


def remove(tx: Transaction, tenant_id: UUID, integration_id: UUID, *, now: datetime) -> bool:
    """Take an integration out of everybody's sight and erase its secrets; its rows stay for its deliveries."""
    done = tx.execute(
        update(integrations)
        .where(integrations.c.tenant_id == tenant_id, integrations.c.id == integration_id)
        .where(integrations.c.deleted_at.is_(None))
        .values(deleted_at=now, enabled=False, version=integrations.c.version + 1, secrets="")
    )
    tx.execute(delete(observations).where(observations.c.integration_id == integration_id))
    return done.rowcount == 1


def any_tenant_disable(tx: Transaction, integration_id: UUID, *, version: int, reason: str, now: datetime) -> bool:
    """Switch an integration off because of what its far side said; False when it was off or changed meanwhile."""
    done = tx.execute(
        update(integrations)
        .where(integrations.c.id == integration_id, integrations.c.version == version)
        .where(integrations.c.enabled, integrations.c.deleted_at.is_(None))
        .values(enabled=False, disabled_reason=reason, updated_at=now, version=integrations.c.version + 1)
    )
    return done.rowcount == 1


@dataclass(frozen=True, slots=True)
class Observer:
    """An integration as fan-out sees it."""

    id: UUID
    created_at: datetime
    enabled: bool
    observes: tuple[str, ...]
    parked: bool
    """It kept failing: whoever looks for work leaves it alone until its next probe."""


_OBSERVING = select(
    integrations.c.id,
    integrations.c.created_at,
    integrations.c.enabled,
    integrations.c.observes,
    exists()
    .where(
        integration_state.c.integration_id == integrations.c.id,
        health.is_parked(bindparam("now", type_=Instant())),
    )
    .label("parked"),
).where(integrations.c.deleted_at.is_(None))
# Made once: it is asked with every batch, and making it costs more than running it.
_OBSERVERS = (
    _OBSERVING.where(
        integrations.c.id.in_(
            select(observations.c.integration_id)
            .where(
                observations.c.tenant_id == bindparam("tenant"),
                observations.c.pattern.in_(bindparam("patterns", expanding=True)),
            )
            .distinct()
        ),
        integrations.c.id > bindparam("after"),
    )
    .order_by(integrations.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(read=True, of=integrations)
)
_BEFORE_ALL = UUID(int=0)


def observers(
    tx: Transaction, tenant_id: UUID, patterns: Sequence[str], *, after: UUID | None, limit: int, now: datetime
) -> list[Observer]:
    """List the integrations that observe any of the patterns, in the order of their ids.

    They stay as they are until the transaction ends, so that a deletion never misses a delivery just being made.
    """
    asked = {"tenant": tenant_id, "patterns": patterns, "after": after or _BEFORE_ALL, "limit": limit, "now": now}
    return [_observer(row) for row in tx.execute(_OBSERVERS, asked).all()]


def observer(
    tx: Transaction, tenant_id: UUID, integration_id: UUID, *, now: datetime, hold: bool = True
) -> Observer | None:
    """Read the only integration that an event is for; `hold` keeps it as it is until the end, as `observers` does."""
    query = _OBSERVING.where(integrations.c.tenant_id == tenant_id, integrations.c.id == integration_id)
    held = query.with_for_update(read=True, of=integrations) if hold else query
    row = tx.execute(held, {"now": now}).one_or_none()
    return None if row is None else _observer(row)


def _observer(row: Row[Any]) -> Observer:
    return Observer(row.id, row.created_at, row.enabled, tuple(row.observes), row.parked)


_PAGED = (
    select(integrations.c.id, integrations.c.enabled)
    .where(integrations.c.deleted_at.is_(None), integrations.c.id > bindparam("after"))
    .order_by(integrations.c.id)
    .limit(bindparam("limit", type_=Integer))
    .subquery()
)
_HAS_DUE = exists().where(
    deliveries.c.integration_id == _PAGED.c.id,
    status_is(deliveries.c.status, "pending"),
    deliveries.c.due_at <= bindparam("now"),
)
_RESTS = exists().where(
    integration_state.c.integration_id == _PAGED.c.id, health.rests(bindparam("now", type_=Instant()))
)
_WALK = select(_PAGED.c.id, and_(_PAGED.c.enabled, ~_RESTS, _HAS_DUE).label("work")).order_by(_PAGED.c.id)


def any_tenant_walk(
    tx: Transaction, *, after: UUID | None, limit: int, now: datetime
) -> tuple[UUID | None, list[UUID]]:
    """Look at the next `limit` integrations for due deliveries, one index probe each.

    Gives where the next walk goes on (None: it was the last page) and the integrations that have work. Switched off
    and parked ones are left out, and those whose rate has no attempt free.
    """
    rows = tx.execute(_WALK, {"after": after or _BEFORE_ALL, "limit": limit, "now": now}).all()
    return (rows[-1].id if len(rows) == limit else None), [row.id for row in rows if row.work]


def policy_json(policy: DeliveryPolicy) -> dict[str, Any]:
    """Write a policy as it is stored."""
    return {
        "timeout_seconds": policy.timeout.total_seconds(),
        "retry_waits": [wait.total_seconds() for wait in policy.retry_waits],
        "success_statuses": [list(span) for span in policy.success_statuses],
        "max_in_flight": policy.max_in_flight,
        "rate_limit": policy.rate_limit,
    }


def _policy(stored: Mapping[str, Any]) -> DeliveryPolicy:
    return DeliveryPolicy(
        timeout=timedelta(seconds=stored["timeout_seconds"]),
        retry_waits=tuple(timedelta(seconds=seconds) for seconds in stored["retry_waits"]),
        success_statuses=tuple((low, high) for low, high in stored["success_statuses"]),
        max_in_flight=stored["max_in_flight"],
        rate_limit=stored["rate_limit"],
    )


def _all() -> Select[Any]:
    return select(
        integrations.c.id,
        integrations.c.tenant_id,
        integrations.c.integration_type,
        integrations.c.name,
        integrations.c.description,
        integrations.c.enabled,
        integrations.c.observes,
        integrations.c.configuration,
        integrations.c.secrets,
        integrations.c.policy,
        integrations.c.extras,
        integrations.c.version,
        integrations.c.created_at,
        integrations.c.updated_at,
        integrations.c.disabled_reason,
    ).where(integrations.c.deleted_at.is_(None))


def _readable_or_not(box: SecretBox, row: Row[Any]) -> Integration:
    try:
        return _integration(row, sealed.unlock(box, row.secrets))
    except SecretUnreadable:
        return _integration(row, sealed.NO_SECRETS, secrets_unreadable=True)


def _integration(row: Row[Any], secrets: sealed.Secrets, *, secrets_unreadable: bool = False) -> Integration:
    values = row._asdict()
    del values["secrets"]
    return Integration(
        **{
            **values,
            "observes": tuple(values["observes"]),
            "configuration": {**values["configuration"], **secrets.configuration},
            "policy": _policy(values["policy"]),
            "signing_secret": secrets.signing_secret,
            "retired_secrets": secrets.retired,
            "extra_secrets": secrets.extras,
            "secrets_unreadable": secrets_unreadable,
        }
    )
