"""What one drain may claim now, and gives back: its slot, the breaker, the rate, and what was lost with a worker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from postrider.domain.breaker import CLOSED, State, probe_given_back, probing
from postrider.domain.delivery import Claimed
from postrider.domain.integration import DeliveryPolicy
from postrider.domain.rate import grant
from postrider.services import Services
from postrider.store import claims, health
from postrider.store.engine import Transaction

from .slot import Slot
from .solitude import Solitude

SOLITUDE_PAUSE = timedelta(milliseconds=50)
"""How soon to ask again while another integration has what was lost under way."""
SUSPECTS_EVERY = 200
"""After this many claims, deliveries that were lost with their worker get a claim of their own."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was claimed, and what comes next."""

    claimed: list[Claimed] = field(default_factory=list)
    more: bool = False
    """There may be more at once."""
    again_at: datetime | None = None
    """Nothing may be claimed before this moment."""


@dataclass(slots=True)
class Intake:
    """Claims for one integration in one process, served by one thread at a time."""

    services: Services
    integration_id: UUID
    holder: UUID
    """This process, in slots."""
    solitude: Solitude
    """This process's: what was lost with its workers goes alone in it."""
    _slot: Slot = field(init=False)
    _claims_since_suspects: int = 0
    _suspect_waits: bool = False
    _version: int | None = None
    """Of the integration, at the last claim."""
    _changed: bool = False
    """That was another one than at the claim before: the policy given may be the old one."""

    def __post_init__(self) -> None:
        self._slot = Slot(self.services, self.integration_id, self.holder)

    def admitted(self, policy: DeliveryPolicy, now: datetime) -> bool:
        """Have a slot, or take one; False when other processes have them all."""
        return self._slot.keep(policy, now)

    def renew_at(self) -> datetime | None:
        """Tell when `admitted` is to be asked again while anything is under way; None without a slot."""
        return self._slot.renew_at()

    def release(self) -> bool:
        """Give up the slot; tells whether there is something to do all the same."""
        return self._slot.release()

    def take(self, policy: DeliveryPolicy, *, room: int, in_flight: int, now: datetime) -> Taken:
        """Claim up to `room` due deliveries; `in_flight` are under way in this process.

        What needs a look of its own is looked for when there is nothing else: so that a busy integration does not pay
        for it, and so that nothing else is under way beside it.
        """
        self._claims_since_suspects += 1
        # Now and then, so that a backlog does not keep suspects waiting for ever.
        if self._claims_since_suspects >= SUSPECTS_EVERY and self._finds_suspect(now):
            if in_flight:
                return Taken(more=True)
            if self.solitude.take(self.integration_id):
                suspect = self._suspect(policy, now)
                if suspect.claimed or suspect.again_at is not None:
                    return suspect
        taken = self._many(policy, room, now)
        if taken.claimed or in_flight or taken.again_at is not None:
            return taken
        return self._probe_or_suspect(policy, now)

    def give_back(self, claimed: list[Claimed], now: datetime) -> None:
        """Make due again what was claimed and not sent, as if it had not been; the right to probe goes with a probe."""
        probe = next((one for one in claimed if one.probe), None)
        with self.services.database.write() as tx:
            if probe is not None:
                breaker = health.any_tenant_hold(tx, self.integration_id).breaker
                free = probe_given_back(breaker, probe.lease_until, now=now)
                health.any_tenant_set_breaker(tx, self.integration_id, free)
            claims.any_tenant_give_back(tx, claimed, now=now)

    def _many(self, policy: DeliveryPolicy, room: int, now: datetime, *, alone: bool = False) -> Taken:
        if policy.rate_limit is None:
            with self.services.database.write_once() as tx:
                claimed = self._claim(tx, policy, room, now, alone=alone)
            return Taken(claimed, more=len(claimed) == room)
        with self.services.database.write() as tx:
            next_free_at = health.any_tenant_next_free(tx, self.integration_id)
            free = grant(policy.rate_limit, next_free_at, wanted=room, now=now)
            if not free.count:
                if free.next_free_at != next_free_at:
                    health.any_tenant_set_next_free(tx, self.integration_id, free.next_free_at)
                return Taken(again_at=free.next_free_at)
            claimed = self._claim(tx, policy, free.count, now, alone=alone)
            if self._changed:
                # What was the rate must not decide when the next one goes.
                return Taken(claimed, more=True)
            used = grant(policy.rate_limit, next_free_at, wanted=len(claimed), now=now)
            health.any_tenant_set_next_free(tx, self.integration_id, used.next_free_at)
        if len(claimed) == room:
            return Taken(claimed, more=True)
        return Taken(claimed, again_at=used.next_free_at if len(claimed) == free.count else None)

    def _finds_suspect(self, now: datetime) -> bool:
        """Look whether one waits: only for that one is claiming held up, until all that is under way has come back."""
        if not self._suspect_waits:
            with self.services.database.read() as tx:
                self._suspect_waits = claims.any_tenant_suspect_due(tx, self.integration_id, now=now)
            if not self._suspect_waits:
                self._claims_since_suspects = 0
        return self._suspect_waits

    def _suspect_alone(self, now: datetime) -> bool:
        """Look whether one waits, and whether this process may have it now."""
        return self._finds_suspect(now) and self.solitude.take(self.integration_id)

    def _suspect(self, policy: DeliveryPolicy, now: datetime) -> Taken:
        """Claim one delivery that was lost with its worker before: alone, so that it takes nothing else along."""
        taken = self._many(policy, 1, now, alone=True)
        if taken.again_at is None:
            self._claims_since_suspects, self._suspect_waits = 0, False
        return taken

    def _probe_or_suspect(self, policy: DeliveryPolicy, now: datetime) -> Taken:
        with self.services.database.read() as tx:
            breaker = health.any_tenant_breaker(tx, self.integration_id)
        match breaker.state(now):
            case State.CLOSED if self._suspect_alone(now):
                return self._suspect(policy, now)
            case State.CLOSED:
                return Taken(again_at=now + SOLITUDE_PAUSE if self._suspect_waits else None)
            case State.OPEN:
                return Taken(again_at=breaker.parked_until)
            case State.HALF_OPEN:
                return self._probe(policy, now)

    def _probe(self, policy: DeliveryPolicy, now: datetime) -> Taken:
        """Claim the one delivery that is let through while the breaker is open; one process gets it."""
        with self.services.database.write() as tx:
            breaker = health.any_tenant_hold(tx, self.integration_id).breaker
            if breaker.state(now) is not State.HALF_OPEN:
                return Taken(more=breaker == CLOSED, again_at=breaker.parked_until)
            claimed = self._claim(tx, policy, 1, now, probe=True)
            if not claimed and self.solitude.take(self.integration_id):
                claimed = self._claim(tx, policy, 1, now, probe=True, alone=True)
            if claimed:
                until = now + self._lease(policy)
                health.any_tenant_set_breaker(tx, self.integration_id, probing(breaker, until))
                self._count_probe(tx, policy, now)
        return Taken([replace(one, probe=True) for one in claimed])

    def _count_probe(self, tx: Transaction, policy: DeliveryPolicy, now: datetime) -> None:
        if policy.rate_limit is not None:
            next_free_at = health.any_tenant_next_free(tx, self.integration_id)
            used = grant(policy.rate_limit, next_free_at, wanted=1, now=now)
            health.any_tenant_set_next_free(tx, self.integration_id, used.next_free_at)

    def _claim(
        self,
        tx: Transaction,
        policy: DeliveryPolicy,
        limit: int,
        now: datetime,
        *,
        alone: bool = False,
        probe: bool = False,
    ) -> list[Claimed]:
        claimed = claims.any_tenant_claim(
            tx,
            self.integration_id,
            limit=limit,
            alone=alone,
            token=self.services.ids.new(),
            now=now,
            lease_until=now + self._lease(policy),
            probe=probe,
        )
        if claimed:
            version = claimed[0].integration_version
            self._changed, self._version = self._version not in {None, version}, version
        return claimed

    def _lease(self, policy: DeliveryPolicy) -> timedelta:
        return policy.timeout + self.services.options.lease_margin
