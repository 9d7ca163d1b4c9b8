"""How often a key may ask: so many in a second and so many in a minute, in fixed windows.

An answer tells of the window with the least left. One that is refused tells only how long to wait.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from limits.storage import RedisStorage
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postrider.domain.access import Caller, Permission
from postrider.domain.errors import TooManyRequests
from postrider.domain.quota import Quota, Standing
from postrider.web.auth import authenticate
from postrider.web.limits import HOOD_CLASS_C
from postrider.web.tally import Tally

_STANDING = "postrider.hood_standing"


class Windows:
    """Counts the requests of each key in every window."""

    def __init__(
        self,
        quotas: Sequence[Quota] = HOOD_CLASS_C,
        *,
        shared: RedisStorage | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take where processes count together (None: each counts alone)."""
        self._tallies = [Tally(quota, shared=shared, clock=clock) for quota in quotas]

    def take(self, key_id: UUID) -> Standing:
        """Count one request, and tell of the window with the least left; raises TooManyRequests."""
        name = f"hood:{key_id}"
        # Looked at first, so that what one window refuses counts in none.
        for tally in self._tallies:
            _refuse(tally.look(name))
        standings = [tally.take(name) for tally in self._tallies]
        for standing in standings:
            _refuse(standing)
        return min(standings, key=lambda standing: standing.remaining)

    def close(self) -> None:
        """End the counting together."""
        for tally in self._tallies:
            tally.close()


def _refuse(standing: Standing) -> None:
    if not standing.allowed:
        quota = standing.quota
        raise TooManyRequests(
            f"This API key may make {quota.amount} requests in {quota.seconds} s; wait as Retry-After says.",
            wait_seconds=standing.wait_seconds,
        )


class _Admitted:
    """Lets in a caller with a permission who has not asked too often."""

    def __init__(self, permission: Permission) -> None:
        self._permission = permission

    async def __call__(self, request: Request) -> Caller:
        caller = await authenticate(request, self._permission)
        request.scope[_STANDING] = request.app.state.windows.take(caller.api_key_id)
        return caller


Reader = Annotated[Caller, Depends(_Admitted(Permission.INTEGRATIONS_READ))]
Writer = Annotated[Caller, Depends(_Admitted(Permission.INTEGRATIONS_WRITE))]


class TellWindows:
    """Puts into the headers of each answer how its key stands."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and _STANDING in scope:
                message["headers"] = [*message.get("headers", ()), *_headers(scope[_STANDING])]
            await send(message)

        await self._app(scope, receive, told)


def _headers(standing: Standing) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-ratelimit-limit", b"%d" % standing.quota.amount),
        (b"x-ratelimit-remaining", b"%d" % standing.remaining),
        (b"x-ratelimit-reset", b"%d" % math.ceil(standing.reset_seconds)),
    ]
