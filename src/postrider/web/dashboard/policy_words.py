"""A delivery policy as people write and read it: `5s, 5m, 2h` for waits, `200-299, 304` for statuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.datastructures import FormData

from postrider.domain.errors import InvalidInput
from postrider.domain.integration import DeliveryPolicy
from postrider.domain.news import policy_document

from . import words
from .configuration_fields import number

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WAIT = re.compile(r"(?P<amount>[0-9]{1,9}(?:\.[0-9]{1,6})?) ?(?P<unit>[smhd]?)", re.IGNORECASE)


def texts_of(policy: DeliveryPolicy) -> dict[str, str]:
    """Write a policy as the form's fields take it, by their keys."""
    told = policy_document(policy)
    return {
        "delivery.timeout_seconds": str(told["timeout_seconds"]),
        "delivery.retry_waits": ", ".join(short(wait) for wait in policy.retry_waits),
        "delivery.success_statuses": ", ".join(str(one) for one in told["success_statuses"]),
        "delivery.max_in_flight": str(told["max_in_flight"]),
        "delivery.rate_limit": "" if policy.rate_limit is None else _plain(policy.rate_limit),
    }


def read(form: FormData) -> dict[str, Any]:
    """Make a `delivery` object of a form's fields; what was left empty is as it is by default, but waits are none.

    InvalidInput names a wait that cannot be read; all else is checked where the API's is.
    """
    given = {key: str(form.get(key, default)).strip() for key, default in DEFAULTS.items()}
    filled = {key: text or DEFAULTS[key] for key, text in given.items()}
    rate = given["delivery.rate_limit"]
    return {
        "timeout_seconds": number(filled["delivery.timeout_seconds"]),
        "retry_waits": [_seconds(wait) for wait in _parts(given["delivery.retry_waits"])],
        "success_statuses": [number(one) for one in _parts(filled["delivery.success_statuses"])],
        "max_in_flight": number(filled["delivery.max_in_flight"]),
        "rate_limit": number(rate) if rate else None,
    }


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _seconds(wait: str) -> float:
    found = _WAIT.fullmatch(wait)
    if found is None:
        raise InvalidInput(
            "data.delivery.retry_waits",
            f'retry_waits: "{wait[:20]}" is no wait; write a number with s, m, h or d, such as 30s or 2h',
        )
    seconds = float(found["amount"]) * _UNITS[found["unit"].lower() or "s"]
    return int(seconds) if seconds.is_integer() else seconds


def short(wait: timedelta) -> str:
    """Write a wait by the largest unit that it is a whole number of."""
    seconds = wait.total_seconds()
    for unit, size in _UNITS.items():
        if seconds >= size and seconds % size == 0:
            return f"{_plain(seconds / size)}{unit}"
    return f"{_plain(seconds)}s"


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class PolicyInWords:
    """A policy for reading."""

    tries: str
    waits: str
    timeout: str
    success: str
    at_once: str
    rate: str


def in_words(policy: DeliveryPolicy) -> PolicyInWords:
    """Say what a policy means."""
    texts: Mapping[str, str] = texts_of(policy)
    tries = len(policy.retry_waits) + 1
    over = words.span(sum(policy.retry_waits, timedelta()))
    rate = texts["delivery.rate_limit"]
    return PolicyInWords(
        tries="Once, with no retry" if tries == 1 else f"Up to {tries} times over about {over}",
        waits=texts["delivery.retry_waits"],
        timeout=short(policy.timeout),
        success=texts["delivery.success_statuses"],
        at_once=words.number(policy.max_in_flight),
        rate=f"{rate} a second" if rate else "as fast as the far side answers",
    )


DEFAULTS = texts_of(DeliveryPolicy())
"""What the fields hold of an integration for which nothing else was said."""
