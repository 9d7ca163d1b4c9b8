"""What is sent and what comes back over HTTP, and which headers may be sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from yarl import URL

from .http_failure import HttpFailure

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")
_FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent; `headers` go out in this order and case."""

    method: str
    url: URL = field(repr=False)
    """Some have a token in them."""
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Any case finds them; of a repeated one the first counts."""
    body: bytes
    """At most `EXCERPT_BYTES`, as it came: nothing is unpacked."""
    cut: bool
    """There was more of the body."""


def check_headers(headers: tuple[tuple[str, str], ...]) -> None:
    """Refuse headers that would change where the request ends, or what it is."""
    for name, value in headers:
        if not _may_be_set(name):
            raise HttpFailure("invalid_header", f"The header {name[:64]!r} may not be set.", permanent=True)
        if not _VALUE.fullmatch(value):
            raise HttpFailure(
                "invalid_header", f"The value of the header {name!r} cannot be sent in HTTP.", permanent=True
            )


def header_value(text: str) -> str:
    """Give a text that can stand in an HTTP header back; ValueError for any other."""
    if not text or not _VALUE.fullmatch(text):
        raise ValueError("is sent in an HTTP header, so it must be plain ASCII letters, digits, signs and inner spaces")
    return text


@lru_cache(maxsize=1024)
def _may_be_set(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name.lower() not in _FRAMING
