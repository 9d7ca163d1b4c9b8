"""Secrets at rest: encrypted with the first key, readable with any of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from postrider.domain.errors import SecretUnreadable

# What is no token at all is a plain ValueError of its base64.
_BROKEN = (InvalidToken, ValueError)


class SecretBox:
    """Locks and opens small JSON objects."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take Fernet keys (32 bytes, url-safe base64); the first encrypts. ValueError for none, or a bad one."""
        if not keys:
            raise ValueError("at least one encryption key is needed")
        fernets = [Fernet(key) for key in keys]
        self._first, self._fernet = fernets[0], MultiFernet(fernets)

    def lock(self, secrets: dict[str, Any]) -> str:
        """Encrypt an object."""
        return self._fernet.encrypt(json.dumps(secrets).encode()).decode()

    def open(self, locked: str) -> dict[str, Any]:
        """Decrypt an object; SecretUnreadable when no key fits."""
        try:
            opened: dict[str, Any] = json.loads(self._fernet.decrypt(locked))
        except _BROKEN:
            raise SecretUnreadable("a stored secret cannot be read with the configured keys") from None
        return opened

    def is_current(self, locked: str) -> bool:
        """Tell whether it was encrypted with the first key."""
        try:
            self._first.decrypt(locked)
        except _BROKEN:
            return False
        return True

    def relock(self, locked: str) -> str:
        """Encrypt anew with the first key; SecretUnreadable when no key fits."""
        try:
            return self._fernet.rotate(locked).decode()
        except _BROKEN:
            raise SecretUnreadable("a stored secret cannot be read with the configured keys") from None


def new_key() -> str:
    """Make an encryption key."""
    return Fernet.generate_key().decode()
