"""The filters of templates: few, and each bounded in what it makes."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import quote

from .template_values import Exact, Missing, Written, as_json, number_of, text_of
from .template_work import check_length, spend, weight

MOST_DIGITS = 12
# The C library takes widths in a format, such as %999999999d.
_DATE_FORMAT = re.compile(r"(?:[^%]|%[YmdHMSyjbBaAIpZz%]){0,64}")


def _default(value: object, other: object = "", boolean: bool = False) -> object:  # noqa: FBT001, FBT002 - Jinja2's own
    absent = isinstance(value, Missing) or value is None
    return other if absent or (boolean and not value) else value


def _changed(change: Callable[[str], str]) -> Callable[[object], str]:
    def filtered(value: object) -> str:
        text = text_of(value)
        check_length(len(text))
        return change(text)

    return filtered


def _replace(value: object, old: str, new: str) -> str:
    text = text_of(value)
    spend(weight(text))
    if not old:
        raise ValueError("replace needs a text to look for")
    check_length(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def join(value: object, between: object = "") -> str:
    """Put texts together."""
    if isinstance(value, str) or not isinstance(value, list | tuple | Mapping):
        raise _wrong(value, "only a list can be joined")
    spend(len(value))
    glue, texts, length = text_of(between), list[str](), 0
    for one in value:
        texts.append(text_of(one))
        length += len(texts[-1]) + len(glue)
        check_length(length)
    return glue.join(texts)


def _wrong(value: object, problem: str) -> TypeError:
    """Say what is wrong with a value; raises Absent where there is none."""
    return TypeError(str(value) if isinstance(value, Missing) else problem)


def _length(value: object) -> int:
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise _wrong(value, "only texts, lists and objects have a length")


def _first(value: object) -> object:
    return _end(value, 0)


def _last(value: object) -> object:
    return _end(value, -1)


def _end(value: object, index: int) -> object:
    if not isinstance(value, str | list | tuple):
        raise _wrong(value, "only texts and lists have a first and a last")
    return value[index] if value else Missing.at("the first and last of an empty list")


def _round(value: object, digits: object = 0) -> object:
    places = number_of(digits)
    if not isinstance(places, int) or not 0 <= places <= MOST_DIGITS:
        raise ValueError(f"round takes 0 to {MOST_DIGITS} digits")
    rounded = round(number_of(value), places)
    return Exact(f"{rounded:.{places}f}") if places else int(rounded)


def _tojson(value: object) -> str:
    return Written(as_json(value))


def _escape(value: object) -> str:
    return Written(_changed(html.escape)(value))


def _date(value: object, form: str = "%Y-%m-%d %H:%M") -> str:
    if not _DATE_FORMAT.fullmatch(form):
        raise ValueError("a date's form takes %Y %m %d %H %M %S %y %j %b %B %a %A %I %p %Z %z and at most 64 others")
    return datetime.fromisoformat(text_of(value)).strftime(form)


FILTERS: dict[str, Callable[..., object]] = {
    "date": _date,
    "default": _default,
    "escape": _escape,
    "first": _first,
    "join": join,
    "last": _last,
    "length": _length,
    "lower": _changed(str.lower),
    "replace": _replace,
    "round": _round,
    "title": _changed(str.title),
    "tojson": _tojson,
    "trim": _changed(str.strip),
    "upper": _changed(str.upper),
    "urlencode": _changed(lambda text: quote(text, safe="")),
}
