"""What a worker does to rows, done by hand, so that a test can leave it half done."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from house import House
from sqlalchemy import select

from postrider.domain.delivery import Claimed
from postrider.pipeline.sweep import take_back
from postrider.store import claims
from postrider.store.tables import deliveries

LEASE = timedelta(seconds=30)


def claim(house: House, integration_id: UUID, *, limit: int = 100, alone: bool = False) -> list[Claimed]:
    """Claim as a worker does that then is lost."""
    now = house.clock.now()
    with house.services.database.write_once() as tx:
        return claims.any_tenant_claim(
            tx,
            integration_id,
            limit=limit,
            alone=alone,
            token=house.services.ids.new(),
            now=now,
            lease_until=now + LEASE,
        )


def lose(house: House, integration_id: UUID, *, times: int, alone_after: int) -> None:
    """Let so many workers claim all that is due and die; from `alone_after` losses on it is claimed alone."""
    for number in range(times):
        assert claim(house, integration_id, alone=number >= alone_after)
        house.clock.move(seconds=31)
        take_back(house.services)


def column(house: House, name: str) -> list[object]:
    """Read one column of all deliveries, in the order of their ids."""
    with house.services.database.read() as tx:
        return list(tx.execute(select(deliveries.c[name]).order_by(deliveries.c.id)).scalars())
