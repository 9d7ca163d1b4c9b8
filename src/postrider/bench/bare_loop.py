"""The yardstick: aiohttp in one process posting the same bytes and headers, with nothing stored."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import uvloop

from .measured import answer_commands


def run(*, url: str, body: str, headers: list[tuple[str, str]], in_flight: int, seconds: float) -> Mapping[str, Any]:
    """Post for so many seconds with so many requests in flight; `body` is base64."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(url, base64.b64decode(body), dict(headers), in_flight, seconds))


async def _run(url: str, body: bytes, headers: dict[str, str], in_flight: int, seconds: float) -> Mapping[str, Any]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        began = time.monotonic()
        counts = await asyncio.gather(*(_post(session, url, body, headers, began + seconds) for _ in range(in_flight)))
        took = time.monotonic() - began
    return {"requests": sum(counts), "seconds": took}


async def _post(session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str], until: float) -> int:
    count = 0
    while time.monotonic() < until:
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            await response.read()
        count += 1
    return count


if __name__ == "__main__":
    answer_commands({"run": run})
    threading.Event().wait()
