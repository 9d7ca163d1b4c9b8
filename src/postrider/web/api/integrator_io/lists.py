"""integrator.io's lists: cut by skip and limit, led on by a Link header, with as much of each entry as is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request

from .errors import QueryRefused

LARGEST_PAGE = 1_000
HIGHEST_SKIP = 1_000_000
_ALWAYS = ("_id", "name")
_PATHS = re.compile(r"[A-Za-z0-9._,]*")
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
            return _chosen(document, [*([name] for name in _ALWAYS), *_paths(self.include)])
        return _without(document, _paths(self.exclude))


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
    if not _PATHS.fullmatch(given):
        raise QueryRefused(f"query.{name}", f"{name}: may have letters, digits, `.`, `_` and `,` in it")
    return given


def _number(name: str, given: str, lowest: int, highest: int) -> int:
    if not _NUMBER.fullmatch(given) or not lowest <= int(given) <= highest:
        raise QueryRefused(f"query.{name}", f"{name}: must be a whole number from {lowest} to {highest:,}")
    return int(given)


def _paths(projection: str) -> list[list[str]]:
    return [path.split(".") for path in projection.split(",") if path]


def _chosen(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_chosen(each, paths) for each in value]
    if not isinstance(value, dict):
        return value
    below = {name: _below(name, paths) for name in value}
    return {
        name: member if [] in below[name] else _chosen(member, below[name])
        for name, member in value.items()
        if below[name]
    }


def _without(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_without(each, paths) for each in value]
    if not isinstance(value, dict):
        return value
    below = {name: _below(name, paths) for name in value}
    return {name: _without(member, below[name]) for name, member in value.items() if [] not in below[name]}


def _below(name: str, paths: list[list[str]]) -> list[list[str]]:
    """Give what is left of the paths that begin with a name; an empty one means all that is there."""
    return [rest for first, *rest in paths if first == name]
