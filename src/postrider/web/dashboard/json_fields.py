"""A payload that a person writes into a form: read as publish reads it, and told by line and column what is wrong."""

from __future__ import annotations

import re

from postrider.domain.errors import InvalidInput
from postrider.pipeline import exact_json

LONGEST = 256 * 1024
"""Bytes of a payload that a form takes; forms are limited as a whole, and count some letters threefold."""
_BYTE = re.compile(r" \(byte (\d+)\)")
_CUT_SHORT = "truncated"


def read_payload(pointer: str, given: str) -> bytes:
    """Give the payload as it is kept; InvalidInput says at which line and column it is no JSON."""
    text = given.replace("\r\n", "\n")  # forms send their line ends so, whatever was typed
    if not text.strip():
        raise InvalidInput(pointer, "Write a JSON value: an object, a list, text in quotes, a number or null.")
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(pointer, "The text holds halves of surrogate pairs, which UTF-8 cannot write.") from None
    if len(content) > LONGEST:
        raise InvalidInput(pointer, f"This form takes at most {LONGEST // 1024} KiB; the API takes more.")
    try:
        return exact_json.check(pointer, content)
    except InvalidInput as error:
        raise InvalidInput(pointer, _complaint(error.detail, content)) from None


def _complaint(detail: str, content: bytes) -> str:
    said = (detail.partition(": ")[2] or detail).removeprefix("is not valid JSON: ")
    found = _BYTE.search(said)
    if found is None and _CUT_SHORT not in said:
        return f"{said[:1].upper()}{said[1:]}."
    place = int(found[1]) if found else len(content.rstrip())
    before = content[:place].decode("utf-8", "replace")
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    why = "it ends too early" if _CUT_SHORT in said else _BYTE.sub("", said)
    return f"This is not valid JSON: {why}, line {line}, column {column}."
