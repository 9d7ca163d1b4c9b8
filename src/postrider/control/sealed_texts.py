"""Signed texts: what we hand out and take back, and nobody else can make.

The context says what a text is for, so that one of one kind never passes for one of another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_SIGNATURE_BYTES = hashlib.sha256().digest_size


def seal(pepper: bytes, context: bytes, signed: bytes) -> str:
    """Write bytes and their signature as one text, which anybody can read and nobody else can make."""
    return base64.urlsafe_b64encode(signed + _signature(pepper, context, signed)).decode().rstrip("=")


def unseal(pepper: bytes, context: bytes, text: str) -> bytes | None:
    """Give the bytes that were sealed in this context; None for anything else."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    signed, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
    return signed if hmac.compare_digest(signature, _signature(pepper, context, signed)) else None


def _signature(pepper: bytes, context: bytes, signed: bytes) -> bytes:
    return hmac.new(pepper, context + signed, hashlib.sha256).digest()
