"""Pages by offset, as Elastic Path cuts its lists: `page[offset]` counts records, `page[limit]` is at most 100."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

LARGEST_PAGE = 100
HIGHEST_OFFSET = 10_000


@dataclass(frozen=True, slots=True)
class OffsetPage:
    """Which part of a list is asked for."""

    offset: int
    limit: int

    def links(self, path: str, *, more: bool, total: int | None = None) -> dict[str, str]:
        """Give the links to the other pages, each left out where it does not apply.

        `first` and `prev` are not on the first page, `next` not on the last, `last` not where the whole list fits
        one page or its length is not known. A page that would be refused is not linked to.
        """
        offsets: dict[str, int | None] = {
            "first": 0 if self.offset else None,
            "last": self._last(total),
            "next": self.offset + self.limit if more else None,
            "prev": max(self.offset - self.limit, 0) if self.offset else None,
        }
        return {
            name: f"{path}?page[offset]={offset}&page[limit]={self.limit}"
            for name, offset in offsets.items()
            if offset is not None and offset <= HIGHEST_OFFSET
        }

    def _last(self, total: int | None) -> int | None:
        if total is None or total <= self.limit:
            return None
        return (total - 1) // self.limit * self.limit


def _asked(
    offset: Annotated[
        int, Query(alias="page[offset]", ge=0, le=HIGHEST_OFFSET, description="How many records to leave out first.")
    ] = 0,
    limit: Annotated[
        int, Query(alias="page[limit]", ge=1, le=LARGEST_PAGE, description="How many records to give at most.")
    ] = LARGEST_PAGE,
) -> OffsetPage:
    return OffsetPage(offset, limit)


OffsetPageDep = Annotated[OffsetPage, Depends(_asked)]
