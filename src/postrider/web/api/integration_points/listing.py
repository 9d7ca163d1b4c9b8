"""Which channels a list has, in which order, and which of their fields: `filter`, `order`, `mask` and `flat`.

The grammar is ours, since ERA's is not public. All three work on what the caller is shown: who sees a token's mask
finds nothing out about the token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from postrider.domain.errors import InvalidInput
from postrider.domain.news import timestamp

from .given import Given

Document = dict[str, Any]
_COMPOSITE = ("opts", "ext")
_MOMENTS = ("ext.ct", "ext.lwt")
_SUCH_AS = {"filter": '{"code": "till"}', "order": '["code"]'}
_AS_PRINTED = {"tokenlocal": "token_local", "tokenremote": "token_remote", "tokenremote2": "token_remote2"}
"""ERA's page on masks names these fields so; its examples do not."""
MOST_WISHES = 32
"""Of each kind, in one request."""


@dataclass(frozen=True, slots=True)
class Look:
    """Which fields are wanted, and how."""

    mask: tuple[str, ...]
    """Empty: all."""
    flat: bool

    def at(self, document: Document) -> Document:
        """Give what is wanted of a document."""
        wanted = [(path, value) for path, value in _leaves(document) if not self.mask or self._takes(path)]
        return {".".join(path): value for path, value in wanted} if self.flat else _nested(wanted)

    def _takes(self, path: Sequence[str]) -> bool:
        return path[0] in self.mask or ".".join(path) in self.mask


def _leaves(document: Document) -> Iterator[tuple[Sequence[str], Any]]:
    for name, value in document.items():
        if name in _COMPOSITE:
            yield from (((name, inner), each) for inner, each in value.items())
        else:
            yield (name,), value


def _nested(leaves: Iterable[tuple[Sequence[str], Any]]) -> Document:
    made: Document = {}
    for path, value in leaves:
        (made if len(path) == 1 else made.setdefault(path[0], {}))[path[-1]] = value
    return made


def look(mask: str, *, flat: bool) -> Look:
    """Read a mask: names, with dots between those of composite fields, separated by commas."""
    names = tuple(name.strip() for name in mask.split(",")) if mask.strip() else ()
    names = tuple(_AS_PRINTED.get(name, name) for name in names)
    for name in names:
        _check_field("mask", name, composite=True)
    return Look(names, flat)


def _check_field(parameter: str, name: object, *, composite: bool = False) -> None:
    first, dot, rest = name.partition(".") if isinstance(name, str) else ("", "", "")
    plain = first in Given.model_fields and not dot
    inner = bool(rest) and (first == "opts" or name in _MOMENTS)
    if not (inner or (plain and (composite or first not in _COMPOSITE))):
        raise InvalidInput(
            f"query.{parameter}",
            f"{parameter}: {str(name)[:60]!r} is no field; they are {', '.join(Given.model_fields)}, "
            "and those of opts and ext as opts.title and ext.ct",
        )


def value_of(document: Document, name: str) -> Any:
    """Give a field by its dotted name; one that is not there is null."""
    first, dot, rest = name.partition(".")
    return document[first].get(rest) if dot else document[first]


