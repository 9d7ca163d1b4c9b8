"""How many requests a key may make, and how often an address may fail to sign in: told in headers, refused by 429.

`RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-10; RateLimit-Limit, -Remaining and
-Reset those of the draft up to its sixth version, which are what most clients look for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from uuid import UUID

from limits.storage import RedisStorage
from starlette.requests import HTTPConnection
from starlette.types import Scope

from postrider.domain.errors import NotAuthenticated, TooManyRequests
from postrider.domain.quota import Quota, Standing

from .tally import SOCKET_SECONDS, Tally

STANDING = "postrider.standing"
"""Where a request's scope holds how its key stands."""
PREFIX = "postrider-requests"
FAILURE_SECONDS = 60
UNKNOWN_ADDRESS = "unknown"
HOOD_CLASS_C = (Quota(10, 1, fixed=True), Quota(150, 60, fixed=True))
"""How often Ocamba Hood lets its clients ask about integrations: in a burst, and steadily."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator wants; None: no limit."""

    requests: Quota | None = None
    """Of each API key."""
    redis_url: str | None = field(default=None, repr=False)
    """Where processes count together."""
    failed_sign_ins: int | None = None
    """Of an address, a minute and process."""
    hood: tuple[Quota, ...] = HOOD_CLASS_C
    """Of each API key, by Hood's API."""


class KeyLimit:
    """Counts the requests of each API key."""

    def __init__(self, limits: Limits) -> None:
        self._tally = None if limits.requests is None else Tally(limits.requests, shared=shared_storage(limits))

    def take(self, scope: Scope, key_id: UUID) -> None:
        """Count one request, and note for its answer how the key stands; raises TooManyRequests."""
        if self._tally is None:
            return
        standing = scope[STANDING] = self._tally.take(key_id)
        if not standing.allowed:
            quota = standing.quota
            raise TooManyRequests(
                f"this API key may make {quota.amount} requests in {quota.seconds} s; wait as Retry-After says",
                wait_seconds=standing.wait_seconds,
            )

    def close(self) -> None:
        if self._tally is not None:
            self._tally.close()


class SignInLimit:
    """Counts the sign-ins that failed from each address, so that nobody tries keys in bulk."""

    def __init__(self, limits: Limits) -> None:
        wanted = limits.failed_sign_ins
        self._tally = None if wanted is None else Tally(Quota(wanted, FAILURE_SECONDS))

    def check(self, host: str) -> None:
        """Raise TooManyRequests when too many sign-ins from this address have failed."""
        if self._tally is not None:
            _refuse(self._tally.look(subscriber(host)))

    def failed(self, host: str, error: NotAuthenticated) -> Exception:
        """Count one that failed; gives the error to tell it by."""
        if self._tally is not None:
            try:
                _refuse(self._tally.take(subscriber(host)))
            except TooManyRequests as refusal:
                return refusal
        return error


def _refuse(standing: Standing) -> None:
    if not standing.allowed:
        raise TooManyRequests(
            "too many sign-ins from this address have failed; wait as Retry-After says",
            wait_seconds=standing.wait_seconds,
        )


def host_of(connection: HTTPConnection) -> str:
    """Tell where a request came from; behind a proxy it is whom FORWARDED_ALLOW_IPS lets the server believe."""
    return connection.client.host if connection.client else ""


def subscriber(host: str) -> str:
    """Name who asks by address; all of an IPv6 subscriber's network is one."""
    try:
        address = ip_address(host)
    except ValueError:
        return UNKNOWN_ADDRESS
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


def headers_of(standing: Standing) -> list[tuple[bytes, bytes]]:
    """Tell how a key stands, in both forms; seconds are rounded up."""
    quota, remaining, reset = standing.quota, standing.remaining, math.ceil(standing.reset_seconds)
    return [
        (b"ratelimit-policy", b'"key";q=%d;w=%d' % (quota.amount, quota.seconds)),
        (b"ratelimit", b'"key";r=%d;t=%d' % (remaining, reset)),
        (b"ratelimit-limit", b"%d" % quota.amount),
        (b"ratelimit-remaining", b"%d" % remaining),
        (b"ratelimit-reset", b"%d" % reset),
    ]


def shared_storage(limits: Limits) -> RedisStorage | None:
    """Give where processes count together; None: each counts alone."""
    if limits.redis_url is None:
        return None
    return RedisStorage(
        limits.redis_url,
        key_prefix=PREFIX,
        wrap_exceptions=True,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
    )
