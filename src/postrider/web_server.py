"""The one place where the web server is set up: how slow, how long-winded and how many its clients may be.

uvicorn has no deadline for a request, and no bound for its head: a client that sends a byte now and then would keep its
connection for ever, and one that never ends its head would fill the memory.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.events import TimerHandle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState
from uvicorn.supervisors import Multiprocess

from postrider.domain.quota import Quota
from postrider.settings import Settings
from postrider.web import errors
from postrider.web.limits import Limits
from postrider.web.request_log import BODY_LIMIT

REDIS_SCHEMES = ("redis://", "rediss://")
KEEP_ALIVE_SECONDS = 30
HEAD_BYTES = 64 * 1024
MESSAGE_BYTES = 2 * BODY_LIMIT + HEAD_BYTES
"""Of a whole request on the wire: bodies that come in chunks are longer there."""
LINGER_SECONDS = 1.0
"""How long a client that was told an error may take to read it."""
_LOOKUP = b"LOOKUP "
_INSTEAD = b"SEARCH "
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """What the server puts up with."""

    request_seconds: float
    """For sending a request, head and body, and for taking any 64 KiB of the answer."""
    connections: int
    """At once, in one process."""


def patience(settings: Settings) -> Patience:
    """Read what the server puts up with."""
    return Patience(settings.request_seconds, settings.connections)


def limits(settings: Settings) -> Limits:
    """Read how much the web app lets its callers do."""
    rate, broker = settings.rate(), settings.broker_url.get_secret_value()
    url = settings.rate_limit_redis_url.get_secret_value() or broker
    return Limits(
        requests=None if rate is None else Quota(*rate),
        redis_url=url if url.startswith(REDIS_SCHEMES) else None,
        failed_sign_ins=settings.failed_sign_ins,
    )


class WebConfig(uvicorn.Config):
    """uvicorn's configuration as all our servers have it."""

    def __init__(self, app: Any, *, patience: Patience, **options: Any) -> None:
        super().__init__(
            app,
            http=PatientProtocol,
            ws="none",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            **options,
        )
        self.patience = patience


def serve(app: str, *, host: str, port: int, processes: int, patience: Patience) -> None:
    """Run the app's factory in so many processes, until a signal ends them; exits when it cannot start."""
    config = WebConfig(
        app, patience=patience, factory=True, host=host, port=port, workers=processes, timeout_graceful_shutdown=10
    )
    if processes > 1:
        Multiprocess(config, sockets=[config.bind_socket()]).run()
        return
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        sys.exit(3)


class LookupProtocol(HttpToolsProtocol):
    """One connection that takes the method LOOKUP too, of which the parser has never heard.

    The parser is given a method in its place that has a body as well; the app sees what the client said. Requests are
    parsed part by part, so that it is seen where the next one begins; behind a body in chunks that is not known.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._between = True
        self._held = b""
        self._is_lookup = False
        self._in_body = False
        self._body_left: int | None = None
        """Bytes of it; None where only the parser knows."""

    def data_received(self, data: bytes) -> None:
        rest, self._held = self._held + data, b""
        while rest and not self.transport.is_closing():
            if self._between:
                rest = self._known(rest)
            end = self._end_of_part(rest)
            super().data_received(rest[:end])
            rest = rest[end:]

    def on_message_begin(self) -> None:
        self._between, self._in_body = False, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_body = True
        given = dict(self.headers)
        self._body_left = None if b"transfer-encoding" in given else int(given.get(b"content-length", b"0"))
        if self._is_lookup:
            self._is_lookup = False
            # The app's task has this scope and has not begun.
            self.scope["method"] = _LOOKUP.strip().decode()

    def on_body(self, body: bytes) -> None:
        if self._body_left is not None:
            self._body_left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._between = True
        super().on_message_complete()

    def _end_of_part(self, data: bytes) -> int:
        """Tell where the head or the body that this goes on with ends; at the end of it all where that is not known."""
        if not self._in_body:
            end = data.find(_END_OF_HEAD)
            return len(data) if end < 0 else end + len(_END_OF_HEAD)
        return len(data) if not self._body_left else min(self._body_left, len(data))

    def _known(self, data: bytes) -> bytes:
        """Give what the parser may see of a request's beginning: nothing while it can still become a LOOKUP."""
        begun = (self._held + data).lstrip(b"\r\n")
        self._held = b""
        if begun.startswith(_LOOKUP):
            self._is_lookup = True
            return _INSTEAD + begun[len(_LOOKUP) :]
        if _LOOKUP.startswith(begun):
            self._held = begun
            return b""
        return begun


