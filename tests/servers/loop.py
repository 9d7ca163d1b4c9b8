"""An asyncio loop in a thread of its own, for the servers that live inside the test process."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class LoopThread:
    """Runs coroutines for callers of other threads, from `start` to `close`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[None, None, T], *, seconds: float = 10.0) -> T:
        """Run the coroutine in the loop and return its result; raise TimeoutError after `seconds`."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(seconds)

    def close(self) -> None:
        """Cancel whatever still runs in the loop, wait for it and end the thread."""
        self.run(_cancel_all_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection so that the other side reads ECONNRESET, not an orderly end."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


async def end_listening(listener: asyncio.Server) -> None:
    """Stop accepting and close the listener; what was accepted until then is served.

    A bare `listener.close()` leaves a connection's socket open when it was accepted in the round before: asyncio (3.11)
    then makes its transport for a server that is closed, fails an assertion and forgets it.
    """
    loop = asyncio.get_running_loop()
    for listening in listener.sockets:
        loop.remove_reader(listening.fileno())
    await _some_rounds()
    listener.close()


async def _cancel_all_others() -> None:
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await _some_rounds()
    for transport in list(getattr(asyncio.get_running_loop(), "_transports", {}).values()):
        transport.abort()
    # An aborted transport closes its socket in the loop's next rounds.
    await _some_rounds()


async def _some_rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
