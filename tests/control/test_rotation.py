"""Encryption keys are changed while everything runs: nothing is overwritten, nothing is left behind unsaid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from house import House
from sqlalchemy import insert, select, update

from postrider.control import integrations as control
from postrider.control.rotation import BATCH, Rotation, rotate, survey
from postrider.domain.errors import SecretUnreadable
from postrider.services import Services
from postrider.store import integrations, tenants
from postrider.store.encrypted import COLUMNS
from postrider.store.secrets import SecretBox, new_key
from postrider.store.tables import installation, metadata
from postrider.store.tables import integrations as rows

OLD, NEW = new_key(), new_key()
BOTH = SecretBox([NEW, OLD])


def silent(_: str) -> None:
    """Say nothing."""


def fill(house: House, count: int) -> list[UUID]:
    """Lay an installation's secret and integrations under the old key; gives the integrations' ids."""
    made = house.integrate("http://127.0.0.1:9/")
    ids = [made.id, *sorted(UUID(int=made.id.int + number) for number in range(1, count))]
    locked = SecretBox([OLD]).lock({"configuration": {"secret_key": "s"}, "signing_secret": "w", "retired_secrets": []})
    with house.services.database.write() as tx:
        tx.execute(insert(installation).values(name="pepper", secret=SecretBox([OLD]).lock({"pepper": "70"})))
        row = dict(tx.execute(select(rows).where(rows.c.id == made.id)).one()._mapping) | {"secrets": locked}
        tx.execute(update(rows).values(secrets=locked))
        if count > 1:
            tx.execute(insert(rows), [row | {"id": each} for each in ids[1:]])
    return ids


def ciphertexts(house: House) -> dict[Any, str]:
    with house.services.database.read() as tx:
        found: dict[Any, str] = {row.id: row.secrets for row in tx.execute(select(rows.c.id, rows.c.secrets))}
        return found | {"pepper": str(tenants.installation_secret(tx, "pepper"))}


def test_the_old_key_is_needed_no_more(house: House) -> None:
    """After it the new key alone opens every stored secret, and each says what it said."""
    ids = fill(house, BATCH + 5)
    progress: list[str] = []

    done = rotate(house.services.database, BOTH, tell=progress.append)

    assert done == Rotation(renewed=BATCH + 6, current=BATCH + 6, stale=0, unreadable=())
    assert done.complete
    assert f"integration: {BATCH + 5} looked at, {BATCH + 5} encrypted anew" in progress
    only_new = SecretBox([NEW])
    assert {only_new.open(text)["signing_secret"] for key, text in ciphertexts(house).items() if key != "pepper"} == {
        "w"
    }
    with house.services.database.read() as tx:
        assert all(integrations.any_tenant_get(tx, only_new, each) for each in ids)


def test_a_second_time_changes_nothing(house: House) -> None:
    """What is under the first key stays as it lies there, and no integration counts as changed."""
    fill(house, 3)
    rotate(house.services.database, BOTH, tell=silent)
    before = ciphertexts(house)

    again = rotate(house.services.database, BOTH, tell=silent)

    assert (again.renewed, again.current) == (0, 4)
    assert ciphertexts(house) == before
    with house.services.database.read() as tx:
        assert set(tx.execute(select(rows.c.version)).scalars()) == {1}


def test_it_goes_on_where_it_was_killed(house: House) -> None:
    """Ended in the middle, what was done is kept, all can still be read, and the next run does the rest."""
    fill(house, BATCH * 2 + 1)

    def killed(text: str) -> None:
        if text.startswith(f"integration: {BATCH} "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(house.services.database, BOTH, tell=killed)
    halfway = survey(house.services.database, BOTH)
    done = rotate(house.services.database, BOTH, tell=silent)

    assert (halfway.current, halfway.stale, halfway.unreadable) == (BATCH + 1, BATCH + 1, ())
    assert (done.renewed, done.stale) == (BATCH + 1, 0)


def test_an_edit_in_the_same_moment_is_kept(house: House) -> None:
    """What somebody changes between the reading and the writing stays, and is rotated in its turn."""
    fill(house, 1)
    (integration,) = control.page(_services(house, BOTH), house.tenant.id, offset=0, limit=10).integrations

    def edit() -> None:
        changed = {"configuration": {"url": "http://127.0.0.1:9/", "secret_key": "edited-meanwhile"}}
        control.update(_services(house, SecretBox([OLD, NEW])), house.tenant.id, integration.id, changed)

    done = rotate(house.services.database, RacedBox(edit), tell=silent)

    assert (done.current, done.stale) == (2, 0)
    found = control.get(_services(house, SecretBox([NEW])), house.tenant.id, integration.id)
    assert found.configuration["secret_key"] == "edited-meanwhile"


def _services(house: House, box: SecretBox) -> Services:
    return replace(house.services, box=box)


class RacedBox(SecretBox):
    """Somebody else changes something just when a ciphertext was made anew; once."""

    def __init__(self, race: Callable[[], None]) -> None:
        super().__init__([NEW, OLD])
        self._race: Callable[[], None] | None = race

    def relock(self, locked: str) -> str:
        made = super().relock(locked)
        if self._race is not None and "signing_secret" in self.open(locked):
            race, self._race = self._race, None
            race()
        return made


@pytest.mark.parametrize(
    "broken", ["", "nonsense", SecretBox([new_key()]).lock({})], ids=["empty", "nonsense", "another key's"]
)
def test_what_cannot_be_read_is_named_and_left(house: House, broken: str) -> None:
    """Others are done, and who runs it learns which integration has lost its key; its ciphertext stays."""
    ids = fill(house, 3)
    with house.services.database.write() as tx:
        tx.execute(update(rows).where(rows.c.id == ids[1]).values(secrets=broken))

    done = rotate(house.services.database, BOTH, tell=silent)

    assert (done.renewed, done.stale, done.unreadable) == (3, 0, (f"integration {ids[1]}",))
    assert not done.complete
    assert ciphertexts(house)[ids[1]] == broken


def test_deleting_an_integration_erases_its_secrets(house: House) -> None:
    """What nobody can ask for any more is not kept, not even encrypted, and keeps no key in use."""
    (only,) = fill(house, 1)

    control.delete(house.services, house.tenant.id, only)

    assert ciphertexts(house)[only] == ""
    assert survey(house.services.database, BOTH).stale == 1  # the installation's own


def test_no_encrypted_column_is_forgotten() -> None:
    """Each column that is said to be encrypted is one of those that are rotated."""
    encrypted = {
        column
        for table in metadata.tables.values()
        for column in table.columns
        if (column.comment or "").startswith("encrypted")
    }

    assert encrypted == {column.secret for column in COLUMNS}


def test_a_box_tells_which_key_it_used() -> None:
    """Only what the first key encrypted is current; what no key opens is never made anew."""
    old = SecretBox([OLD]).lock({"a": 1})

    renewed = BOTH.relock(old)

    assert (BOTH.is_current(old), BOTH.is_current(renewed), BOTH.is_current("nonsense")) == (False, True, False)
    assert SecretBox([NEW]).open(renewed) == {"a": 1}
    with pytest.raises(SecretUnreadable):
        SecretBox([NEW]).relock(old)
