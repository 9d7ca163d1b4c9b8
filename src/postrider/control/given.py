"""What a caller gave for an integration: each member checked as far as it stands alone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from postrider.domain.catalogue import nearest
from postrider.domain.errors import InvalidInput
from postrider.domain.observe import NAME_LENGTH, patterns_for

from .texts import LONGEST_NAME

TYPE = "integration"
LONGEST_DESCRIPTION = 2_000
REQUIRED = ("type", "name", "observes", "configuration")
OBSERVE_SOMETHING = 'observes: must be a list of event types, at least one, or ["*"] for all'
DEEPEST = 32
MOST_BESIDE = 256 * 1024
"""Bytes of what one other system's API may say of an integration, as JSON."""
_ECHO = 60
_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")


@dataclass(frozen=True, slots=True)
class Given:
    """The members that were given; what was not given is not in it."""

    plain: dict[str, Any]
    """By the integration's own attribute names: name, description, enabled, observes, integration_type."""
    raw: dict[str, Any] = field(repr=False)
    """`configuration` and `delivery` as they came: what they may hold depends on the integration."""


def read(data: object, *, known: Callable[[], frozenset[str]]) -> Given:
    """Check the `data` of a request; InvalidInput names the first wrong member, but for an empty `observes`.

    `known` gives the tenant's event types; it is asked only when `observes` was given. Members that are none of an
    integration's are left alone, as Elastic Path does, so that what was read can be sent back.
    """
    if not isinstance(data, Mapping):
        raise InvalidInput("data", "data: must be an object that describes an integration")
    _check_storable("data", data)
    if "type" in data and data["type"] != TYPE:
        raise InvalidInput("data.type", f'type: must be "{TYPE}"')
    plain = {name: check(data[name]) for name, check in _CHECKS.items() if name in data}
    if "observes" in data:
        plain["observes"] = observed(data["observes"], known())
    return Given(plain, {name: data[name] for name in ("configuration", "delivery") if name in data})


def require_all(data: object, *, but: Collection[str] = ()) -> None:
    """Check that nothing is missing that a new integration needs; InvalidInput names the first that is."""
    for name in REQUIRED:
        if isinstance(data, Mapping) and name not in data and name not in but:
            hint = f'; it is always "{TYPE}"' if name == "type" else ""
            raise InvalidInput(f"data.{name}", f"{name}: is required{hint}")


def observed(given: object, known: frozenset[str]) -> tuple[str, ...]:
    """Check a list of event types and patterns; InvalidInput names the first unknown one and what is near it."""
    if not isinstance(given, list):
        raise InvalidInput("data.observes", OBSERVE_SOMETHING)
    patterns = {pattern for name in known for pattern in patterns_for(name)}
    for index, name in enumerate(given):
        if not isinstance(name, str) or name not in patterns:
            raise InvalidInput(f"data.observes.{index}", _unknown(name, known, patterns))
    return tuple(dict.fromkeys(given))


def _unknown(name: object, known: frozenset[str], patterns: set[str]) -> str:
    if not isinstance(name, str):
        return "observes: each must be the name of an event type, as text"
    candidates = patterns - known if name.endswith("*") else known
    near = nearest(name[:NAME_LENGTH], candidates)
    hint = f"; did you mean {near}?" if near else ""
    return f"observes: {shortened(name)!r} is not a known event type, or pattern of some{hint}"


def check_beside(members: Mapping[str, Any]) -> None:
    """Check what other systems say of an integration, by system; InvalidInput when it cannot be stored, or is much."""
    for system, said in members.items():
        _check_storable("data", said)
        _check_finite("data", said)
        if len(json.dumps(said)) > MOST_BESIDE:
            raise InvalidInput("data", f"data: what {system} keeps of it must be at most {MOST_BESIDE:,} bytes")


def shortened(text: str) -> str:
    """Cut what a caller gave to a length that can be said back."""
    return text if len(text) <= _ECHO else text[: _ECHO - 1] + "…"


def _name(given: object) -> str:
    if not isinstance(given, str) or not given.strip() or len(given) > LONGEST_NAME:
        raise InvalidInput("data.name", f"name: must be text of 1 to {LONGEST_NAME} characters, not only spaces")
    return given


def _description(given: object) -> str:
    if not isinstance(given, str) or len(given) > LONGEST_DESCRIPTION:
        raise InvalidInput("data.description", f"description: must be text of up to {LONGEST_DESCRIPTION:,} characters")
    return given


def _enabled(given: object) -> bool:
    if not isinstance(given, bool):
        raise InvalidInput("data.enabled", "enabled: must be true or false")
    return given


def _integration_type(given: object) -> str:
    if not isinstance(given, str):
        raise InvalidInput("data.integration_type", "integration_type: must be text, such as webhook")
    return given


_CHECKS: dict[str, Callable[[object], object]] = {
    "name": _name,
    "description": _description,
    "enabled": _enabled,
    "integration_type": _integration_type,
}


def _check_storable(path: str, given: object, depth: int = 0) -> None:
    """Refuse text that PostgreSQL (NUL) or UTF-8 (half a surrogate pair) cannot hold; JSON can write both."""
    if depth > DEEPEST:
        raise InvalidInput(path, f"data: must not be nested deeper than {DEEPEST} levels")
    if isinstance(given, str) and _UNSTORABLE.search(given):
        raise InvalidInput(path, f"{path.removeprefix('data.')}: must not have NUL, or half of a surrogate pair, in it")
    if isinstance(given, Mapping):
        for name in given:
            _check_storable(path, name, depth + 1)
    for below, value in _members(path, given):
        _check_storable(below, value, depth + 1)


def _check_finite(path: str, given: object) -> None:
    """Refuse numbers such as 1e999: JSON can write them, and nobody can hold them or write them again."""
    if isinstance(given, float) and not math.isfinite(given):
        raise InvalidInput(path, f"{path.removeprefix('data.')}: this number is too large")
    for below, value in _members(path, given):
        _check_finite(below, value)


def _members(path: str, given: object) -> Iterator[tuple[str, object]]:
    """Go through what is in an object or a list, each with its path; but whole numbers, of which lists are long."""
    if isinstance(given, list):
        yield from ((f"{path}.{index}", value) for index, value in enumerate(given) if not isinstance(value, int))
    if isinstance(given, Mapping):
        yield from ((f"{path}.{shortened(name)}", value) for name, value in given.items() if not isinstance(value, int))
