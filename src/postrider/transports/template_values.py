"""What templates see of an event, and how each value is written: numbers as they were published."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

from jinja2 import StrictUndefined, Undefined, UndefinedError

from .configuration import Form
from .template_work import MOST_OUTPUT, TooMuch, check_length, spend

_LONGEST_INTEGER = 18
_STEPS_A_VALUE = 3
"""To write it as JSON."""


class Exact(float):
    """A number that is written as it was published: 1.10 stays 1.10."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


class Written(str):
    """Text that is already in its form: it is not escaped again."""

    __slots__ = ()


class Absent(UndefinedError):  # noqa: N818 - it reads as what was found
    """What a template needs is not there; the message is its path."""

    @property
    def path(self) -> str:
        return str(self.message)


class Missing(StrictUndefined):
    """What is not there: it can be asked whether it is, be given a default, and looked into; else it is `Absent`."""

    __slots__ = ()

    @classmethod
    def at(cls, path: str) -> Missing:
        return cls(name=path, hint=path, exc=Absent)

    @property
    def path(self) -> str:
        return str(self._undefined_name)


class IsNull(Exception):  # noqa: N818 - it reads as what was found
    """A value is null where a text is needed."""


def read(document: bytes) -> dict[str, Any]:
    """Read a templated message's body."""
    found: dict[str, Any] = json.loads(document, parse_float=Exact, parse_int=_integer)
    return found


def _integer(text: str) -> int | Exact:
    return int(text) if len(text) <= _LONGEST_INTEGER else Exact(text)


def text_of(value: object) -> str:
    """Write a value as people read it: texts and numbers as they are, lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        raise IsNull
    if isinstance(value, Missing):
        # Raises Absent.
        return str(value)
    # What a condition without an else comes to.
    return "" if isinstance(value, Undefined) else as_json(value)


def as_json(value: object) -> str:
    """Write JSON, with numbers as they were published."""
    parts, length = list[str](), 0
    for part in _json_parts(value):
        length += len(part)
        if length > MOST_OUTPUT:
            raise TooMuch(f"it makes a text of more than {MOST_OUTPUT // 1024} KiB")
        parts.append(part)
    check_length(length)
    return "".join(parts)


def _json_parts(value: object) -> Iterator[str]:
    spend(_STEPS_A_VALUE)
    if isinstance(value, Mapping):
        yield from _wrapped(
            "{", [(f"{json.dumps(name, ensure_ascii=False)}:", one) for name, one in value.items()], "}"
        )
    elif isinstance(value, list | tuple):
        yield from _wrapped("[", [("", one) for one in value], "]")
    elif isinstance(value, Exact):
        yield value.text
    elif isinstance(value, str | int | float) or value is None:
        yield json.dumps(str(value) if isinstance(value, str) else value, ensure_ascii=False)
    elif isinstance(value, Missing):
        yield str(value)
    else:
        raise TypeError("this is no value of JSON")


def _wrapped(begin: str, members: Sequence[tuple[str, object]], end: str) -> Iterator[str]:
    yield begin
    for index, (before, value) in enumerate(members):
        yield f"{',' if index else ''}{before}"
        yield from _json_parts(value)
    yield end


def number_of(value: object) -> int | float:
    """Take a number to reckon with; TypeError for all else, and for one that is too large."""
    if isinstance(value, Missing):
        str(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("only numbers can be reckoned with; write a ~ b to join texts")
    if not math.isfinite(value) or abs(value) > 10**_LONGEST_INTEGER:
        raise TypeError("this number is too large")
    return float(value) if isinstance(value, Exact) else value


def _json_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


_ESCAPES: dict[Form, Callable[[str], str]] = {
    Form.TEXT: str,
    Form.LINE: str,
    Form.HTML: html.escape,
    Form.JSON: _json_text,
    Form.URL: lambda text: quote(text, safe=""),
}


def shown(value: object, form: Form) -> str:
    """Write a value into what a template makes."""
    text = text_of(value)
    check_length(len(text))
    # What is no text is JSON already.
    plain = form is Form.JSON and not isinstance(value, str)
    return text if plain or isinstance(value, Written) else _ESCAPES[form](text)