class PatientProtocol(LookupProtocol):
    """One connection: cut off when its client is too slow, sends too much or is one too many."""

    def __init__(
        self,
        config: WebConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._patience = config.patience
        self._request_due: TimerHandle | None = None
        self._answer_due: TimerHandle | None = None
        self._came = 0
        self._in_head = True
        self._turned_away = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self._patience.connections:
            self._turn_away(transport)
            return
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_due = _cancelled(self._request_due)
        self._answer_due = _cancelled(self._answer_due)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._turned_away or self.transport.is_closing():
            return
        # Also for what the parser skips: line breaks between requests end uvicorn's own wait for the next one.
        if self._request_due is None and not self._answering():
            self._await_request()
        self._came += len(data)
        super().data_received(data)
        if self._came > (HEAD_BYTES if self._in_head else MESSAGE_BYTES):
            self._refuse(431 if self._in_head else 413, "the request is too large")

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._request_due = _cancelled(self._request_due)
        self._came, self._in_head = 0, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reader()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._answer_due = _cancelled(self._answer_due)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - what uvicorn would say
        self._refuse(400, "this is not a valid HTTP request")

    def timeout_keep_alive_handler(self) -> None:
        self._leave()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_request(self) -> None:
        self._request_due = self._later(self._patience.request_seconds, self._give_up)

    def _await_reader(self) -> None:
        if self._answer_due is None:
            self._answer_due = self._later(self._patience.request_seconds, self.transport.abort)

    def _give_up(self) -> None:
        self._request_due = None
        if self.flow.read_paused:
            # It is us who do not read: the answer to an earlier request is not ready.
            self._await_request()
        elif self._came:
            self._refuse(408, f"the request was not complete within {self._patience.request_seconds:g} seconds")
        else:
            self._leave()

    def _refuse(self, status: int, detail: str) -> None:
        """Say what is wrong, unless something else is being said, and close."""
        if not self.transport.is_closing() and self._may_speak():
            self.transport.write(_on_the_wire(status, detail))
        self._leave()

    def _may_speak(self) -> bool:
        if self._in_head:
            return not self._answering()
        return self._answering() and not self.cycle.response_started

    def _turn_away(self, transport: asyncio.Transport) -> None:
        self._turned_away, self.transport = True, transport
        transport.write(_on_the_wire(503, "there are too many connections here; come again"))
        # Closing at once would reset the connection under the answer, since the request was not read.
        transport.write_eof()
        self._answer_due = self._later(LINGER_SECONDS, transport.abort)

    def _leave(self) -> None:
        if self.transport.is_closing():
            return
        self.transport.close()
        self._answer_due = _cancelled(self._answer_due)
        self._answer_due = self._later(LINGER_SECONDS, self.transport.abort)

    def _later(self, seconds: float, do: Callable[[], None]) -> TimerHandle:
        return self.loop.call_later(seconds, do)


def _cancelled(timer: TimerHandle | None) -> TimerHandle | None:
    """Give what a timer's attribute holds once it is off."""
    if timer is not None:
        timer.cancel()
    return None


def _on_the_wire(status: int, detail: str) -> bytes:
    """Write an error answer for a request that no app has seen."""
    answer = errors.answer(status, [errors.Told(detail)], headers={"Connection": "close"})
    head = [b"HTTP/1.1 %d %s" % (status, errors.title(status).encode())]
    head += [b"%s: %s" % header for header in answer.raw_headers]
    return b"\r\n".join([*head, b"", bytes(answer.body)])
