"""The database server's processes, where they run on this machine and it lets us look: what CPU they used.

A server that others use meanwhile is charged with their work too, and with the few questions of the bench itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from postrider.store import scratch
from postrider.store.engine import Database

from .child import Usage

PROC = Path("/proc")
_PROGRAMS = {"postgres", "postmaster"}
# Places in what follows the program's name in `stat`; its own time, and that of its children that ended.
_PARENT, _TIMES = 1, slice(11, 15)


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A PostgreSQL server, known by the process that all its others are children of."""

    postmaster: int
    proc: Path = PROC

    def usage(self) -> Usage:
        """Tell what its processes used since its start; how much memory cannot be told, as they share it."""
        stats = [stat for pid, stat in _stats(self.proc) if self.postmaster in (pid, int(stat[_PARENT]))]
        ticks = sum(int(count) for stat in stats for count in stat[_TIMES])
        return Usage(ticks / os.sysconf("SC_CLK_TCK"))


def find_server(database: Database, *, proc: Path = PROC) -> DatabaseServer | None:
    """Find the server's processes; None when they are not on this machine, or not to be seen."""
    backend = scratch.local_backend(database)
    return None if backend is None else server_of(backend, proc=proc)


def server_of(backend: int, *, proc: Path = PROC) -> DatabaseServer | None:
    """Find the server that one of its processes belongs to.

    A container's server has process ids of its own, which mean nothing here: so the programs' names are looked at.
    """
    try:
        parent = int(_stat(proc / str(backend))[_PARENT])
        names = {(proc / str(pid) / "comm").read_text().strip() for pid in (backend, parent)}
    except OSError:
        return None
    return DatabaseServer(parent, proc) if names <= _PROGRAMS else None


def _stats(proc: Path) -> Iterator[tuple[int, list[str]]]:
    for folder in proc.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            stat = _stat(folder)
        except OSError:  # it has just ended
            continue
        yield int(folder.name), stat


def _stat(folder: Path) -> list[str]:
    """Give what stands behind the program's name, which may have spaces and parentheses in it."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
