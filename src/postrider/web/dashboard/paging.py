"""How lists are cut into pages: one row more is read than is shown, which tells whether others follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from .filters import PageFilter
from .pages import link


class Listed(Protocol):
    """What can be listed: a page begins behind such a row."""

    @property
    def id(self) -> UUID: ...


@dataclass(frozen=True, slots=True)
class Ways:
    """Where a list's other pages are."""

    first: str | None
    """None on the first page."""
    further: str | None
    """None on the last page."""


def ways(path: str, query: PageFilter, found: Sequence[Listed], *, shown: int) -> Ways:
    """Lead from a page that shows so many of the rows that were found, and keep what narrows the list."""
    return ways_behind(path, query, found[shown - 1].id if len(found) > shown else None)


def ways_behind(path: str, query: PageFilter, last: UUID | None) -> Ways:
    """Lead from a page behind whose last row others follow; None: behind which none do."""
    return Ways(
        first=link(path, **query.told()) if query.before else None,
        further=link(path, **query.told(), before=last) if last else None,
    )
