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

from multidict import CIMultiDict
from yarl import URL

from postrider.domain.integration import Integration

from .http import HttpEngine
from .http_failure import HttpFailure
from .http_message import Answer, Request, header_value
from .provider_http import AGENT, FORM, address, bearer, form_body, member, said
from .scrub import forms, scrub
from .url import http_url

MOST_SESSIONS = 10_000
REFUSAL_SECONDS = 30.0
"""For so long nobody is sent to try the same password again: an account is locked after a few."""
SHUT_SECONDS = 2.0
"""The same for a door that does not work: who waits before it is told so, and does not knock, one after the other."""

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
    written: tuple[str, ...] = field(repr=False)
    """The token in all the forms that an answer could repeat it in."""


class Session:
    """One integration's pass, for all of its messages; used on the engine's loop alone."""

    def __init__(self, engine: HttpEngine, credentials: Credentials) -> None:
        self._engine = engine
        self._credentials = credentials
        self._pass: Pass | None = None
        self._shut: tuple[Answer | HttpFailure, float] | None = None
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
                return _without(answer, entered)
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
            if self._shut is None or time.monotonic() >= self._shut[1]:
                return await self._knock(until)
            if isinstance(self._shut[0], HttpFailure):
                raise self._shut[0]
            return self._shut[0]

    async def _knock(self, until: float) -> Pass | Answer:
        self._shut = None
        try:
            answer = await self._engine.exchange(self._request(), seconds=_left(until))
            if answer.status != HTTPStatus.OK:
                self._shut = (answer, time.monotonic() + _seconds_shut(answer))
                return answer
            self._pass = self._read(answer)
        except HttpFailure as failure:
            # Out of time is who knocked, with little left, and not the door.
            if failure.error != "timeout":
                self._shut = (failure, time.monotonic() + SHUT_SECONDS)
            raise
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

    def _read(self, answer: Answer) -> Pass:
        body = said(answer)
        token, instance = member(body, "access_token"), member(body, "instance_url")
        # The answer itself holds the token: no word of it is told.
        failure = HttpFailure("bad_response", "Salesforce's login gave no token, or no address to use it at.")
        if not isinstance(token, str) or not isinstance(instance, str):
            raise failure
        try:
            header_value(token)
            url = http_url(instance)
        except ValueError:
            raise failure from None
        if http_url(self._credentials.url).scheme == "https" and url.scheme != "https":
            raise HttpFailure("bad_response", "Salesforce's login leads to an address without TLS.")
        return Pass(url.origin(), token, forms([token]))


def session_is_over(answer: Answer) -> bool:
    """Tell whether an answer says that the pass is none any more."""
    return answer.status == HTTPStatus.UNAUTHORIZED and member(said(answer), 0, "errorCode") == _SESSION_OVER


def _seconds_shut(answer: Answer) -> float:
    refused = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    return REFUSAL_SECONDS if answer.status in refused else SHUT_SECONDS


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.001)


def _let_in(request: Request, entered: Pass) -> Request:
    headers = [header for header in request.headers if header[0].lower() != _AUTHORIZATION]
    url = entered.instance.join(request.url.relative())
    return replace(request, url=url, headers=(*headers, bearer(entered.token)))


def _without(answer: Answer, entered: Pass) -> Answer:
    """Take the token out of an answer: it is a secret that no configuration has."""
    # One character a byte, so that all other bytes stay what they are: the token and its forms are ASCII.
    body = scrub(answer.body.decode("latin-1"), entered.written, cut=answer.cut).encode("latin-1")
    headers = CIMultiDict((name, scrub(value, entered.written)) for name, value in answer.headers.items())
    return replace(answer, headers=headers, body=body)


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
