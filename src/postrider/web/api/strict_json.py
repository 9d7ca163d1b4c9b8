"""Bodies that are parsed and not kept: refused, with the place, where they are no JSON though Python takes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from postrider.control.given import shortened
from postrider.domain.errors import InvalidInput, NotJson
from postrider.web.auth import authenticate

_BOM = b"\xef\xbb\xbf"
_CONSTANTS = (b"NaN", b"Infinity")


class StrictJsonRoute(APIRoute):
    """A route whose body has neither a byte order mark nor NaN nor Infinity in it, and is UTF-8."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if self.body_field is not None:
                await _check_of_caller(request)
            answer: Response = await handle(request)
            return answer

        return strict


async def _check_of_caller(request: Request) -> None:
    """Check the body; a caller without a key hears of the key first. All of these routes are closed."""
    try:
        check(await request.body())
    except InvalidInput:
        await authenticate(request)
        raise


def check(body: bytes) -> None:
    """Raise NotJson, or InvalidInput that names the place; a body that is no JSON for other reasons passes."""
    if body.startswith(_BOM):
        raise NotJson("the body is not valid JSON: it begins with a byte order mark")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NotJson(f"the body is not UTF-8 text (byte {error.start})") from None
    if any(word in body for word in _CONSTANTS):
        _check_constants(text)


class _Constant:
    """What stands in the place of NaN and Infinity."""

    def __init__(self, name: str) -> None:
        self.name = name


_NOT_PLAIN = (dict, list, _Constant)


def _check_constants(text: str) -> None:
    try:
        parsed = json.loads(text, parse_constant=_Constant)
    except (ValueError, RecursionError):
        return
    try:
        found = _find(parsed)
    except RecursionError:
        raise NotJson("the body is nested too deep") from None
    if found is not None:
        name, path = found
        # Halves of surrogate pairs cannot be answered.
        pointer = ".".join(shortened(str(step)) for step in reversed(path)).encode(errors="replace").decode()
        raise InvalidInput(pointer, f"{pointer or 'the body'}: {name} is not JSON; send a number, or null")


def _find(value: object) -> tuple[str, list[str | int]] | None:
    """Find the first such word, and its place from the inside out."""
    if isinstance(value, _Constant):
        return value.name, []
    members: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        # Bodies are long, and this is done before anything else is.
        if isinstance(member, _NOT_PLAIN) and (found := _find(member)) is not None:
            found[1].append(step)
            return found
    return None
