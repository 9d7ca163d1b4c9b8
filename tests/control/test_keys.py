"""API keys, access tokens and tenants, without the web."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from house import House
from sqlalchemy import select

from postrider.control import keys, tokens
from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission
from postrider.domain.errors import InvalidInput, NotAuthenticated, NotFound
from postrider.store.tables import api_keys

READ = [Permission.EVENTS_READ]
PRESET = "a-key-that-somebody-chose"


def test_a_made_key_has_its_form() -> None:
    """`pr_`, 32 random letters and digits (190 bits), and six of checksum; no two are the same."""
    made = {keys.mint() for _ in range(200)}

    assert len(made) == 200
    assert all(re.fullmatch(r"pr_[0-9A-Za-z]{38}", key) for key in made)
    assert not any(keys.looks_mistyped(key) for key in made)


def test_every_slip_is_seen() -> None:
    """A key with one wrong character does not fit its checksum."""
    key = keys.mint()

    for place in range(3, len(key)):
        other = "x" if key[place] != "x" else "y"
        assert keys.looks_mistyped(key[:place] + other + key[place + 1 :])


def test_a_key_is_found_by_its_secret(house: House) -> None:
    """Who has the secret is the key; the database has its digest only."""
    made = keys.create_key(house.services, house.tenant.id, name=" mine ", permissions=READ)

    assert keys.find_key(house.services, made.secret) == made.key
    assert made.key.name == "mine"
    assert made.secret not in repr(made)
    with house.services.database.read() as tx:
        (row,) = tx.execute(select(api_keys))
    assert bytes(row.digest) == keys.digest(house.services.pepper, made.secret)
    assert made.secret not in str(row)


def test_the_digest_needs_the_pepper() -> None:
    """A stolen table does not tell which guess is right."""
    assert keys.digest(b"one", PRESET) != keys.digest(b"other", PRESET)


def test_a_preset_key_is_taken_as_it_is(house: House) -> None:
    """A key that somebody chose works, and choosing it again changes nothing."""
    first = keys.create_key(house.services, house.tenant.id, name="k", permissions=READ, preset=PRESET)
    again = keys.create_key(house.services, house.tenant.id, name="other", permissions=[*Permission], preset=PRESET)

    assert first.secret == PRESET
    assert again.key == first.key
    assert keys.find_key(house.services, PRESET).permissions == {Permission.EVENTS_READ}


@pytest.mark.parametrize("preset", ["", "a" * 23, "a" * 513, "a b" * 10, "ä" * 30, "a\n" * 15])
def test_a_weak_preset_is_refused(house: House, preset: str) -> None:
    """A chosen key has at least 24 visible characters."""
    with pytest.raises(InvalidInput):
        keys.create_key(house.services, house.tenant.id, name="k", permissions=READ, preset=preset)


def test_a_key_needs_a_tenant_and_a_permission(house: House) -> None:
    """What could not open anything is not made."""
    with pytest.raises(NotFound):
        keys.create_key(house.services, UUID(int=1), name="k", permissions=READ)
    with pytest.raises(InvalidInput):
        keys.create_key(house.services, house.tenant.id, name="k", permissions=[])
    with pytest.raises(InvalidInput):
        keys.create_key(house.services, house.tenant.id, name="k", permissions=READ, expires_at=house.clock.now())


def test_a_revoked_key_stays_revoked(house: House) -> None:
    """Revoking ends a key for good, once."""
    made = keys.create_key(house.services, house.tenant.id, name="k", permissions=READ)

    first = keys.revoke_key(house.services, house.tenant.id, made.key.id)
    house.clock.move(hours=1)

    assert keys.revoke_key(house.services, house.tenant.id, made.key.id) == first
    with pytest.raises(NotAuthenticated):
        keys.find_key(house.services, made.secret)
    with pytest.raises(NotAuthenticated):
        keys.find_key_by_id(house.services, made.key.id)


def test_a_key_is_revoked_by_its_tenant_only(house: House) -> None:
    """Another tenant's key is not there."""
    made = keys.create_key(house.services, house.tenant.id, name="k", permissions=READ)
    other = create_tenant(house.services, name="other")

    with pytest.raises(NotFound):
        keys.revoke_key(house.services, other.id, made.key.id)
    assert keys.find_key(house.services, made.secret) == made.key


def test_a_token_names_its_key_for_an_hour(house: House) -> None:
    """A token is read back by the same pepper only, and until its end only."""
    made, now = keys.create_key(house.services, house.tenant.id, name="k", permissions=READ), house.clock.now()
    token = tokens.issue(b"pepper", made.key, now=now)

    assert tokens.read(b"pepper", token.text, now=now + timedelta(minutes=59)) == token
    assert token.api_key_id == made.key.id
    assert token.text not in repr(token)
    with pytest.raises(NotAuthenticated):
        tokens.read(b"other", token.text, now=now)
    with pytest.raises(NotAuthenticated):
        tokens.read(b"pepper", token.text, now=now + timedelta(hours=1))
