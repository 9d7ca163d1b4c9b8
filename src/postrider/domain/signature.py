"""How a message is signed: the Standard Webhooks scheme, version 1.0.0, and which secrets sign it."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

PREFIX = "whsec_"
SECRET_BYTES = 32

DEFAULT_OVERLAP = timedelta(days=1)
LONGEST_OVERLAP = timedelta(days=7)
MOST_RETIRED = 3
"""Each old secret makes every message's header longer."""


@dataclass(frozen=True, slots=True)
class RetiredSecret:
    """A signing secret that was replaced, and until when it signs beside the new one."""

    secret: str = field(repr=False)
    until: datetime


def signing_secret(randomness: bytes) -> str:
    """Write 24 to 64 random bytes as a signing secret."""
    return PREFIX + base64.b64encode(randomness).decode()


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Give a message's signature with one secret.

    Raises ValueError when there is no secret, or it is not base64 behind its prefix.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the signing secret is not base64") from error
    if not key:
        raise ValueError("there is no signing secret")
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def signatures(secrets: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """Give the value of `webhook-signature`: a signature with each secret, in their order. Raises as `sign` does."""
    return " ".join(sign(secret, message_id=message_id, timestamp=timestamp, body=body) for secret in secrets)


def still_signing(retired: Sequence[RetiredSecret], *, now: datetime) -> tuple[RetiredSecret, ...]:
    """List the old secrets whose time has not come."""
    return tuple(one for one in retired if one.until > now)


def retire(
    secret: str, retired: Sequence[RetiredSecret], *, overlap: timedelta, now: datetime
) -> tuple[RetiredSecret, ...]:
    """List the old secrets, newest first, after one more was replaced; the oldest give way to a bounded number.

    Without an overlap all of them end at once: then only the new one signs.
    """
    if not overlap:
        return ()
    return (RetiredSecret(secret, now + overlap), *still_signing(retired, now=now))[:MOST_RETIRED]
