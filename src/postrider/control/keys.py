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

from postrider.domain.access import POSTRIDER, Actor, ApiKey, Permission
from postrider.domain.audit import Action, FieldChange, shown
from postrider.domain.errors import Conflict, InvalidInput, NotAuthenticated, NotFound, NotPermitted
from postrider.domain.integration import Integration
from postrider.domain.news import timestamp
from postrider.services import Change, Services
from postrider.store import api_keys, tenants
from postrider.store.engine import Transaction

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
    from_environment: bool = False,
    by: Actor = POSTRIDER,
) -> NewKey:
    """Make and store a key of a tenant.

    `preset` is taken as it is instead of a made one, and must have 24 characters or more. Raises InvalidInput for a
    wrong field, NotFound for an unknown tenant, and what `_check_maker` raises when a key makes it. A preset key that
    is stored already stays as it was and is given back.
    """
    given, now = frozenset(permissions), services.clock.now()
    _check(given, expires_at, now=now)
    secret = mint() if preset is None else _checked_preset(preset)
    key = replace(
        _new(services, tenant_id, name, given, secret), expires_at=expires_at, from_environment=from_environment
    )
    with services.change(by) as change:
        _check_maker(change.tx, by, key, now=now)
        if tenants.get(change.tx, tenant_id) is None:
            raise NotFound("no such tenant")
        had = api_keys.any_tenant_by_digest(change.tx, digest(services.pepper, secret))
        if had is None:
            api_keys.add(change.tx, key, digest(services.pepper, secret))
            change.record(tenant_id, Action.API_KEY_CREATED, key.id, _told(key))
    return NewKey(key if had is None else had, secret)


def add_key_of_integration(
    services: Services, change: Change, integration: Integration, *, name: str, secret: str, by: Actor
) -> None:
    """Store, in a change under way, a key that may publish as an integration, and nothing else.

    Raises what `create_key` does for its maker, and Conflict when the secret is another key's.
    """
    may = frozenset({Permission.EVENTS_PUBLISH})
    key = replace(_new(services, integration.tenant_id, name, may, secret), integration_id=integration.id)
    _check_maker(change.tx, by, key, now=key.created_at)
    stored = digest(services.pepper, secret)
    if api_keys.any_tenant_by_digest(change.tx, stored) is not None:
        raise Conflict("the token is taken")
    api_keys.add(change.tx, key, stored)
    change.record(integration.tenant_id, Action.API_KEY_CREATED, key.id, _told(key))


def integration_of(services: Services, secret: str) -> UUID | None:
    """Tell as which integration a key publishes; None for none, and for a key that is none or over."""
    with services.database.read() as tx:
        key = api_keys.any_tenant_by_digest(tx, digest(services.pepper, secret))
    return key.integration_id if key is not None and key.valid(services.clock.now()) else None


def _new(services: Services, tenant_id: UUID, name: str, permissions: frozenset[Permission], secret: str) -> ApiKey:
    return ApiKey(
        id=services.ids.new(),
        tenant_id=tenant_id,
        name=short_text("data.name", name),
        prefix=secret[:SHOWN_LENGTH],
        permissions=permissions,
        created_at=services.clock.now(),
        expires_at=None,
        revoked_at=None,
        last_used_at=None,
    )


def revoke_key(services: Services, tenant_id: UUID, key_id: UUID, *, by: Actor = POSTRIDER) -> ApiKey:
    """End a key for good; a second time changes nothing. Raises NotFound."""
    now = services.clock.now()
    with services.change(by) as change:
        key = api_keys.any_tenant_get(change.tx, key_id)
        if key is None or key.tenant_id != tenant_id:
            raise NotFound("The resource could not be found")
        if key.revoked_at is not None:
            return key
        api_keys.revoke(change.tx, tenant_id, key_id, now=now)
        change.record(tenant_id, Action.API_KEY_REVOKED, key_id)
    return replace(key, revoked_at=now)


def set_environment_key(services: Services, secret: str | None, *, by: Actor) -> None:
    """End the keys that the environment set before and sets no more; let the one that it sets open doors again.

    A key that was revoked stays revoked.
    """
    now = services.clock.now()
    wanted = None if secret is None else digest(services.pepper, _checked_preset(secret))
    with services.database.read() as tx:
        chosen = None if wanted is None else api_keys.any_tenant_by_digest(tx, wanted)
        had = api_keys.any_tenant_from_environment(tx, now=now)
    for key in had:
        if chosen is None or key.id != chosen.id:
            _set_expiry(services, key, now, by=by)
    if chosen is not None and chosen.from_environment and chosen.expires_at is not None:
        _set_expiry(services, chosen, None, by=by)


def find_key(services: Services, secret: str) -> ApiKey:
    """Look up the key behind a secret; raises NotAuthenticated when there is none, or it is over.

    What could not be a key is refused without a look into the database.
    """
    if not _could_be_key(secret):
        raise NotAuthenticated(_unknown(secret))
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


def _set_expiry(services: Services, key: ApiKey, expires_at: datetime | None, *, by: Actor) -> None:
    with services.change(by) as change:
        api_keys.set_expiry(change.tx, key.tenant_id, key.id, expires_at=expires_at)
        told = shown("expires_at", _moment(key.expires_at), _moment(expires_at))
        change.record(key.tenant_id, Action.API_KEY_CHANGED, key.id, (told,))


def _check_maker(tx: Transaction, by: Actor, new: ApiKey, *, now: datetime) -> None:
    """See that a key makes none that may do more or for longer than it.

    Asked in the transaction: what was remembered of the maker may be some seconds old. Raises NotAuthenticated,
    NotPermitted and InvalidInput.
    """
    if by.api_key_id is None:
        return
    maker = api_keys.any_tenant_get(tx, by.api_key_id, hold=True)
    if maker is None:
        raise NotAuthenticated("Unable to validate access token")
    still_valid(maker, now=now)
    lacking = new.permissions - maker.permissions
    if lacking:
        raise NotPermitted(f"the API key lacks the permission {min(lacking).value}, so it cannot hand it out")
    if new.tenant_id != maker.tenant_id and Permission.TENANTS_MANAGE not in maker.permissions:
        raise NotPermitted(f"the API key lacks the permission {Permission.TENANTS_MANAGE.value}")
    if maker.expires_at is not None and (new.expires_at is None or new.expires_at > maker.expires_at):
        raise InvalidInput(
            "data.expires_at", f"expires_at: must not be after {maker.expires_at.isoformat()}, as the calling key's"
        )


def _told(key: ApiKey) -> tuple[FieldChange, ...]:
    return (
        shown("name", None, key.name),
        shown("permissions", None, sorted(key.permissions)),
        shown("expires_at", None, _moment(key.expires_at)),
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


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


def _could_be_key(secret: str) -> bool:
    return SHORTEST_PRESET <= len(secret) <= LONGEST_KEY and _visible(secret) and not looks_mistyped(secret)


def _visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _checked_preset(preset: str) -> str:
    if not SHORTEST_PRESET <= len(preset) <= LONGEST_KEY:
        raise InvalidInput("preset", f"a preset API key must have {SHORTEST_PRESET} to {LONGEST_KEY} characters")
    if not _visible(preset):
        raise InvalidInput("preset", "a preset API key must consist of visible ASCII characters")
    if looks_mistyped(preset):
        raise InvalidInput("preset", "a preset API key must not look like a made one with a wrong character")
    return preset
