"""API keys, access tokens and tenants, without the web."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from house import House
from sqlalchemy import select

from postrider.control import keys, tokens
from postrider.control.tenants import create_tenant
from postrider.domain.access import COMMAND_LINE, ApiKey, Caller, Permission
from postrider.domain.errors import InvalidInput, NotAuthenticated, NotFound, NotPermitted, Unavailable
from postrider.store import api_keys as stored_keys
from postrider.store.engine import Database
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


def test_what_could_not_be_a_key_costs_no_look(house: House) -> None:
    """A word that is too short or long, has other characters or a wrong checksum is refused without the database."""
    cut_off = replace(house.services, database=Database("postgresql://127.0.0.1:1/nowhere"))
    minted = keys.mint()
    mistyped = minted[:-1] + ("a" if minted[-1] != "a" else "b")

    for word in ("", "pr_", "x" * 23, "x" * 513, "key with spaces " * 2, "ä" * 30, "\udcff" * 30, mistyped):
        with pytest.raises(NotAuthenticated):
            keys.find_key(cut_off, word)
    with pytest.raises(Unavailable):
        keys.find_key(cut_off, minted)


def test_a_key_that_looks_mistyped_cannot_be_chosen(house: House) -> None:
    """What would always be refused is not taken."""
    minted = keys.mint()

    mistyped = minted[:-1] + ("a" if minted[-1] != "a" else "b")

    with pytest.raises(InvalidInput):
        keys.create_key(house.services, house.tenant.id, name="k", permissions=READ, preset=mistyped)
    assert keys.create_key(house.services, house.tenant.id, name="k", permissions=READ, preset=minted).secret == minted


def made_by(house: House, maker: ApiKey, *permissions: Permission, **more: Any) -> ApiKey:
    """Make a key as the holder of another does."""
    by = Caller(maker.tenant_id, maker.id, maker.permissions, name=maker.name).actor
    tenant_id = more.pop("tenant_id", house.tenant.id)
    return keys.create_key(house.services, tenant_id, name="heir", permissions=permissions, by=by, **more).key


def test_a_key_makes_none_that_may_do_more_or_for_longer(house: House) -> None:
    """Whoever calls: the rule is asked where keys are made, of the maker as the database has it."""
    end = house.clock.now() + timedelta(hours=1)
    both = [Permission.EVENTS_READ, Permission.INTEGRATIONS_WRITE]
    maker = keys.create_key(house.services, house.tenant.id, name="m", permissions=both, expires_at=end).key
    other = create_tenant(house.services, name="other")

    heir = made_by(house, maker, Permission.EVENTS_READ, expires_at=end)
    with pytest.raises(NotPermitted):
        made_by(house, maker, Permission.EVENTS_READ, Permission.DELIVERIES_READ, expires_at=end)
    with pytest.raises(NotPermitted):
        made_by(house, maker, Permission.EVENTS_READ, expires_at=end, tenant_id=other.id)
    for late in (None, end + timedelta(microseconds=1)):
        with pytest.raises(InvalidInput):
            made_by(house, maker, Permission.EVENTS_READ, expires_at=late)
    keys.revoke_key(house.services, house.tenant.id, maker.id)
    with pytest.raises(NotAuthenticated):
        made_by(house, maker, Permission.EVENTS_READ, expires_at=end)

    with house.services.database.read() as tx:
        assert [key.id for key in stored_keys.page(tx, house.tenant.id, before=None, limit=9)] == [heir.id, maker.id]
        assert stored_keys.page(tx, other.id, before=None, limit=9) == []


def set_by_environment(house: House, secret: str) -> ApiKey:
    """Start with a key in the environment, as `up` does."""
    keys.set_environment_key(house.services, secret, by=COMMAND_LINE)
    return keys.create_key(
        house.services,
        house.tenant.id,
        name="e",
        permissions=READ,
        preset=secret,
        from_environment=True,
        by=COMMAND_LINE,
    ).key


def opens(house: House, secret: str) -> bool:
    try:
        return keys.find_key(house.services, secret) is not None
    except NotAuthenticated:
        return False


def test_another_key_in_the_environment_ends_the_last(house: House) -> None:
    """The environment's key opens doors as long as the environment says it; keys made otherwise stay."""
    first, second = PRESET + "-1", PRESET + "-2"
    stays = keys.create_key(house.services, house.tenant.id, name="k", permissions=READ).secret

    seen = []
    for word in (first, second, first):
        set_by_environment(house, word)
        seen.append((opens(house, first), opens(house, second), opens(house, stays)))
        house.clock.move(hours=1)
    keys.set_environment_key(house.services, None, by=COMMAND_LINE)

    assert seen == [(True, False, True), (False, True, True), (True, False, True)]
    assert (opens(house, first), opens(house, second), opens(house, stays)) == (False, False, True)


def test_the_environment_does_not_bring_back_what_was_revoked(house: House) -> None:
    """A key that a person revoked stays revoked, whatever the environment says."""
    key = set_by_environment(house, PRESET)

    keys.revoke_key(house.services, house.tenant.id, key.id)
    set_by_environment(house, PRESET)

    assert not opens(house, PRESET)


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
