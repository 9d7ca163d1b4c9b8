"""What time it is: a monotonic clock set by the database's, so that a jumping wall clock moves no due time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from .engine import Database

REFRESH_SECONDS = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SystemClock:
    """The wall clock as it was at the start, carried on by the monotonic clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> datetime:
        return _EPOCH + timedelta(seconds=time.monotonic() + self._offset)


class DatabaseClock:
    """The process's monotonic clock with an offset that is taken from the database every minute.

    All workers so agree on the time, whatever their own wall clocks say. While the database is out of reach the last
    offset goes on to hold.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard = threading.Lock()
        self._offset = 0.0
        self._refresh_at = 0.0
        self._refresh()

    def now(self) -> datetime:
        return _EPOCH + timedelta(seconds=time.monotonic() + self._offset)

    def refresh_if_old(self) -> None:
        """Look at the database's clock if a minute has passed; the sweep calls this."""
        if time.monotonic() >= self._refresh_at:
            self._refresh()

    def _refresh(self) -> None:
        with self._guard, self._database.read() as tx:
            before = time.monotonic()
            theirs: float = tx.execute(text("SELECT extract(epoch FROM clock_timestamp())::float8")).scalar_one()
            middle = (before + time.monotonic()) / 2
            self._offset = theirs - middle
            self._refresh_at = middle + REFRESH_SECONDS
