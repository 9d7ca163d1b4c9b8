"""A worker process's wall clock, made to jump.

Run as a program it is `postrider` with such a clock. Inside the process and not by libfaketime, which crashes every
twentieth process with threads.
"""

from __future__ import annotations

import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

from postrider.cli import main

OFFSET_FILE = "WALL_CLOCK_OFFSET_FILE"
LOOKS_SECONDS = 0.2
COMMAND = (sys.executable, "-m", "faults.wall_clock")
"""`postrider` with a clock that jumps, when it is given that clock's environment."""


class WallClock:
    """The wall clock of one process, which can be made to jump; its monotonic clock stays as it is."""

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "offset"
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Go wrong by so many seconds, within the next one."""
        new = self._offset.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._offset)

    @property
    def environment(self) -> dict[str, str]:
        return {OFFSET_FILE: str(self._offset), "PYTHONPATH": str(Path(__file__).parents[1])}


def _jump_with(offset: Path) -> None:
    """Move this process's wall clock whenever the file says so, from now on."""
    clock = time_machine.travel(datetime.now(UTC)).start()
    threading.Thread(target=_follow, args=(clock, offset), name="wall-clock", daemon=True).start()


def _follow(clock: time_machine.Traveller, offset: Path) -> None:
    last, pause = 0, threading.Event()
    while not pause.wait(LOOKS_SECONDS):
        wanted = int(offset.read_text())
        clock.shift(timedelta(seconds=wanted - last))
        last = wanted


if __name__ == "__main__":
    _jump_with(Path(os.environ[OFFSET_FILE]))
    main()
