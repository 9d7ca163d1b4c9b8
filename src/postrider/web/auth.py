"""Who is it, and may they? Asked here once for every route."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from postrider.control import keys, tokens
from postrider.domain.access import ApiKey, Caller, Permission
from postrider.domain.errors import NotAuthenticated, NotPermitted, PostriderError
from postrider.services import Services
from postrider.store import api_keys

from .limits import KeyLimit, SignInLimit, host_of

REMEMBERED_SECONDS = 5.0
REMEMBERED_KEYS = 10_000
NOTED_SECONDS = 60.0
"""How much time lies between two notes of a key's last use."""

SCHEME = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="An API key, or an access token that `/oauth/access_token` gave for one.",
)
log = structlog.get_logger()


class KnownKeys:
    """The keys that were looked up within the last seconds, by digest or id.

    A revoked key so opens doors for up to `REMEMBERED_SECONDS` more in a process that has just seen it; its expiry is
    asked every time.
    """

    def __init__(self) -> None:
        self._found: dict[bytes | UUID, tuple[float, ApiKey]] = {}
        self._guard = threading.Lock()

    def get(self, reference: bytes | UUID) -> ApiKey | None:
        """Give a key that was looked up a moment ago."""
        until, key = self._found.get(reference, (0.0, None))
        return key if time.monotonic() < until else None

    def had(self, reference: bytes | UUID) -> bool:
        """Tell whether it opened something before, however long ago."""
        return reference in self._found

    def put(self, reference: bytes | UUID, key: ApiKey) -> None:
        """Remember a key that was just looked up."""
        with self._guard:
            if len(self._found) >= REMEMBERED_KEYS:
                self._found.clear()
            self._found[reference] = (time.monotonic() + REMEMBERED_SECONDS, key)

    def forget(self, key_id: UUID) -> None:
        """Look the key up again next time: it was revoked in this process."""
        with self._guard:
            self._found = {reference: found for reference, found in self._found.items() if found[1].id != key_id}

    def forget_of_integration(self, integration_id: UUID) -> None:
        """Look an integration's keys up again next time: they ended with it in this process."""
        with self._guard:
            kept = {name: found for name, found in self._found.items() if found[1].integration_id != integration_id}
            self._found = kept


class Authenticator:
    """Turns what stands behind `Bearer` into a caller; one for each app."""

    def __init__(self, services: Services, sign_ins: SignInLimit) -> None:
        self._services = services
        self.sign_ins = sign_ins
        self.known = KnownKeys()
        self._noted: dict[UUID, float] = {}
        self._notes = ThreadPoolExecutor(1, thread_name_prefix="key-notes")

    async def caller(self, token: str, *, host: str = "") -> Caller:
        """Find the caller; raises NotAuthenticated, or TooManyRequests when sign-ins from there fail too often.

        Leaves the event loop only for keys not seen a moment ago. `host` is where the request came from.
        """
        return self._caller(await self.key(token, host=host), host)

    async def caller_of(self, key_id: UUID, *, host: str = "") -> Caller:
        """Find the caller behind a key that opened a session; raises NotAuthenticated when it is over."""
        return self._caller(await self._key(key_id, "", host), host)

    async def key(self, token: str, *, host: str = "") -> ApiKey:
        """Find the key behind a token; raises as `caller` does."""
        try:
            return await self._key(self._reference(token), token, host)
        except NotAuthenticated as error:
            raise self.sign_ins.failed(host, error) from None

    def _caller(self, key: ApiKey, host: str) -> Caller:
        self._note_use(key.id)
        return Caller(
            key.tenant_id,
            key.id,
            key.permissions,
            name=key.name,
            from_environment=key.from_environment,
            host=host,
        )

    async def _key(self, reference: bytes | UUID, token: str, host: str) -> ApiKey:
        key = self.known.get(reference)
        if key is not None:
            return keys.still_valid(key, now=self._services.clock.now())
        # Whoever shares an address with one who guesses, a proxy's for one, still gets in with a key that is known.
        if not self.known.had(reference):
            self.sign_ins.check(host)
        key = await run_in_threadpool(self._look_up, reference, token)
        self.known.put(reference, key)
        return key

    def close(self) -> None:
        """Write the notes that wait, then end."""
        self._notes.shutdown()

    def _reference(self, token: str) -> bytes | UUID:
        if token.startswith(tokens.PREFIX):
            return tokens.read(self._services.pepper, token, now=self._services.clock.now()).api_key_id
        return keys.digest(self._services.pepper, token)

    def _look_up(self, reference: bytes | UUID, token: str) -> ApiKey:
        if isinstance(reference, UUID):
            return keys.find_key_by_id(self._services, reference)
        return keys.find_key(self._services, token)

    def _note_use(self, key_id: UUID) -> None:
        now = time.monotonic()
        if now < self._noted.get(key_id, 0.0):
            return
        self._noted[key_id] = now + NOTED_SECONDS
        self._notes.submit(self._write_note, key_id)

    def _write_note(self, key_id: UUID) -> None:
        try:
            with self._services.database.write() as tx:
                api_keys.any_tenant_used(tx, key_id, now=self._services.clock.now())
        except PostriderError as error:
            log.debug("key_use.not_noted", key_id=str(key_id), reason=error.detail)


def services_of(request: Request) -> Services:
    """Give the parts that the app works with."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


def require(*permissions: Permission) -> Callable[..., Awaitable[Caller]]:
    """Make the dependency that gives the caller: `Annotated[Caller, Depends(require(Permission.EVENTS_READ))]`.

    It raises NotAuthenticated (401) without a valid key, and NotPermitted (403) naming the first permission that
    the key lacks.
    """

    async def caller(
        request: Request, _given: Annotated[HTTPAuthorizationCredentials | None, Security(SCHEME)]
    ) -> Caller:
        return await authenticate(request, *permissions)

    return caller


async def authenticate(request: Request, *permissions: Permission) -> Caller:
    """Do what `require` does, for handlers without dependencies."""
    authenticator: Authenticator = request.app.state.authenticator
    caller = await authenticator.caller(bearer(request.headers.get("authorization", "")), host=host_of(request))
    key_limit: KeyLimit = request.app.state.key_limit
    key_limit.take(request.scope, caller.api_key_id)
    for permission in permissions:
        if not caller.may(permission):
            raise NotPermitted(f"the API key lacks the permission {permission.value}")
    return caller


def bearer(authorization: str) -> str:
    """Read the token out of an Authorization header; raises NotAuthenticated."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated("send an API key as `Authorization: Bearer <key>`")
    return token
