"""A small file system of the tests' own, to be filled up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from servers.process import free_port

MEGABYTES = 96


class SmallDisk:
    """A file system of its own that can be filled up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(65_536))

    def make_room(self) -> None:
        self._ballast.unlink()


def may_mount() -> bool:
    """Tell whether this user may mount a file system, as root may outside of strict containers."""
    with suppress(OSError, subprocess.CalledProcessError), _mounted(1):
        return True
    return False


@contextmanager
def a_small_disk() -> Iterator[SmallDisk]:
    with _mounted(MEGABYTES) as folder:
        yield SmallDisk(folder)


@contextmanager
def _mounted(megabytes: int) -> Iterator[Path]:
    # Beside no other folder of ours: PostgreSQL's user must be able to come this far.
    folder = Path(f"/tmp/postrider-disk-{os.getpid()}-{free_port()}")
    folder.mkdir(mode=0o755)
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder))
        try:
            yield folder
        finally:
            _run("umount", "--lazy", str(folder))
    finally:
        folder.rmdir()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
