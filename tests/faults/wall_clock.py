"""A process's wall clock, made to jump by libfaketime."""

from __future__ import annotations

from pathlib import Path


class WallClock:
    """The wall clock of one process, which can be made to jump; its monotonic clock stays as it is."""

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "offset"
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Go wrong by so many seconds, within the next one."""
        self._offset.write_text(f"{seconds:+d}\n")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }


def library() -> Path | None:
    """Find what the Debian package faketime installs; None when it is not there."""
    return next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
