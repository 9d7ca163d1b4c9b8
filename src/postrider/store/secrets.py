"""Secrets at rest: encrypted with the first key, readable with any of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from postrider.domain.errors import SecretUnreadable


class SecretBox:
    """Locks and opens small JSON objects."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take Fernet keys (32 bytes, url-safe base64); the first encrypts. ValueError for none, or a bad one."""
        if not keys:
            raise ValueError("at least one encryption key is needed")
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def lock(self, secrets: dict[str, Any]) -> str:
        """Encrypt an object."""
        return self._fernet.encrypt(json.dumps(secrets).encode()).decode()

    def open(self, locked: str) -> dict[str, Any]:
        """Decrypt an object; SecretUnreadable when no key fits."""
        try:
            opened: dict[str, Any] = json.loads(self._fernet.decrypt(locked))
        except InvalidToken as error:
            raise SecretUnreadable("a stored secret cannot be read with the configured keys") from error
        return opened


def new_key() -> str:
    """Make an encryption key."""
    return Fernet.generate_key().decode()
