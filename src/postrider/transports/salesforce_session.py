"""Being let in by Salesforce: OAuth 2.0's password flow, the token kept and shared, and got anew when it is over.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_username_password_flow.htm.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from uuid import UUID

from yarl import URL

from postrider.domain.integration import Integration

from .http import HttpEngine
from .http_failure import HttpFailure
from .http_message import Answer, Request
from .provider_http import AGENT, FORM, address, bearer, form_body, member, said
from .scrub import HIDDEN
from .url import http_url

MOST_SESSIONS = 10_000
REFUSAL_SECONDS = 30.0
"""For so long nobody is sent to try the same password again: an account is locked after a few."""

_SESSION_OVER = "INVALID_SESSION_ID"
_AUTHORIZATION = "authorization"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is shown at the door."""

    url: str
    consumer_key: str
    consumer_secret: str = field(repr=False)
    username: str
    password: str = field(repr=False)
    """With the security token behind it."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What was given at the door."""

    instance: URL
    token: str = field(repr=False)


class Session:
    """One integration's pass, for all of its messages; used on the engine's loop alone."""

    def __init__(self, engine: HttpEngine, credentials: Credentials) -> None:
        self._engine = engine
        self._credentials = credentials
        self._pass: Pass | None = None
        self._refusal: tuple[Answer, float] | None = None
        self._door = asyncio.Lock()

    async def exchange(self, request: Request, *, seconds: float) -> Answer:
        """Get the answer to a request, let in by the pass: once more with a new one when Salesforce says it is over.

        Where nobody is let in, the door's answer is the answer. Raises HttpFailure.
        """
        until = time.monotonic() + seconds
        over: Pass | None = None
        while True:
            entered = await self._enter(instead_of=over, until=until)
            if isinstance(entered, Answer):
                return entered
            answer = await self._engine.exchange(_let_in(request, entered), seconds=_left(until))
            if over is not None or not session_is_over(answer):
                return _without(answer, entered.token)
            over = entered

    async def _enter(self, *, instead_of: Pass | None, until: float) -> Pass | Answer:
        """Give the pass, got anew when it is `instead_of`; or the answer of a door that stays shut."""
        try:
            async with asyncio.timeout(_left(until)):
                return await self._pass_at_the_door(instead_of, until)
        except TimeoutError:
            raise HttpFailure("timeout", "Salesforce's login took longer than the attempt may.") from None

    async def _pass_at_the_door(self, instead_of: Pass | None, until: float) -> Pass | Answer:
        async with self._door:
            if self._pass is not None and self._pass != instead_of:
                return self._pass
            self._pass = None
            if self._refusal is not None and time.monotonic() < self._refusal[1]:
                return self._refusal[0]
            answer = await self._engine.exchange(self._request(), seconds=_left(until))
            if answer.status != HTTPStatus.OK:
                self._note_refusal(answer)
                return answer
            self._pass = self._read(answer)
            return self._pass

    def _request(self) -> Request:
        shown = self._credentials
        fields = [
            ("grant_type", "password"),
            ("client_id", shown.consumer_key),
            ("client_secret", shown.consumer_secret),
            ("username", shown.username),
            ("password", shown.password),
        ]
        return Request("POST", address(shown.url, "/services/oauth2/token"), (FORM, AGENT), form_body(fields))

    def _note_refusal(self, answer: Answer) -> None:
        if answer.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            self._refusal = (answer, time.monotonic() + REFUSAL_SECONDS)

    def _read(self, answer: Answer) -> Pass:
        body = said(answer)
        token, instance = member(body, "access_token"), member(body, "instance_url")
        # The answer itself holds the token: no word of it is told.
        failure = HttpFailure("bad_response", "Salesforce's login gave no token, or no address to use it at.")
        if not isinstance(token, str) or not isinstance(instance, str) or not token:
            raise failure
        try:
            url = http_url(instance)
        except ValueError:
            raise failure from None
        if http_url(self._credentials.url).scheme == "https" and url.scheme != "https":
            raise HttpFailure("bad_response", "Salesforce's login leads to an address without TLS.")
        return Pass(url.origin(), token)


def session_is_over(answer: Answer) -> bool:
    """Tell whether an answer says that the pass is none any more."""
    return answer.status == HTTPStatus.UNAUTHORIZED and member(said(answer), 0, "errorCode") == _SESSION_OVER


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.001)


def _let_in(request: Request, entered: Pass) -> Request:
    headers = [header for header in request.headers if header[0].lower() != _AUTHORIZATION]
    url = entered.instance.join(request.url.relative())
    return replace(request, url=url, headers=(*headers, bearer(entered.token)))


def _without(answer: Answer, token: str) -> Answer:
    """Take the token out of an answer: it is a secret that no configuration has."""
    if token.encode() not in answer.body and not any(token in value for value in answer.headers.values()):
        return answer
    headers = {name: value.replace(token, HIDDEN) for name, value in answer.headers.items()}
    return replace(answer, headers=headers, body=answer.body.replace(token.encode(), HIDDEN.encode()))


class Sessions:
    """The sessions of a process: of each integration the one of its newest version."""

    def __init__(self, engine: HttpEngine) -> None:
        self._engine = engine
        self._kept: dict[UUID, tuple[int, Session]] = {}
        self._lock = threading.Lock()

    def of(self, integration: Integration, credentials: Credentials) -> Session:
        """Give the session of an integration."""
        with self._lock:
            version, session = self._kept.get(integration.id, (-1, None))
            if session is None or version != integration.version:
                session = Session(self._engine, credentials)
            if len(self._kept) >= MOST_SESSIONS:
                self._kept.clear()
            self._kept[integration.id] = (integration.version, session)
            return session
