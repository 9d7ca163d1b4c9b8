"""What is kept of an HTTP answer, without secrets, and how long it asks us to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from postrider.domain.outcome import excerpt

from .http_message import Answer
from .scrub import scrub

MOST_HEADERS = 32
HEADERS_LENGTH = 4096

# Nine digits are 31 years: a longer number of seconds is no wish but a mistake.
_SECONDS = re.compile(r"[0-9]{1,9}")


def kept_body(answer: Answer, secrets: Sequence[str]) -> str:
    """Give the beginning of an answer's body."""
    return scrub(excerpt(answer.body), secrets, cut=answer.cut) if answer.body else ""


def kept_headers(headers: Mapping[str, str], secrets: Sequence[str]) -> dict[str, str]:
    """Give the first headers of an answer, their names in lower case."""
    kept: dict[str, str] = {}
    left = HEADERS_LENGTH
    # One look at them all: hardly any answer repeats a secret, and this is done for each.
    together = "\n".join(headers.values())
    repeated = [secret for secret in secrets if secret in together]
    for name, value in headers.items():
        clean = scrub(_text(value), repeated)
        left -= len(name) + len(clean)
        if left < 0 or len(kept) >= MOST_HEADERS:
            break
        kept.setdefault(name.lower(), clean)
    return kept


def _text(value: str) -> str:
    # aiohttp keeps bytes that are not UTF-8 as lone surrogates, which no database takes.
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """Read how long the far side asks to be left alone, as seconds or as an HTTP date; None for nonsense.

    A date is measured against the answer's own `Date`, so that a clock that is wrong over there does no harm.
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return timedelta(seconds=int(value))
    until = _date(value)
    if until is None:
        return None
    return max(until - (_date(headers.get("Date", "")) or now), timedelta(0))


def _date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
