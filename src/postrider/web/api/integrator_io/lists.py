"""integrator.io's lists: cut by skip and limit, led on by a Link header, with as much of each entry as is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request

from .errors import QueryRefused

LARGEST_PAGE = 1_000
LONGEST_PROJECTION = 4_000
"""It comes back in the Link header, which has to fit into what clients read."""
HIGHEST_SKIP = 1_000_000
_ALWAYS = ("_id", "name")
_PATHS = re.compile(r"[A-Za-z0-9._,]*")
Tree = dict[str, "Tree | None"]
"""What is asked for of an object, by name: None all of a member, else of that what is in it."""
_NUMBER = re.compile(r"[0-9]{1,7}")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What of a list is asked for."""

    skip: int = 0
    limit: int = LARGEST_PAGE
    include: str = ""
    exclude: str = ""

    def link(self, address: str) -> str:
        """Give the Link header that leads to the next page."""
        asked: dict[str, Any] = {"skip": self.skip + self.limit, "limit": self.limit}
        asked |= {name: value for name in ("include", "exclude") if (value := getattr(self, name))}
        return f'<{address}?{urlencode(asked)}>; rel="next"'

    def of(self, document: dict[str, Any]) -> Any:
        """Give of a document what is asked for: all of it, or its id and name and what is included."""
        if self.include:
            return _chosen(document, _tree([*_ALWAYS, *self.include.split(",")]))
        return _without(document, _tree(self.exclude.split(",")))


def _asked(request: Request) -> ListQuery:
    given = request.query_params
    include, exclude = (_projection(name, given.get(name, "")) for name in ("include", "exclude"))
    if include and exclude:
        raise QueryRefused("query.include", "include and exclude cannot be given together")
    return ListQuery(
        _number("skip", given.get("skip", "0"), 0, HIGHEST_SKIP),
        _number("limit", given.get("limit", str(LARGEST_PAGE)), 1, LARGEST_PAGE),
        include,
        exclude,
    )


ListQueryDep = Annotated[ListQuery, Depends(_asked)]
"""Named after the caller among a handler's parameters, so that it is asked first who sends it."""


def _projection(name: str, given: str) -> str:
    if not _PATHS.fullmatch(given) or len(given) > LONGEST_PROJECTION:
        allowed = f"at most {LONGEST_PROJECTION:,} letters, digits, `.`, `_` and `,`"
        raise QueryRefused(f"query.{name}", f"{name}: may have {allowed} in it")
    return given


def _number(name: str, given: str, lowest: int, highest: int) -> int:
    if not _NUMBER.fullmatch(given) or not lowest <= int(given) <= highest:
        raise QueryRefused(f"query.{name}", f"{name}: must be a whole number from {lowest} to {highest:,}")
    return int(given)


def _tree(paths: Iterable[str]) -> Tree:
    """Put paths together by their beginnings, so that each name is looked up once however many there are."""
    tree: Tree = {}
    for path in filter(None, paths):
        *above, last = path.split(".")
        at: Tree | None = tree
        for name in above:
            at = None if at is None else at.setdefault(name, {})
        if at is not None:
            at[last] = None
    return tree


def _chosen(value: Any, tree: Tree) -> Any:
    if isinstance(value, list):
        return [_chosen(each, tree) for each in value]
    if not isinstance(value, dict):
        return value
    kept = [(name, member, tree[name]) for name, member in value.items() if name in tree]
    return {name: member if below is None else _chosen(member, below) for name, member, below in kept}


def _without(value: Any, tree: Tree) -> Any:
    if isinstance(value, list):
        return [_without(each, tree) for each in value]
    if not isinstance(value, dict):
        return value
    kept = [(name, member, tree.get(name, {})) for name, member in value.items()]
    return {name: _without(member, below) if below else member for name, member, below in kept if below is not None}
