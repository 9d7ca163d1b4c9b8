"""How pages say moments, spans, numbers and statuses: for people, with the exact value at hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SPANS = ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"), (1, "second"))
_SOON = 3
_BINARY = 1024
_SLOW_MS = 10_000

STATUS_TONES = {
    "delivered": "good",
    "pending": "wait",
    "sending": "wait",
    "dead": "bad",
    "discarded": "off",
    "skipped": "off",
    "running": "wait",
    "paused": "off",
    "completed": "good",
    "done": "good",
    "finished": "good",
    "cancelled": "off",
    "temporary": "warn",
    "permanent": "bad",
    "unknown": "warn",
    "healthy": "good",
    "failing": "warn",
    "parked": "bad",
    "secrets_unreadable": "bad",
    "closed": "good",
    "open": "bad",
    "valid": "good",
    "expired": "off",
    "revoked": "off",
    "answers": "good",
    "away": "bad",
    "up": "good",
    "not seen": "bad",
}


def ago(moment: datetime | None, now: datetime) -> Markup:
    """Say how far off a moment is, with the exact one on hover; a dash for none."""
    if moment is None:
        return Markup("—")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.astimezone(UTC).isoformat(), exact(moment), _relative((now - moment).total_seconds())
    )


def exact(moment: datetime | None) -> str:
    """Write a moment out, in UTC, to the millisecond."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"


def form_moment(moment: datetime | None) -> str:
    """Write a moment as a date field takes it, in UTC."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _relative(seconds: float) -> str:
    if abs(seconds) < _SOON:
        return "just now" if seconds >= 0 else "now"
    words = span(timedelta(seconds=abs(seconds)))
    return f"{words} ago" if seconds > 0 else f"in {words}"


def span(length: timedelta) -> str:
    """Say a length of time by its largest unit."""
    seconds = length.total_seconds()
    for size, name in _SPANS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a second"


def milliseconds(value: float | None) -> str:
    """Say how long something took; a dash for none."""
    if value is None:
        return "—"
    if value < 1:
        return "<1 ms"
    if value < _SLOW_MS:
        return f"{value:,.0f} ms"
    return span(timedelta(milliseconds=value))


def number(value: float | None) -> str:
    """Write a count with its thousands told apart; a dash for none."""
    return "—" if value is None else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """Write a share of one; never 100 % for what is not all. A dash for none."""
    if share is None:
        return "—"
    if share in {0.0, 1.0}:
        return f"{share:.0%}"
    return f"{min(max(share * 100, 0.1), 99.9):.1f}%"


def size(amount: int) -> str:
    """Write a number of bytes."""
    if amount < _BINARY:
        return f"{amount} bytes"
    return f"{amount / _BINARY:,.1f} KiB" if amount < _BINARY**2 else f"{amount / _BINARY**2:,.1f} MiB"


def tone(status: str) -> str:
    """Give the tone in which a status is shown: good, wait, warn, bad or off."""
    return STATUS_TONES.get(status, "off")


def pretty_json(text: str | bytes) -> str:
    """Lay JSON out for reading, its numbers as they were written; anything else stays as it is."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    try:
        # Numbers stay text, so that 1.10 is shown as 1.10.
        value = json.loads(text, parse_float=_Number, parse_int=_Number)
    except (ValueError, RecursionError):
        return text
    return _laid_out(value, "")


class _Number(str):
    __slots__ = ()


def _laid_out(value: object, indent: str) -> str:
    inner = indent + "  "
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict) and value:
        members = [
            f"{inner}{json.dumps(name, ensure_ascii=False)}: {_laid_out(one, inner)}" for name, one in value.items()
        ]
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + _laid_out(one, inner) for one in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)
