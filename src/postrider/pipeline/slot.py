"""How many processes drain one integration at a time: each holds a leased slot, and a share of the attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from postrider.domain.integration import DeliveryPolicy
from postrider.services import Services
from postrider.store import bells, claims

LEASE = timedelta(seconds=3)
"""Short, because what is due waits for it when the holder was killed; renewed while anything is under way."""
ONE_SLOT_BELOW = 16
"""An integration that wants fewer attempts in flight is drained by one process at a time."""


def slots_open(policy: DeliveryPolicy) -> int:
    """Tell how many processes may drain an integration."""
    return 1 if policy.max_in_flight < ONE_SLOT_BELOW else bells.SLOTS


def share(policy: DeliveryPolicy) -> int:
    """Tell how many attempts one of them may have in flight."""
    return max(policy.max_in_flight // slots_open(policy), 1)


@dataclass(slots=True)
class Slot:
    """This process's slot of one integration, if it has one."""

    services: Services
    integration_id: UUID
    holder: UUID
    """This process."""
    _until: datetime | None = None

    def keep(self, policy: DeliveryPolicy, now: datetime) -> bool:
        """Have a slot, or take one; False when others have them all."""
        if (renew_at := self.renew_at()) is not None and now < renew_at:
            return True
        # Before the first claim, so that what comes after it rings again.
        take = bells.any_tenant_hear_and_take_slot if self._until is None else bells.any_tenant_take_slot
        with self.services.database.write_lightly() as tx:
            number = take(
                tx,
                self.integration_id,
                holder=self.holder,
                slots_open=slots_open(policy),
                now=now,
                until=now + LEASE,
            )
        self._until = None if number is None else now + LEASE
        return number is not None

    def renew_at(self) -> datetime | None:
        """Tell when the lease is to be renewed; None without a slot."""
        return None if self._until is None else self._until - LEASE / 2

    def release(self) -> bool:
        """Give up the slot and look once more: a ring that came meanwhile found it taken.

        Tells whether there is something due (again).
        """
        if self._until is None:
            return False
        with self.services.database.write_lightly() as tx:
            bells.any_tenant_free_slot(tx, self.integration_id, holder=self.holder)
        self._until = None
        with self.services.database.read() as tx:
            return claims.any_tenant_due(tx, self.integration_id, now=self.services.clock.now())
