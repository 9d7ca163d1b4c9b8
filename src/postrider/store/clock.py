"""What time it is: a monotonic clock set by the database's, so that a jumping wall clock moves no due time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import text

from postrider.domain.errors import Unavailable

from .engine import Database

REFRESH_SECONDS = 60.0
LONGEST_LOOK_SECONDS = 1.0
"""The database tells its time at some moment of a look: after a longer one nobody knows well enough at which."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


class SystemClock:
    """The wall clock as it was at the start, carried on by the monotonic clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> datetime:
        return _EPOCH + timedelta(seconds=time.monotonic() + self._offset)


class DatabaseClock:
    """The process's monotonic clock with an offset that is taken from the database every minute.

    All workers so agree on the time, whatever their own wall clocks say. While the database is out of reach, or too
    slow to be told the time by, the last offset goes on to hold.
    """

    def __init__(
        self, database: Database, *, every: float = REFRESH_SECONDS, longest_look: float = LONGEST_LOOK_SECONDS
    ) -> None:
        """Look once, however long that takes; `every` and `longest_look` are seconds."""
        self._database = database
        self._every, self._longest_look = every, longest_look
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._known = self._look()

    def now(self) -> datetime:
        return _EPOCH + timedelta(seconds=time.monotonic() + self._known.offset)

    def start(self) -> None:
        """Keep it right from now on, by a look each minute."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            try:
                self._refresh()
            except Unavailable as error:
                log.warning("clock.not_refreshed", detail=error.detail)

    def _refresh(self) -> None:
        look = self._look()
        if look.seconds > max(self._longest_look, self._known.seconds):
            log.warning("clock.not_refreshed", detail=f"the look took {look.seconds:.1f} s")
            return
        self._known = look

    def _look(self) -> _Look:
        with self._database.read() as tx:
            before = time.monotonic()
            theirs: float = tx.execute(text("SELECT extract(epoch FROM clock_timestamp())::float8")).scalar_one()
            took = time.monotonic() - before
        return _Look(offset=theirs - (before + took / 2), seconds=took)


@dataclass(frozen=True, slots=True)
class _Look:
    """What the database's time is ahead of our monotonic clock, and how long it took to ask."""

    offset: float
    seconds: float
