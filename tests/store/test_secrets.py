"""Secrets at rest."""

from __future__ import annotations

import pytest
from house import House
from sqlalchemy import text

from postrider.domain.errors import SecretUnreadable
from postrider.store import integrations
from postrider.store.secrets import SecretBox, new_key


def test_every_configured_key_opens() -> None:
    """The first key encrypts, all decrypt: an old key stays useful until everything is written anew."""
    old, new = new_key(), new_key()
    locked = SecretBox([old]).lock({"a": "b"})

    assert SecretBox([new, old]).open(locked) == {"a": "b"}
    assert SecretBox([new]).open(SecretBox([new, old]).lock({"c": "d"})) == {"c": "d"}


def test_a_wrong_key_says_so() -> None:
    """What cannot be read is an error, never an empty secret."""
    locked = SecretBox([new_key()]).lock({"a": "b"})

    with pytest.raises(SecretUnreadable, match="cannot be read"):
        SecretBox([new_key()]).open(locked)


@pytest.mark.parametrize("keys", [[], ["short"], ["x" * 44]])
def test_bad_keys_are_refused(keys: list[str]) -> None:
    """No key, or one that is none, is refused when the box is made."""
    with pytest.raises(ValueError, match=r"key|Fernet|base64|32"):
        SecretBox(keys)


def test_no_secret_lies_in_the_database(house: House) -> None:
    """Neither the secret key nor the signing secret stands in clear in an integration's row."""
    made = house.integrate(
        "http://127.0.0.1:9/", configuration={"url": "http://127.0.0.1:9/", "secret_key": "canary-1"}
    )

    with house.services.database.read() as tx:
        row = " ".join(str(value) for value in tx.execute(text("SELECT * FROM integrations")).one())
        again = integrations.get(tx, house.services.box, house.tenant.id, made.id)

    assert "canary-1" not in row
    assert made.signing_secret not in row
    assert again == made