Test = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which channels are wanted: all tests have to hold."""

    tests: tuple[tuple[str, Test], ...]

    def takes(self, document: Document) -> bool:
        """Tell whether a channel is wanted."""
        return all(test(value_of(document, name)) for name, test in self.tests)


def parse_filter(text: str) -> Filter:
    """Read a JSON object: `{field: value}`, `{field: [one, or another]}` or `{field: {operator: value}}`."""
    given = _json("filter", text or "{}")
    if not isinstance(given, dict) or len(given) > MOST_WISHES:
        raise InvalidInput("query.filter", f"filter: must be a JSON object of at most {MOST_WISHES} fields")
    tests = []
    for name, wish in given.items():
        _check_field("filter", name)
        tests += [(name, test) for test in _tests(name, wish)]
    return Filter(tuple(tests))


def _tests(name: str, wish: Any) -> list[Test]:
    if not isinstance(wish, dict):
        return [_OPERATORS["in" if isinstance(wish, list) else "eq"](name, wish)]
    unknown = sorted(wish.keys() - _OPERATORS.keys())
    if unknown or not wish:
        raise InvalidInput("query.filter", f"filter: the operators of {name} are {', '.join(_OPERATORS)}")
    return [_OPERATORS[operator](name, value) for operator, value in wish.items()]


def _equals(name: str, wish: Any) -> Test:
    wish = _moment(name, wish)
    return lambda value: _same(value, wish)


def _differs(name: str, wish: Any) -> Test:
    wish = _moment(name, wish)
    return lambda value: not _same(value, wish)


def _among(name: str, wish: Any) -> Test:
    if not isinstance(wish, list):
        raise InvalidInput("query.filter", f"filter: in wants a list for {name}")
    wishes = [_moment(name, one) for one in wish]
    return lambda value: any(_same(value, one) for one in wishes)


def _contains(name: str, wish: Any) -> Test:
    if not isinstance(wish, str):
        raise InvalidInput("query.filter", f"filter: contains wants text for {name}")
    return lambda value: (isinstance(value, str) and wish in value) or (isinstance(value, list) and wish in value)


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[str, Any], Test]:
    def make(name: str, wish: Any) -> Test:
        wish = _moment(name, wish)
        if _rank(wish) not in {_NUMBER, _TEXT}:
            raise InvalidInput("query.filter", f"filter: gt, gte, lt and lte want a number or text for {name}")
        return lambda value: _rank(value) == _rank(wish) and holds(value, wish)

    return make


_OPERATORS: Mapping[str, Callable[[str, Any], Test]] = {
    "eq": _equals,
    "ne": _differs,
    "in": _among,
    "contains": _contains,
    "gt": _ordered(lambda value, wish: value > wish),
    "gte": _ordered(lambda value, wish: value >= wish),
    "lt": _ordered(lambda value, wish: value < wish),
    "lte": _ordered(lambda value, wish: value <= wish),
}


def _same(value: Any, wish: Any) -> bool:
    # In Python 1 equals True.
    return _rank(value) == _rank(wish) and bool(value == wish)


def _moment(name: str, wish: Any) -> Any:
    """Write a moment as lists show it, so that two writings of one moment are the same."""
    if name not in _MOMENTS:
        return wish
    try:
        moment = datetime.fromisoformat(wish)
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput("query.filter", f"filter: {name} must be a moment such as 2026-11-22T12:00:00Z") from None


@dataclass(frozen=True, slots=True)
class Order:
    """In which order channels are listed."""

    keys: tuple[tuple[str, bool], ...]
    """Each field, and whether it goes down; empty: in the order of their making."""

    def sorted(self, documents: list[Document]) -> list[Document]:
        """Sort channels; where all fields are the same they stay as they were."""
        for name, falling in reversed(self.keys):
            documents = sorted(documents, key=lambda one: _sort_key(value_of(one, name)), reverse=falling)
        return documents


def parse_order(text: str) -> Order:
    """Read a JSON list of field names and of objects `{field: "asc" or "desc"}`."""
    given = _json("order", text or "[]")
    if not isinstance(given, list) or len(given) > MOST_WISHES:
        raise InvalidInput("query.order", f"order: must be a JSON list of at most {MOST_WISHES} fields")
    return Order(tuple(key for wish in given for key in _keys(wish)))


def _keys(wish: Any) -> list[tuple[str, bool]]:
    asked = {wish: "asc"} if isinstance(wish, str) else wish
    if not isinstance(asked, dict) or not asked or not set(map(str, asked.values())) <= {"asc", "desc"}:
        raise InvalidInput("query.order", 'order: each entry is a field\'s name, or an object such as {"code": "desc"}')
    for name in asked:
        _check_field("order", name)
    return [(name, direction == "desc") for name, direction in asked.items()]


_NOTHING, _SWITCH, _NUMBER, _TEXT, _REST = range(5)


def _rank(value: Any) -> int:
    if value is None:
        return _NOTHING
    if isinstance(value, bool):
        return _SWITCH
    if isinstance(value, int | float):
        return _NUMBER
    return _TEXT if isinstance(value, str) else _REST


def _sort_key(value: Any) -> tuple[int, Any]:
    rank = _rank(value)
    if rank == _REST:
        return rank, json.dumps(value, sort_keys=True)
    return rank, 0 if rank == _NOTHING else value


def _json(parameter: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput(f"query.{parameter}", f"{parameter}: must be JSON, such as {_SUCH_AS[parameter]}") from None
