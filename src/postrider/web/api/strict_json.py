"""Bodies that are parsed and not kept: refused, with the place, where they are no JSON though Python takes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
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


def _check_constants(text: str) -> None:
    try:
        parsed = json.loads(text, parse_constant=_Constant)
    except (ValueError, RecursionError):
        return
    try:
        found = next(_constants(parsed), None)
    except RecursionError:
        raise NotJson("the body is nested too deep") from None
    if found is not None:
        pointer, name = found
        raise InvalidInput(pointer, f"{pointer or 'the body'}: {name} is not JSON; send a number, or null")


def _constants(value: object, pointer: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, _Constant):
        yield pointer, value.name
    members: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        step = shortened(str(name)).encode(errors="replace").decode()  # halves of surrogate pairs cannot be answered
        yield from _constants(member, f"{pointer}.{step}" if pointer else step)
