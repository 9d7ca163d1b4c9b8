"""A TCP proxy that breaks the connection between two parts in the ways that networks do."""

import asyncio
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from servers.loop import LoopThread, end_listening, reset
from servers.process import free_port

_CHUNK = 65_536


class Proxy:
    """Forwards to one target until told otherwise; each method has taken effect when it returns.

    The faults add up until `heal`.
    """

    host = "127.0.0.1"

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self.port = free_port()
        self._target = (target_host, target_port)
        self._delay = 0.0
        self._listener: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._flowing = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread = LoopThread("proxy")
        self.heal()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._refuse())
        self._thread.run(self._cut())
        self._thread.close()

    def through(self, url: str) -> str:
        """Return the url with this proxy in the place of its host and port."""
        parts = urlsplit(url)
        login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{login}{self.host}:{self.port}"))

    def refuse(self) -> None:
        """Refuse new connections; the open ones go on."""
        self._thread.run(self._refuse())

    def hang(self) -> None:
        """Accept connections and let no byte through any more, in either direction, on old ones neither."""
        self._thread.run(self._hang())

    def cut(self) -> None:
        """Reset every open connection; new ones are welcome."""
        self._thread.run(self._cut())

    def delay(self, seconds: float) -> None:
        """Hold back each piece of data, in both directions, for so long."""
        self._delay = seconds

    def heal(self) -> None:
        """Forward again, on the same port; what hung goes on where it stopped."""
        self._delay = 0.0
        self._thread.run(self._heal())

    async def _refuse(self) -> None:
        if listener := self._listener:
            self._listener = None
            await end_listening(listener)

    async def _hang(self) -> None:
        self._flowing.clear()

    async def _cut(self) -> None:
        for task, writers in self._open.items():
            for writer in writers:
                reset(writer)
            task.cancel()

    async def _heal(self) -> None:
        self._flowing.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, self.host, self.port, backlog=512)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, ends = _this_task(), [writer]
        self._open[task] = ends
        try:
            await self._flowing.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            ends.append(far_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer))
                both.create_task(self._pump(far_reader, writer))
        except* OSError:
            # The target is away or one side broke off: both sides learn it by a reset.
            for end in ends:
                reset(end)
        except* asyncio.CancelledError:
            pass  # `cut`, or the test is over
        finally:
            del self._open[task]
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await asyncio.sleep(self._delay)
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        await self._flowing.wait()
        writer.write_eof()


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None
    return task
