"""What the use cases work with; `runtime.build` puts it together."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from postrider.domain.access import Actor
from postrider.domain.audit import Action, AuditEntry, FieldChange
from postrider.domain.ids import uuid7
from postrider.domain.ports import Broker, Clock, Ring
from postrider.store import audit_log
from postrider.store.engine import Database, Transaction
from postrider.store.secrets import SecretBox
from postrider.transports.registry import Registry

_APART = 2**32
"""So that no two things made one by one share the first 24 hexadecimal digits, by which some clients know them."""


class Ids:
    """Makes ids that sort in the order of their making within this process."""

    def __init__(self, clock: Clock, randomness: random.Random) -> None:
        self._clock, self._random = clock, randomness
        self._guard = threading.Lock()
        self._last = 0

    def new(self) -> UUID:
        """Make the next id."""
        return self.many(1)[0]

    def many(self, count: int) -> list[UUID]:
        """Make ids that follow one another."""
        with self._guard:
            first = max(uuid7(self._clock.now(), self._random.getrandbits(74)).int, self._last + _APART)
            self._last = first + count - 1
            return [UUID(int=number) for number in range(first, first + count)]


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting as people may see it."""

    name: str
    """Of its variable in the environment."""
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Options:
    """The few knobs that use cases turn."""

    public_url: str
    lease_margin: timedelta
    retention: timedelta
    dead_letter_retention: timedelta
    audit_retention: timedelta = timedelta(days=365)
    broker_kind: str = "in memory"
    """Such as Redis."""
    knobs: tuple[Knob, ...] = ()
    """All settings but the secret ones."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts, each known by what it does."""

    database: Database
    clock: Clock
    ids: Ids
    box: SecretBox = field(repr=False)
    transports: Registry
    ring: Ring
    broker: Broker
    random: random.Random
    options: Options
    pepper: bytes = field(repr=False)
    """Keys the digests of API keys and the signatures of bearer tokens; stays the same when encryption keys change."""

    @contextmanager
    def change(self, by: Actor) -> Iterator[Change]:
        """Open the transaction in which somebody changes something.

        It commits with the record of the change in it. What was not recorded is rolled back: nothing was changed.
        """
        with self.database.write() as tx:
            change = Change(self, tx, by)
            yield change
            if not change.recorded:
                tx.rollback()


class Change:
    """A change on its way: its transaction, and who makes it."""

    def __init__(self, services: Services, tx: Transaction, by: Actor) -> None:
        self.tx = tx
        self.recorded = False
        self._services, self._by = services, by

    def record(
        self, tenant_id: UUID, action: Action, object_id: UUID | str, changes: tuple[FieldChange, ...] = ()
    ) -> None:
        """Write into the audit log what is done to a thing of the tenant."""
        entry = AuditEntry(
            id=self._services.ids.new(),
            tenant_id=tenant_id,
            action=action,
            object_id=str(object_id),
            actor=self._by,
            changes=changes,
            created_at=self._services.clock.now(),
        )
        audit_log.add(self.tx, entry)
        self.recorded = True
