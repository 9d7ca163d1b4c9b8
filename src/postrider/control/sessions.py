"""Sessions of people in front of pages: a cookie that stands for an API key, signed and stored nowhere."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from postrider.domain.access import ApiKey
from postrider.domain.errors import NotAuthenticated

from .sealed_texts import seal, unseal

LIFETIME = timedelta(hours=12)
_SIGNED = struct.Struct(">16s16sQ16s")  # the key's id, the tenant looked at, the second of its end, what tells it apart
_SESSION = b"postrider session 1\0"
_FORM = b"postrider form 1\0"
_NOTICE = b"postrider notice 1\0"


@dataclass(frozen=True, slots=True)
class Session:
    """What a session's cookie says."""

    text: str = field(repr=False)
    api_key_id: UUID
    tenant_id: UUID
    """Whose things are looked at: the key's tenant, or another one that an operator chose."""
    expires_at: datetime


def begin(pepper: bytes, key: ApiKey, *, now: datetime) -> Session:
    """Begin a session of a key; it ends in twelve hours, or with the key when that is sooner."""
    end = now + LIFETIME if key.expires_at is None else min(now + LIFETIME, key.expires_at)
    return _written(pepper, key.id, key.tenant_id, int(end.timestamp()))


def look_at(pepper: bytes, session: Session, tenant_id: UUID) -> Session:
    """Give the session another tenant to look at; its end stays. Whether its key may is asked elsewhere."""
    return _written(pepper, session.api_key_id, tenant_id, int(session.expires_at.timestamp()))


def read(pepper: bytes, text: str, *, now: datetime) -> Session:
    """Check a cookie's signature and term; raises NotAuthenticated. Whether its key still holds is not asked here."""
    signed = unseal(pepper, _SESSION, text)
    if signed is None or len(signed) != _SIGNED.size:
        raise NotAuthenticated("sign in")
    key_id, tenant_id, until, _ = _SIGNED.unpack(signed)
    expires_at = datetime.fromtimestamp(until, UTC)
    if now >= expires_at:
        raise NotAuthenticated("the session is over; sign in again")
    return Session(text, UUID(bytes=key_id), UUID(bytes=tenant_id), expires_at)


def form_token(pepper: bytes, cookie: str) -> str:
    """Give what a form must carry to prove that it is ours: known only to who was shown it with this cookie."""
    return hmac.new(pepper, _FORM + cookie.encode(), hashlib.sha256).hexdigest()


def is_form_token(pepper: bytes, cookie: str, given: str) -> bool:
    """Tell whether a form's token belongs to the cookie that came with it."""
    return hmac.compare_digest(form_token(pepper, cookie).encode(), given.encode())


def seal_notice(pepper: bytes, text: str) -> str:
    """Write a notice for the next page into a cookie's value."""
    return seal(pepper, _NOTICE, text.encode())


def unseal_notice(pepper: bytes, text: str) -> str | None:
    """Read a notice; None for one that is not ours."""
    opened = unseal(pepper, _NOTICE, text)
    return None if opened is None else opened.decode()


def _written(pepper: bytes, key_id: UUID, tenant_id: UUID, until: int) -> Session:
    signed = _SIGNED.pack(key_id.bytes, tenant_id.bytes, until, secrets.token_bytes(16))
    return Session(seal(pepper, _SESSION, signed), key_id, tenant_id, datetime.fromtimestamp(until, UTC))
