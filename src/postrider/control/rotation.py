"""Changing encryption keys while everything runs: each stored secret is written anew under the first key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from postrider.domain.errors import SecretUnreadable
from postrider.store.encrypted import (
    COLUMNS,
    Ciphertext,
    EncryptedColumn,
    any_tenant_page,
    any_tenant_replace,
)
from postrider.store.engine import Database
from postrider.store.secrets import SecretBox

BATCH = 100
"""Rows that one short transaction changes."""
PASSES = 5
"""A row that somebody else changes at the same moment is left to the next pass."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rotation:
    """How the stored secrets stand."""

    renewed: int
    """Written anew this time."""
    current: int
    """Under the first key."""
    stale: int
    """Under another key that is configured."""
    unreadable: tuple[str, ...]
    """What no configured key opens, such as `integration 0199…`."""

    @property
    def complete(self) -> bool:
        """Tell whether the other keys are needed no more."""
        return not self.stale and not self.unreadable


def rotate(database: Database, box: SecretBox, *, tell: Tell) -> Rotation:
    """Write every stored secret anew that is not under the first key.

    May be killed at any moment and run again, also at the same time; what is done is not done again.
    """
    renewed = 0
    for _ in range(PASSES):
        done = sum(_renew(database, box, column, tell) for column in COLUMNS)
        renewed += done
        found = survey(database, box, renewed=renewed)
        if not found.stale:
            break
    return found


def survey(database: Database, box: SecretBox, *, renewed: int = 0) -> Rotation:
    """Look under which keys the stored secrets lie."""
    current, stale, unreadable = 0, 0, list[str]()
    for column in COLUMNS:
        for row in (row for page in _pages(database, column) for row in page):
            if box.is_current(row.text):
                current += 1
            elif _relocked(box, row) is None:
                unreadable.append(f"{column.name} {row.key}")
            else:
                stale += 1
    return Rotation(renewed, current, stale, tuple(unreadable))


def _renew(database: Database, box: SecretBox, column: EncryptedColumn, tell: Tell) -> int:
    seen = done = 0
    for page in _pages(database, column):
        changes = [
            (row, new) for row in page if not box.is_current(row.text) and (new := _relocked(box, row)) is not None
        ]
        if changes:
            with database.write() as tx:
                done += any_tenant_replace(tx, column, changes)
        seen += len(page)
        tell(f"{column.name}: {seen} looked at, {done} encrypted anew")
    return done


def _pages(database: Database, column: EncryptedColumn) -> Iterator[list[Ciphertext]]:
    after = None
    while True:
        with database.read() as tx:
            page = any_tenant_page(tx, column, after=after, limit=BATCH)
        if page:
            yield page
        if len(page) < BATCH:
            return
        after = page[-1].key


def _relocked(box: SecretBox, row: Ciphertext) -> str | None:
    try:
        return box.relock(row.text)
    except SecretUnreadable:
        return None
