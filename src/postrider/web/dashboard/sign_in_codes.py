"""Links that sign in once: kept in this process's memory, so that they end with it."""

from __future__ import annotations

import hashlib
import secrets
import threading
from uuid import UUID


class SignInCodes:
    """Codes that stand for an API key until they are used."""

    def __init__(self) -> None:
        self._keys: dict[bytes, UUID] = {}
        self._guard = threading.Lock()

    def make(self, key_id: UUID) -> str:
        """Make a code that signs in with a key, once."""
        code = secrets.token_urlsafe(24)
        with self._guard:
            self._keys[_digest(code)] = key_id
        return code

    def take(self, code: str) -> UUID | None:
        """Give the key that a code stands for, and forget it; None when there is none (any more)."""
        with self._guard:
            return self._keys.pop(_digest(code), None)


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
