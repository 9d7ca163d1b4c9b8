"""What was lost with its workers goes alone: one in a process, whichever integration it is for.

Two of them under way together would be lost together again. As the oldest go first, it would be the same two each time,
until the innocent one is buried with the one that ends its workers.
"""

from __future__ import annotations

import threading
import time
from uuid import UUID

ASKED_SECONDS = 1.0
"""Whoever has not asked again for so long does not wait any more."""


class Solitude:
    """Had by one integration of the process at a time; those who wait for it take turns."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._holder: UUID | None = None
        self._last: UUID | None = None
        self._asked: dict[UUID, float] = {}

    def take(self, integration_id: UUID) -> bool:
        """Have it, or be noted as one who waits; harmless for who has it."""
        with self._guard:
            if self._holder == integration_id:
                return True
            if self._holder is None and not (self._last == integration_id and self._others_wait(integration_id)):
                self._holder = self._last = integration_id
                self._asked.pop(integration_id, None)
                return True
            self._asked[integration_id] = time.monotonic()
            return False

    def held_by(self, integration_id: UUID) -> bool:
        """Tell whether an integration has it; only its own drain can ask without being told something old."""
        return self._holder == integration_id

    def leave(self) -> None:
        """Let others have it; only for who has it."""
        with self._guard:
            self._holder = None

    def _others_wait(self, integration_id: UUID) -> bool:
        since = time.monotonic() - ASKED_SECONDS
        self._asked = {one: asked for one, asked in self._asked.items() if asked > since}
        return any(one != integration_id for one in self._asked)
