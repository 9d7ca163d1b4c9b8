"""JSON whose bytes are kept: read strictly after RFC 8259, never written anew.

Numbers of any size, precision and notation are kept as they were written, and so are repeated names and the order of
members. A BOM, NaN, Infinity, halves of surrogate pairs and whatever else is no JSON are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from postrider.domain.errors import InvalidInput, NotJson

LARGEST = 5 * 1024 * 1024
"""Bytes of a request, and so of a payload."""
DEEPEST = 100
"""Levels of arrays and objects that a payload may have."""

_BOM = b"\xef\xbb\xbf"
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_AS_ARRAYS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_PLACE = re.compile(r" - at `\$(?:\.(?P<path>.*))?`\Z")
_WRONG_KIND = re.compile(r"Expected `(?P<wanted>.*)`, got `(?P<given>.*)`")
_ABSENT = re.compile(r"Object missing required field `(?P<field>.*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>.*)`")
_KINDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a number",
    "object": "an object",
    "str": "text",
}

_ANY = msgspec.json.Decoder(msgspec.Raw)

T = TypeVar("T")


def read(decode: Callable[[bytes], T], body: bytes) -> T:
    """Decode a body by a msgspec decoder; NotJson when it is no JSON, InvalidInput when it has another shape."""
    try:
        body.decode()  # msgspec leaves the strings inside a raw value unchecked
        return decode(body)
    except UnicodeDecodeError as error:
        raise NotJson(f"the body is not UTF-8 text (byte {error.start})") from None
    except msgspec.ValidationError as error:
        raise _wrong_shape(error) from None
    except msgspec.DecodeError as error:
        raise NotJson(_reason(body, error)) from None
    except RecursionError:
        raise InvalidInput("data", f"the body is nested deeper than {DEEPEST} levels") from None


def check_depth(pointer: str, text: bytes) -> None:
    """Raise InvalidInput for valid JSON that is nested deeper than `DEEPEST`; takes linear time for sane texts."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return
    left = _STRING.sub(b"", text).translate(_AS_ARRAYS, _NO_BRACKETS)
    for _ in range(DEEPEST):
        if not left:
            return
        left = left.replace(b"[]", b"")  # takes away the innermost level
    if left:
        raise InvalidInput(pointer, f"{pointer.rpartition('.')[2]}: is nested deeper than {DEEPEST} levels")


def check(pointer: str, text: bytes) -> bytes:
    """Give a payload as it is kept, without the blanks around it; InvalidInput names it by `pointer`."""
    name = pointer.rpartition(".")[2]
    if len(text) > LARGEST:
        raise InvalidInput(pointer, f"{name}: is larger than {LARGEST // 1024 // 1024} MiB")
    try:
        payload = bytes(read(_ANY.decode, text)).strip()
    except InvalidInput as error:
        raise InvalidInput(pointer, f"{name}: {error.detail.removeprefix('the body ')}") from None
    check_depth(pointer, payload)
    return payload


def _wrong_shape(error: msgspec.ValidationError) -> InvalidInput:
    message = str(error)
    place = _PLACE.search(message)
    pointer = re.sub(r"\[(\d+)\]", r".\1", place["path"] or "") if place else ""
    said = _PLACE.sub("", message)
    if wrong := _WRONG_KIND.fullmatch(said):
        said = f"must be {_plain(wrong['wanted'])}, not {_plain(wrong['given'])}"
    elif absent := _ABSENT.fullmatch(said):
        pointer, said = f"{pointer}.{absent['field']}".lstrip("."), "is required"
    elif unknown := _UNKNOWN.fullmatch(said):
        pointer, said = f"{pointer}.{unknown['field']}".lstrip("."), "is not known here; leave it out"
    return InvalidInput(pointer, f"{pointer or 'the body'}: {said}")


def _plain(kinds: str) -> str:
    return " or ".join(_KINDS.get(kind, kind) for kind in kinds.split(" | "))


def _reason(body: bytes, error: msgspec.DecodeError) -> str:
    if not body.strip():
        return "the body is empty; send JSON"
    if body.startswith(_BOM):
        return "the body is not valid JSON: it begins with a byte order mark"
    return f"the body is not valid JSON: {str(error).removeprefix('JSON is malformed: ')}"
