"""Bearer tokens that stand for an API key for an hour: signed, stored nowhere, ended with their key."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from postrider.domain.access import ApiKey
from postrider.domain.errors import NotAuthenticated

from .sealed_texts import seal, unseal

PREFIX = "prt_"
LIFETIME = timedelta(hours=1)
_SIGNED = struct.Struct(">16sQ")  # the key's id, and the second at which the token ends
_CONTEXT = b"postrider bearer token 1\0"  # keeps these signatures apart from the digests of keys


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token and what it says: which key, and until when."""

    text: str = field(repr=False)
    api_key_id: UUID
    expires_at: datetime


def issue(pepper: bytes, key: ApiKey, *, now: datetime) -> BearerToken:
    """Make a token for a key that ends in an hour, or with the key when that is sooner."""
    end = now + LIFETIME if key.expires_at is None else min(now + LIFETIME, key.expires_at)
    until = int(end.timestamp())
    text = PREFIX + seal(pepper, _CONTEXT, _SIGNED.pack(key.id.bytes, until))
    return BearerToken(text, key.id, datetime.fromtimestamp(until, UTC))


def read(pepper: bytes, text: str, *, now: datetime) -> BearerToken:
    """Check a token's signature and term; raises NotAuthenticated. Whether its key still holds is not asked here."""
    signed = unseal(pepper, _CONTEXT, text.removeprefix(PREFIX))
    if signed is None or len(signed) != _SIGNED.size:
        raise NotAuthenticated("Unable to validate access token")
    key_id, until = _SIGNED.unpack(signed)
    token = BearerToken(text, UUID(bytes=key_id), datetime.fromtimestamp(until, UTC))
    if now >= token.expires_at:
        raise NotAuthenticated("the access token has expired; ask for a new one at /oauth/access_token")
    return token
