"""The auditor's receiver as rows use it."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from servers.process import wait_until

from postrider.bench.child import Child

TESTS = str(Path(__file__).parents[1])


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as the receiver noted it."""

    message_id: str
    """Its `webhook-id`; with the body's own id behind it where the two differ."""
    payload_hash: str
    status: int
    """What it was to be answered with; the connection may have ended before."""
    at: float
    """Seconds since 1970."""


class Landing:
    """A context manager: inside it the receiver's process runs."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": TESTS}
        self._child = self._stack.enter_context(Child("the receiver", "faults.receiver", environment=environment))
        self.url = f"http://127.0.0.1:{self._child.ask('port')['port']}/hook"
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def behave(self, *, status: int = 200, delay: float = 0.0) -> None:
        """Answer every request with this status, so many seconds late, from now on."""
        self._child.ask("behave", status=status, delay=delay)

    def count(self) -> int:
        """Tell how many requests came."""
        count: int = self._child.ask("count")["requests"]
        return count

    def wait_for(self, requests: int, *, seconds: float = 60) -> None:
        """Return once so many requests came."""
        wait_until(lambda: self.count() >= requests, f"{requests} requests", seconds=seconds)

    def arrivals(self) -> list[Arrival]:
        """Tell all that came, in its order."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log"
            self._child.ask("dump", path=str(path))
            lines = path.read_text().splitlines()
        return [
            Arrival(message_id, payload_hash, int(status), float(at))
            for message_id, payload_hash, status, at in (line.split(" ") for line in lines)
        ]
