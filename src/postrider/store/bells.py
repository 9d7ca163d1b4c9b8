"""Who was rung, who drains, who sweeps: small rows that workers agree by.

What is asked with every batch is made once, when this is loaded: making a statement costs more than running it, and
leaves circles behind that the collector then has to find.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, case, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from .engine import Transaction
from .tables import doorbells, leases, slots

FAN_OUT = "fan_out"
SLOTS = 2
"""How many processes may drain one integration at a time."""


_RING = (
    update(doorbells)
    .where(doorbells.c.name.in_(bindparam("wanted", expanding=True)))
    .where(or_(doorbells.c.rung_at.is_(None), doorbells.c.rung_at < bindparam("a_moment_ago")))
    .values(rung_at=bindparam("now"))
    .returning(doorbells.c.name)
)


def any_tenant_ring(tx: Transaction, names: Iterable[str], *, now: datetime, again_after: timedelta) -> list[str]:
    """Note that these bells are about to be rung; give those that were not rung a moment ago."""
    asked = {"wanted": sorted(set(names)), "a_moment_ago": now - again_after, "now": now}
    return list(tx.execute(_RING, asked).scalars())


_UNRING = (
    update(doorbells)
    .where(doorbells.c.name == bindparam("bell"), doorbells.c.rung_at.is_not(None))
    .values(rung_at=None)
)


def any_tenant_unring(tx: Transaction, name: str) -> None:
    """Note that a ring was heard, so that the next piece of work rings again."""
    tx.execute(_UNRING, {"bell": name})


def any_tenant_open(tx: Transaction, integration_id: UUID) -> None:
    """Give a new integration its bell and its slots."""
    tx.execute(insert(doorbells), [{"name": str(integration_id)}])
    tx.execute(
        insert(slots),
        [{"integration_id": integration_id, "number": number} for number in range(1, SLOTS + 1)],
    )


_MINE = slots.c.holder == bindparam("me")
_FREE = (
    select(slots.c.number)
    .where(slots.c.integration_id == bindparam("integration"), slots.c.number <= bindparam("slots_open"))
    .where(or_(slots.c.leased_until.is_(None), slots.c.leased_until < bindparam("now"), _MINE))
    # Written so because the databases do not agree on where a slot without a holder would stand.
    .order_by(case((_MINE, 0), else_=1), slots.c.number)
    .limit(1)
    .with_for_update(skip_locked=True)
    # A subquery may be run once for each row that it is compared with, and then finds another slot each time.
    .cte("free")
)
_TAKE_SLOT = (
    update(slots)
    .where(slots.c.integration_id == bindparam("integration"), slots.c.number == _FREE.c.number)
    .values(holder=bindparam("me"), leased_until=bindparam("until"))
    .returning(slots.c.number)
)


def any_tenant_take_slot(
    tx: Transaction, integration_id: UUID, *, holder: UUID, slots_open: int, now: datetime, until: datetime
) -> int | None:
    """Lease the first free slot of an integration, or renew the one that the holder has; None when all are taken."""
    asked = {"integration": integration_id, "me": holder, "slots_open": slots_open, "now": now, "until": until}
    return tx.execute(_TAKE_SLOT, asked).scalar_one_or_none()


# SQLAlchemy puts it before the statement as a WITH that nothing else refers to; PostgreSQL runs it all the same.
_HEAR_AND_TAKE_SLOT = _TAKE_SLOT.add_cte(_UNRING.returning(doorbells.c.name).cte("heard"))


def any_tenant_hear_and_take_slot(
    tx: Transaction, integration_id: UUID, *, holder: UUID, slots_open: int, now: datetime, until: datetime
) -> int | None:
    """Note that an integration's ring was heard, and take a slot of it: one statement where the database can."""
    if tx.dialect.name == "sqlite":
        any_tenant_unring(tx, str(integration_id))
        return any_tenant_take_slot(tx, integration_id, holder=holder, slots_open=slots_open, now=now, until=until)
    asked = {"integration": integration_id, "me": holder, "slots_open": slots_open, "now": now, "until": until}
    return tx.execute(_HEAR_AND_TAKE_SLOT, {**asked, "bell": str(integration_id)}).scalar_one_or_none()


_FREE_SLOT = (
    update(slots)
    .where(slots.c.integration_id == bindparam("integration"), _MINE)
    .values(holder=None, leased_until=None)
)


def any_tenant_free_slot(tx: Transaction, integration_id: UUID, *, holder: UUID) -> None:
    """Give back what the holder has of an integration."""
    tx.execute(_FREE_SLOT, {"integration": integration_id, "me": holder})


def any_tenant_take_lease(tx: Transaction, name: str, *, holder: UUID, now: datetime, until: datetime) -> bool:
    """Become, or stay, the only one who does a thing; False while somebody else is."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(leases).values(name=name, holder=holder, leased_until=until)
    statement = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": holder, "leased_until": until},
        where=or_(leases.c.leased_until < now, leases.c.holder == holder),
    )
    return tx.execute(statement.returning(leases.c.name)).scalar_one_or_none() is not None


def any_tenant_drop_lease(tx: Transaction, name: str, *, holder: UUID) -> None:
    """Let the next one do it at once."""
    tx.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))
