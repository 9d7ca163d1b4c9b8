"""The inside of a measured process: it answers commands on standard input, one JSON line each, while it works.

`python -m postrider.bench.measured postrider.cli worker …` runs a module with its arguments, here a command of
Postrider, in a process that can be asked what it has used so far.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

Command = Callable[..., Mapping[str, Any]]
"""Takes the members of a command's line, gives the members of its answer."""

POSTRIDER = "postrider.cli"


def answer_commands(commands: Mapping[str, Command]) -> None:
    """Answer commands in a thread from now on; what the process itself prints goes to standard error.

    The process ends as if by SIGTERM when nobody is left to give commands: it does not outlive who started it.
    """
    answers = os.dup(1)
    os.dup2(2, 1)
    known = {"usage": _usage, **commands}
    threading.Thread(target=_listen, args=(known, answers), name="bench", daemon=True).start()


def _listen(commands: Mapping[str, Command], answers: int) -> None:
    try:
        for line in _lines():
            os.write(answers, json.dumps(_answer(commands, json.loads(line))).encode() + b"\n")
    finally:
        # Also when there was nobody left to take an answer.
        os.kill(os.getpid(), signal.SIGTERM)


def _answer(commands: Mapping[str, Command], wanted: dict[str, Any]) -> Mapping[str, Any]:
    try:
        return commands[wanted.pop("do")](**wanted)
    except Exception as error:  # noqa: BLE001 - whoever asked must hear of it, whatever it is
        return {"error": f"{type(error).__name__}: {error}"}


def _lines() -> Iterator[bytes]:
    """Read standard input below Python's own object for it, whose lock would be held when the process ends."""
    rest = b""
    while data := os.read(0, 65_536):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def _usage() -> Mapping[str, Any]:
    return {"cpu_seconds": time.process_time(), "peak_memory_bytes": _peak_memory()}


def _peak_memory() -> int:
    """Tell the most memory that this process ever had resident, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux lets ru_maxrss begin at the peak of the process that started this one.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    answer_commands({})
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
