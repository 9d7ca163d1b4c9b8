"""What happens to every request: its id, its line in the log, its count, its size limit, and its last resort."""

from __future__ import annotations

import itertools
import re
import secrets
import time
import traceback

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postrider.pipeline.exact_json import LARGEST

from . import errors, metrics
from .limits import STANDING, headers_of

BODY_LIMIT = LARGEST
REQUEST_ID = "x-request-id"
"""The header, and where a request's scope holds the id."""
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
# A random id a request would be a call into the system each, which costs the event loop its turn.
_PREFIX, _NUMBERS = secrets.token_hex(6), itertools.count(1)
_SERVER_ERROR = 500
_REFUSED = frozenset({401, 403})
_TOO_LARGE = f"the body is larger than {BODY_LIMIT // 1024 // 1024} MiB"

log = structlog.get_logger()


class RequestLog:
    """Stands around the app; answers 500 itself when the app fails without an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Request(scope, receive, send).run(self._app)


class _Request:
    """One request on its way through."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        self.id = given if _ID.match(given) else f"{_PREFIX}-{next(_NUMBERS)}"
        self._scope, self._receive, self._send = scope, receive, send
        scope[REQUEST_ID] = self.id
        self._announced = headers.get("content-length", "")
        self._coding = headers.get("content-encoding", "identity")
        self._received = 0
        self._status = 0
        self._began = time.perf_counter()

    async def run(self, app: ASGIApp) -> None:
        try:
            await app(self._scope, self._limited, self._marked)
        except ClientDisconnect:
            log.debug("request.abandoned", request_id=self.id)
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller gets an answer without its internals
            await self._fail(error)
        finally:
            self._tell()

    async def _limited(self) -> Message:
        if self._coding.strip().lower() not in {"identity", ""}:
            raise HTTPException(415, "Content-Encoding: send the body without a coding")
        if self._announced.isdigit() and int(self._announced) > BODY_LIMIT:
            raise HTTPException(413, _TOO_LARGE)
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > BODY_LIMIT:
            raise HTTPException(413, _TOO_LARGE)
        return message

    async def _marked(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            standing = self._scope.get(STANDING)
            more = headers_of(standing) if standing is not None else ()
            message["headers"] = [*message.get("headers", ()), (REQUEST_ID.encode(), self.id.encode()), *more]
        await self._send(message)

    async def _fail(self, error: Exception) -> None:
        # An exception's text can hold what it failed over, a payload for one: only its kind and place are logged.
        places = traceback.format_tb(error.__traceback__)
        log.error("request.failed", request_id=self.id, error=type(error).__name__, traceback="".join(places))
        if self._status:
            return
        detail = f"something went wrong here; it is in the log under the request id {self.id}"
        await errors.answer(_SERVER_ERROR, [errors.Told(detail)])(self._scope, self._receive, self._marked)

    def _tell(self) -> None:
        route = _route_of(self._scope)
        method, status = self._scope["method"], self._status
        metrics.REQUESTS.labels(method if route != "unmatched" else "", route, status).inc()
        # Who was not let in is told of with its address: the audit log has only what was done.
        refused = {"address": (self._scope.get("client") or ("",))[0]} if status in _REFUSED else {}
        level = log.info if refused or status >= _SERVER_ERROR else log.debug
        duration = round((time.perf_counter() - self._began) * 1000, 1)
        level(
            "request.answered",
            request_id=self.id,
            method=method,
            route=route,
            status=status,
            duration_ms=duration,
            **refused,
        )


def _route_of(scope: Scope) -> str:
    """Name the route by its pattern, never by what was asked for: that could be anything, a secret too."""
    path: str = getattr(scope.get("route"), "path", "unmatched")
    mounted: str = scope.get("root_path", "").removeprefix(scope.get("app_root_path", ""))
    return path if path == "unmatched" else mounted + path
