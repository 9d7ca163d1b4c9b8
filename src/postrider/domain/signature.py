"""How a message is signed: the Standard Webhooks scheme, version 1.0.0."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
SECRET_BYTES = 32


def signing_secret(randomness: bytes) -> str:
    """Write 24 to 64 random bytes as a signing secret."""
    return PREFIX + base64.b64encode(randomness).decode()


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Give the value of `webhook-signature` for one secret.

    Raises ValueError when the secret is not base64 behind its prefix.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the signing secret is not base64") from error
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
