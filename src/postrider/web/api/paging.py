"""Lists in pages: `page[limit]` rows from behind `page[cursor]`, and a link to the next page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Protocol, TypeVar
from urllib.parse import quote
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field

from .fields import Given, Shown

LARGEST_PAGE = 100
T = TypeVar("T")


class Row(Protocol):
    """What can be listed: its id sorts by age."""

    @property
    def id(self) -> UUID: ...


R = TypeVar("R", bound=Row)


class PageQuery(Given):
    """Which part of a list is wanted."""

    limit: int = Field(LARGEST_PAGE, alias="page[limit]", ge=1, le=LARGEST_PAGE, description="Rows a page.")
    cursor: UUID | None = Field(None, alias="page[cursor]", description="As the last page's `links.next` has it.")

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than are shown, to know whether there is a next page."""
        return self.limit + 1


PageDep = Annotated[PageQuery, Query()]


class Links(Shown):
    """Where to go on."""

    next: str | None
    """The next page's address, from this server's root; null on the last page."""


class Listed(Shown, Generic[T]):
    """One page of a list, newest first."""

    data: list[T]
    links: Links

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        return f"{params[0].__name__.removesuffix('Document')}Page"


def listed(request: Request, page: PageQuery, rows: Sequence[R], shape: Callable[[R], T]) -> Listed[T]:
    """Shape the rows that `page.fetch` asked for."""
    shown = rows[: page.limit]
    more = len(rows) > page.limit
    link = _next(request, shown[-1].id) if more else None
    return Listed(data=[shape(row) for row in shown], links=Links(next=link))


def _next(request: Request, last: UUID) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "page[cursor]"]
    pairs = [*kept, ("page[cursor]", str(last))]
    query = "&".join(f"{quote(name, safe='[]')}={quote(value, safe='')}" for name, value in pairs)
    return f"{request.url.path}?{query}"
