"""How hard to try: the `delivery` object of an integration, as callers write it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeGuard

from postrider.domain.errors import InvalidInput
from postrider.domain.integration import DeliveryPolicy

from .given import shortened

LONGEST_TIMEOUT = 60
MOST_WAITS = 30
SHORTEST_WAIT, LONGEST_WAIT = 1, 604_800
LOWEST_STATUS, HIGHEST_STATUS = 200, 399
MOST_STATUSES = 50
MOST_IN_FLIGHT = 1_000
LOWEST_RATE, HIGHEST_RATE = 0.001, 10_000

_SPAN = re.compile(r"([0-9]{3})-([0-9]{3})")


def changed(policy: DeliveryPolicy, given: object) -> DeliveryPolicy:
    """Change what a `delivery` object names and keep the rest; InvalidInput names the wrong field."""
    if not isinstance(given, Mapping):
        raise InvalidInput("data.delivery", "delivery: must be an object")
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _FIELDS:
            raise _wrong(shortened(name), "is not a field of delivery; its fields are " + ", ".join(_FIELDS))
        attribute, read = _FIELDS[name]
        changes[attribute] = read(value)
    return replace(policy, **changes)


def _timeout(given: object) -> timedelta:
    # A billionth of a second is above zero, and a timeout of nothing: the check is on what is stored.
    if not _is_number(given) or not 0 < given <= LONGEST_TIMEOUT or not timedelta(seconds=given):
        raise _wrong("timeout_seconds", f"must be a number above 0, up to {LONGEST_TIMEOUT}")
    return timedelta(seconds=given)


def _retry_waits(given: object) -> tuple[timedelta, ...]:
    if not isinstance(given, list) or len(given) > MOST_WAITS:
        raise _wrong("retry_waits", f"must be a list of up to {MOST_WAITS} waits in seconds")
    for index, wait in enumerate(given):
        if not _is_number(wait) or not SHORTEST_WAIT <= wait <= LONGEST_WAIT:
            raise _wrong(f"retry_waits.{index}", f"must be a number from {SHORTEST_WAIT} to {LONGEST_WAIT:,} (a week)")
    return tuple(timedelta(seconds=wait) for wait in given)


def _success_statuses(given: object) -> tuple[tuple[int, int], ...]:
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_STATUSES:
        raise _wrong("success_statuses", f"must be a list of 1 to {MOST_STATUSES} statuses or ranges of them")
    return tuple(dict.fromkeys(_span(index, status) for index, status in enumerate(given)))


def _span(index: int, given: object) -> tuple[int, int]:
    low = high = 0
    if type(given) is int:
        low = high = given
    elif isinstance(given, str) and (parts := _SPAN.fullmatch(given)):
        low, high = int(parts[1]), int(parts[2])
    if not LOWEST_STATUS <= low <= high <= HIGHEST_STATUS:
        raise _wrong(
            f"success_statuses.{index}",
            f'must be a status such as 200, or a range such as "200-299", from {LOWEST_STATUS} to {HIGHEST_STATUS}',
        )
    return low, high


def _max_in_flight(given: object) -> int:
    if type(given) is not int or not 1 <= given <= MOST_IN_FLIGHT:
        raise _wrong("max_in_flight", f"must be a whole number from 1 to {MOST_IN_FLIGHT:,}")
    return given


def _rate_limit(given: object) -> float | None:
    if given is None:
        return None
    if not _is_number(given) or not LOWEST_RATE <= given <= HIGHEST_RATE:
        span = f"from {LOWEST_RATE} to {HIGHEST_RATE:,}"
        raise _wrong("rate_limit", f"must be a number of attempts a second, {span}, or null")
    return float(given)


def _is_number(given: object) -> TypeGuard[float]:
    return type(given) in {int, float}


def _wrong(path: str, detail: str) -> InvalidInput:
    return InvalidInput(f"data.delivery.{path}", f"{path}: {detail}")


_FIELDS: dict[str, tuple[str, Callable[[object], object]]] = {
    "timeout_seconds": ("timeout", _timeout),
    "retry_waits": ("retry_waits", _retry_waits),
    "success_statuses": ("success_statuses", _success_statuses),
    "max_in_flight": ("max_in_flight", _max_in_flight),
    "rate_limit": ("rate_limit", _rate_limit),
}
"""From a field's name to the policy's attribute and to what reads it."""
