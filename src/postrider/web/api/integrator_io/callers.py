"""Who may ask integrator.io's API, and how often: a bucket for each key, of the size that its clients know."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from postrider.domain.access import Caller, Permission
from postrider.domain.bucket import Bucket, Poured, pour
from postrider.domain.errors import TooManyRequests
from postrider.web.auth import authenticate

BUCKET = Bucket(size=1_000, per_second=300)
MOST_BUCKETS = 50_000


class Buckets:
    """The buckets of all keys, of this process alone; bounded in memory."""

    def __init__(self, bucket: Bucket = BUCKET, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bucket, self._clock = bucket, clock
        self._poured: dict[UUID, Poured] = {}
        self._guard = threading.Lock()

    def take(self, key_id: UUID) -> None:
        """Pour in one request of a key; raises TooManyRequests."""
        with self._guard:
            poured = pour(self._bucket, self._poured.pop(key_id, None), now=self._clock())
            if len(self._poured) >= MOST_BUCKETS:
                # The one that has rested for longest.
                del self._poured[next(iter(self._poured))]
            self._poured[key_id] = poured
        if poured.wait_seconds:
            seconds = math.ceil(poured.wait_seconds)
            raise TooManyRequests(
                f"Too many requests. Retry after {seconds} seconds.", wait_seconds=poured.wait_seconds
            )


class _Admitted:
    """Lets in a caller with a permission whose bucket is not full."""

    def __init__(self, permission: Permission) -> None:
        self._permission = permission

    async def __call__(self, request: Request) -> Caller:
        caller = await authenticate(request, self._permission)
        request.app.state.buckets.take(caller.api_key_id)
        return caller


Reader = Annotated[Caller, Depends(_Admitted(Permission.INTEGRATIONS_READ))]
Writer = Annotated[Caller, Depends(_Admitted(Permission.INTEGRATIONS_WRITE))]
