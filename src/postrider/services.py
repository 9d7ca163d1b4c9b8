"""What the use cases work with; `runtime.build` puts it together."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from postrider.domain.ids import uuid7
from postrider.domain.ports import Clock, Ring
from postrider.store.engine import Database
from postrider.store.secrets import SecretBox
from postrider.transports.registry import Registry


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
            first = max(uuid7(self._clock.now(), self._random.getrandbits(74)).int, self._last + 1)
            self._last = first + count - 1
            return [UUID(int=number) for number in range(first, first + count)]


@dataclass(frozen=True, slots=True)
class Options:
    """The few knobs that use cases turn."""

    public_url: str
    lease_margin: timedelta
    retention: timedelta
    dead_letter_retention: timedelta


@dataclass(frozen=True, slots=True)
class Services:
    """The parts, each known by what it does."""

    database: Database
    clock: Clock
    ids: Ids
    box: SecretBox = field(repr=False)
    transports: Registry
    ring: Ring
    random: random.Random
    options: Options
    pepper: bytes = field(repr=False)
    """Keys the digests of API keys and the signatures of bearer tokens; stays the same when encryption keys change."""
