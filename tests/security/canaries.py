"""Secrets that are known to the test alone, and the search for them in whatever was said or written."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

SHORTEST = 12
"""A shorter canary, or form of one, could stand somewhere by chance."""


@dataclass(frozen=True, slots=True)
class Found:
    """A secret where none may be."""

    place: str
    secret: str
    form: str


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said or written, and the secrets that it may hold by design."""

    place: str
    data: bytes
    by_design: frozenset[str] = frozenset()


def forms(secret: str) -> dict[str, bytes]:
    """Write a secret in the ways in which it could have got out."""
    raw = secret.encode()
    written = {
        "plain": secret,
        "JSON": json.dumps(secret)[1:-1],
        "JSON in JSON": json.dumps(json.dumps(secret)[1:-1])[1:-1],
        "URL": quote(secret, safe=""),
        "URL in small letters": quote(secret, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
        "hex": raw.hex(),
        "Python": repr(secret)[1:-1],
        **{f"base64 after {ahead}": _inside_base64(raw, ahead) for ahead in range(3)},
    }
    return {name: text.encode() for name, text in written.items()}


def _inside_base64(raw: bytes, ahead: int) -> str:
    """Give the characters that a secret always has in the base64 of something longer, `ahead` bytes after a triple."""
    whole = base64.b64encode(b"x" * ahead + raw + b"x" * (-(ahead + len(raw)) % 3)).decode()
    return whole[4 if ahead else 0 : len(whole) - 4]


def search(secrets: Mapping[str, str], said: Iterable[Said]) -> list[Found]:
    """Look for every secret in every form everywhere."""
    wanted = {name: forms(secret) for name, secret in secrets.items()}
    assert all(len(form) >= SHORTEST for each in wanted.values() for form in each.values())
    return [
        Found(one.place, name, form)
        for one in said
        for name, written in wanted.items()
        if name not in one.by_design
        for form, text in written.items()
        if text in one.data
    ]
