"""API keys: made here, shown once, known afterwards by their digest only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from postrider.domain.access import ApiKey, Permission
from postrider.domain.errors import InvalidInput, NotAuthenticated, NotFound
from postrider.services import Services
from postrider.store import api_keys, tenants

from .texts import short_text

PREFIX = "pr_"
RANDOM_LENGTH = 32
"""Characters of 62 kinds: 190 random bits."""
CHECKSUM_LENGTH = 6
SHOWN_LENGTH = 8
SHORTEST_PRESET = 24
LONGEST_KEY = 512
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment when it can be seen."""

    key: ApiKey
    secret: str = field(repr=False)


def create_key(
    services: Services,
    tenant_id: UUID,
    *,
    name: str,
    permissions: Iterable[Permission],
    expires_at: datetime | None = None,
    preset: str | None = None,
) -> NewKey:
    """Make and store a key of a tenant.

    `preset` is taken as it is instead of a made one, and must have 24 characters or more. Raises InvalidInput for a
    wrong field, NotFound for an unknown tenant. A preset key that is stored already stays as it was and is given back.
    """
    given, now = frozenset(permissions), services.clock.now()
    _check(given, expires_at, now=now)
    secret = mint() if preset is None else _checked_preset(preset)
    key = ApiKey(
        id=services.ids.new(),
        tenant_id=tenant_id,
        name=short_text("data.name", name),
        prefix=secret[:SHOWN_LENGTH],
        permissions=given,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    with services.database.write() as tx:
        if tenants.get(tx, tenant_id) is None:
            raise NotFound("no such tenant")
        had = api_keys.any_tenant_by_digest(tx, digest(services.pepper, secret))
        if had is None:
            api_keys.add(tx, key, digest(services.pepper, secret))
    return NewKey(key if had is None else had, secret)


def revoke_key(services: Services, tenant_id: UUID, key_id: UUID) -> ApiKey:
    """End a key for good; a second time changes nothing. Raises NotFound."""
    with services.database.write() as tx:
        key = api_keys.any_tenant_get(tx, key_id)
        if key is None or key.tenant_id != tenant_id:
            raise NotFound("The resource could not be found")
        if key.revoked_at is not None:
            return key
        now = services.clock.now()
        api_keys.revoke(tx, tenant_id, key_id, now=now)
    return replace(key, revoked_at=now)


def find_key(services: Services, secret: str) -> ApiKey:
    """Look up the key behind a secret; raises NotAuthenticated when there is none, or it is over."""
    with services.database.read() as tx:
        key = api_keys.any_tenant_by_digest(tx, digest(services.pepper, secret))
    if key is None:
        raise NotAuthenticated(_unknown(secret))
    return still_valid(key, now=services.clock.now())


def find_key_by_id(services: Services, key_id: UUID) -> ApiKey:
    """Look up the key that a bearer token stands for; raises NotAuthenticated as `find_key` does."""
    with services.database.read() as tx:
        key = api_keys.any_tenant_get(tx, key_id)
    if key is None:
        raise NotAuthenticated("Unable to validate access token")
    return still_valid(key, now=services.clock.now())


def still_valid(key: ApiKey, *, now: datetime) -> ApiKey:
    """Give the key back; raises NotAuthenticated when it was revoked or has expired."""
    if key.revoked_at is not None:
        raise NotAuthenticated("the API key was revoked; use another one")
    if not key.valid(now):
        raise NotAuthenticated("the API key has expired; make a new one")
    return key


def digest(pepper: bytes, secret: str) -> bytes:
    """Give what is stored of a key: useless to whoever reads the database without the pepper."""
    return hmac.new(pepper, secret.encode(), hashlib.sha256).digest()


def mint() -> str:
    """Make a key's text: `pr_`, random characters, and a checksum by which scanners tell it from other words."""
    random_part = "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_LENGTH))
    return PREFIX + random_part + _checksum(random_part)


def looks_mistyped(secret: str) -> bool:
    """Tell whether the text has the shape of a made key but not its checksum."""
    body = secret.removeprefix(PREFIX)
    if not secret.startswith(PREFIX) or len(body) != RANDOM_LENGTH + CHECKSUM_LENGTH:
        return False
    return _checksum(body[:RANDOM_LENGTH]) != body[RANDOM_LENGTH:]


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _unknown(secret: str) -> str:
    if looks_mistyped(secret):
        return "the API key is not complete or has a wrong character: its checksum does not fit"
    return "Unable to validate access token"


def _check(permissions: frozenset[Permission], expires_at: datetime | None, *, now: datetime) -> None:
    if not permissions:
        raise InvalidInput("data.permissions", "permissions: give at least one")
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("data.expires_at", "expires_at: must lie in the future")


def _checked_preset(preset: str) -> str:
    if not SHORTEST_PRESET <= len(preset) <= LONGEST_KEY:
        raise InvalidInput("preset", f"a preset API key must have {SHORTEST_PRESET} to {LONGEST_KEY} characters")
    if not preset.isascii() or not preset.isprintable() or " " in preset:
        raise InvalidInput("preset", "a preset API key must consist of visible ASCII characters")
    return preset
