"""The ways in which the tests' receiver answers a request, good and bad.

An answer is a coroutine function over the connection that says whether the connection can be used again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus

from servers.loop import reset

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]

_NO_BODY = {204, 304}


def reply(
    status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None, *, after: float = 0.0
) -> Answer:
    """Answer in the orderly way, `after` so many seconds."""
    head = _head(status, {**({} if status in _NO_BODY else {"Content-Length": str(len(body))}), **(headers or {})})

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if after:
            await asyncio.sleep(after)
        writer.write(head + body)
        await writer.drain()
        return True

    return send


def hang() -> Answer:
    """Never answer; the connection ends when the client has had enough."""

    async def send(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> bool:
        await reader.read()
        return False

    return send


def reset_connection() -> Answer:
    """Break the connection off without a byte."""

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        reset(writer)
        return False

    return send


def drip_headers(every: float = 0.1) -> Answer:
    """Begin to answer at once and send one header every so many seconds, without end."""

    async def headers() -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        number = 0
        while True:
            await asyncio.sleep(every)
            number += 1
            yield b"X-Drip-%d: drip\r\n" % number

    return _stream(headers)


def drip_body(every: float = 0.1) -> Answer:
    """Send the headers at once and one byte of a long body every so many seconds."""

    async def body() -> AsyncIterator[bytes]:
        yield _head(200, {"Content-Length": "1000000"})
        for _ in range(1_000_000):
            await asyncio.sleep(every)
            yield b"."

    return _stream(body)


def endless_body(status: int = 200) -> Answer:
    """Send a body as fast as the client takes it, without end."""

    async def body() -> AsyncIterator[bytes]:
        yield _head(status, {"Connection": "close"})
        while True:
            yield b"." * 16_384

    return _stream(body)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Made Up"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def _stream(pieces: Callable[[], AsyncIterator[bytes]]) -> Answer:
    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        async for piece in pieces():
            writer.write(piece)
            await writer.drain()
        return False

    return send
