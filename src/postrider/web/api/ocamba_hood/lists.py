"""How Hood's lists are asked: fields, view, sort, page, q and q_fields, and which integrations."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from postrider.domain.errors import InvalidInput
from postrider.store.integration_search import Field, Order

FULL, DEFAULT = "full", "default"
PAGE_SIZE, LARGEST_PAGE = 20, 100
LONGEST_SEARCH = 200
SORTABLE = {
    "id": Field.ID,
    "name": Field.NAME,
    "provider_id": Field.TYPE,
    "status": Field.ENABLED,
    "create_time": Field.CREATED_AT,
}
SEARCHABLE = {"name": Field.NAME, "id": Field.ID}
_PAGE = re.compile(r"([1-9]\d{0,6})(?:,([1-9]\d{0,2}))?")


@dataclass(frozen=True, slots=True)
class Asked:
    """The query of a request, which knows how each part of it is written."""

    query: Mapping[str, str]

    @property
    def full(self) -> bool:
        """Tell whether all is to be shown that there is."""
        view = self.query.get("view", DEFAULT)
        if view not in (FULL, DEFAULT):
            raise InvalidInput("query.view", f"view: must be {FULL} or {DEFAULT}")
        return view == FULL

    def shown(self, known: Collection[str], default: Collection[str]) -> Collection[str]:
        """Name the members to be shown: `fields` comes before `view`."""
        if "fields" in self.query:
            return self._names("fields", known)
        return known if self.full else default

    def sort(self, known: Collection[str]) -> list[tuple[str, bool]]:
        """Give what to sort by, and whether downwards."""
        asked = [name.strip() for name in self.query.get("sort", "").split(",") if name.strip()]
        names = [(name.removeprefix("-"), name.startswith("-")) for name in asked]
        for name, _ in names:
            self._check("sort", name, known)
        return names

    def order(self) -> list[Order]:
        """Give what integrations are sorted by."""
        return [Order(SORTABLE[name], descending) for name, descending in self.sort(SORTABLE)]

    def window(self) -> tuple[int, int]:
        """Give how many to leave out before the page, and how many may be on it."""
        found = _PAGE.fullmatch(self.query.get("page", "1"))
        size = int((found and found[2]) or PAGE_SIZE)
        if found is None or size > LARGEST_PAGE:
            raise InvalidInput("query.page", f"page: must be N or N,M: the page from 1, and 1 to {LARGEST_PAGE} a page")
        return (int(found[1]) - 1) * size, size

    def text(self) -> str:
        """Give what is searched for."""
        text = self.query.get("q", "")
        if len(text) > LONGEST_SEARCH or "\x00" in text:
            raise InvalidInput("query.q", f"q: must have at most {LONGEST_SEARCH} characters, and no NUL")
        return text

    def within(self, known: Collection[str]) -> list[str]:
        """Name what is searched; the name when nothing is said."""
        return self._names("q_fields", known) if "q_fields" in self.query else ["name"]

    def one_of(self, name: str, known: Collection[str]) -> str | None:
        """Give a filter's value; None when there is none."""
        value = self.query.get(name)
        if value is not None:
            self._check(name, value, known)
        return value

    def _names(self, parameter: str, known: Collection[str]) -> list[str]:
        names = [name.strip() for name in self.query[parameter].split(",") if name.strip()]
        if not names:
            raise InvalidInput(f"query.{parameter}", f"{parameter}: must name some of {', '.join(known)}")
        for name in names:
            self._check(parameter, name, known)
        return names

    def _check(self, parameter: str, name: str, known: Collection[str]) -> None:
        if name not in known:
            raise InvalidInput(f"query.{parameter}", f"{parameter}: must be one of {', '.join(known)}")


def _asked(request: Request) -> Asked:
    return Asked(dict(request.query_params))


AskedDep = Annotated[Asked, Depends(_asked)]


def only(document: Mapping[str, Any], shown: Collection[str]) -> dict[str, Any]:
    """Leave of a document what is to be shown."""
    return {name: value for name, value in document.items() if name in shown}
