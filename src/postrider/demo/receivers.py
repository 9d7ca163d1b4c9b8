"""Receivers to deliver to: one that answers at once, one that takes its time, and one that has moved away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
PATH = "/orders"
SLOW_SECONDS = 1.0
IDLE_SECONDS = 60

Answer = tuple[int, dict[str, str]]
"""A status, and what the body says."""


class Receiver:
    """A receiver in threads of its own, which end with the process."""

    def __init__(self, port: int, answer: Callable[[], Answer]) -> None:
        """Take the port, or any free one when it is taken or 0."""
        self._server = _listen(port, _handler(answer))
        threading.Thread(target=self._server.serve_forever, name="demo-receiver", daemon=True).start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}{PATH}"


def answer_at_once() -> Answer:
    return 200, {"status": "ok"}


def answer_slowly() -> Answer:
    time.sleep(SLOW_SECONDS)
    return 200, {"status": "ok", "message": "Sorry for the wait."}


def has_moved(to: str) -> Callable[[], Answer]:
    """Make the answer of a receiver that is elsewhere now, and says so to whoever reads its answers."""
    message = f"Orders are not booked here any more. This address has moved to {to}"
    return lambda: (500, {"error": "moved", "message": message})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _listen(port: int, handler: type[BaseHTTPRequestHandler]) -> _Server:
    try:
        return _Server((HOST, port), handler)
    except OSError:
        return _Server((HOST, 0), handler)


def _handler(answer: Callable[[], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_SECONDS

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, said = answer()
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet: the dashboard tells what arrived."""

    return Handler
