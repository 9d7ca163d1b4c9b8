"""How pages say moments, spans, numbers and statuses: for people, with the exact value at hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from markupsafe import Markup

NONE = Markup('<span class="none">—</span>')
"""Where there is nothing to say. Lists leave such cells out where there is little room."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SPANS = ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"), (1, "second"))
_SOON = 3
_BINARY = 1024
_SLOW_MS = 10_000
_GROWTH, _SHORT = 4, 16_384
"""So many times longer a JSON text may become when it is laid out, and so many letters more when it is short."""
_HALVES = re.compile("[\ud800-\udfff]")

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
        return NONE
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
    """Lay JSON out for reading: its numbers as they were written, and members of one name all there.

    Anything else stays as it is, and so does what would become much longer by it.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    layout = _Layout(room=len(text) * _GROWTH + _SHORT)
    try:
        # Numbers stay text, so that 1.10 is shown as 1.10.
        layout.add(json.loads(text, parse_float=_Number, parse_int=_Number, object_pairs_hook=_Members), "")
    except (ValueError, RecursionError):
        return text
    return "".join(layout.parts)


class _Number(str):
    __slots__ = ()


class _Member(NamedTuple):
    name: str
    value: object


class _Members(list[_Member]):
    """An object's."""

    __slots__ = ()

    def __init__(self, pairs: Iterable[tuple[str, object]]) -> None:
        super().__init__(_Member(*pair) for pair in pairs)


class _Layout:
    """JSON as it is laid out; ValueError when it is more than the room for it, which deep nesting soon fills."""

    def __init__(self, *, room: int) -> None:
        self.parts: list[str] = []
        self._room = room

    def add(self, value: object, indent: str) -> None:
        if isinstance(value, _Number):
            self._put(value)
        elif isinstance(value, list) and value:
            self._add_all(value, indent)
        else:
            self._put("{}" if isinstance(value, _Members) else _in_json(value))

    def _add_all(self, value: list[object], indent: str) -> None:
        begin, end = "{}" if isinstance(value, _Members) else "[]"
        inner, before = f"{indent}  ", begin
        for one in value:
            self._put(f"{before}\n{inner}")
            if isinstance(one, _Member):
                self._put(f"{_in_json(one.name)}: ")
            self.add(one.value if isinstance(one, _Member) else one, inner)
            before = ","
        self._put(f"\n{indent}{end}")

    def _put(self, part: str) -> None:
        self._room -= len(part)
        if self._room < 0:
            raise ValueError
        self.parts.append(part)


def _in_json(value: object) -> str:
    """Write a text, or what is neither number, list nor object; no page can hold half a letter: it stays escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if _HALVES.search(text) else text
