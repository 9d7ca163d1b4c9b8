"""`postrider listen`: a receiver for trying things out, which prints what arrives."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MARK = "\ue000number\ue000"
_SHOWN = ("webhook-id", "x-moltin-integration-trigger", "x-moltin-secret-key")


def listen(port: int, *, status: int) -> None:
    """Answer every POST on 127.0.0.1 with the status, and print it, until interrupted."""
    with _Server(("127.0.0.1", port), _handler(status)) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/ and answering {status}; Ctrl-C ends", flush=True)  # noqa: T201
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024
    """Deliveries come many at once; the standard library would leave all but five of them waiting."""


def _handler(status: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            shown = "  ".join(f"{name}: {self.headers[name]}" for name in _SHOWN if name in self.headers)
            print(f"{self.command} {self.path}  {shown}\n{_pretty(body)}\n", flush=True)  # noqa: T201
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet: what arrives is printed already."""

    return Handler


def _pretty(body: bytes) -> str:
    try:
        # Numbers are shown as they came: 1.10 stays 1.10.
        parsed = json.loads(body, parse_float=lambda number: f"{_MARK}{number}{_MARK}")
        return json.dumps(parsed, indent=2, ensure_ascii=False).replace(f'"{_MARK}', "").replace(f'{_MARK}"', "")
    except ValueError:
        return repr(body)
