"""A listener on every address of the machine: it answers HTTP, STOMP and SMTP, and notes who was connected to."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Collection
from ipaddress import IPv6Address
from typing import Self

BANNER = "the-inner-banner"
"""Stands in every answer that is given at an address inside."""
SILENCE_SECONDS = 1.0
"""Who says nothing for so long waits for a mail server's greeting."""


class Listener:
    """At the `public` addresses it refuses what is sent, so that it is tried again; at all others it takes it."""

    def __init__(self, port: int, *, public: Collection[str]) -> None:
        self.connections: Counter[str] = Counter()
        """By the address that was connected to."""
        self._guard = threading.Lock()
        self._server = _Server(port, self, public)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="listener", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def note(self, address: str) -> None:
        with self._guard:
            self.connections[address] += 1


class _Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, listener: Listener, public: Collection[str]) -> None:
        self.listener, self.public = listener, public
        super().__init__(("::", port), _Talk)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _Talk(socketserver.StreamRequestHandler):
    server: _Server
    timeout = 10

    def handle(self) -> None:
        address = IPv6Address(self.connection.getsockname()[0])
        here = str(address.ipv4_mapped or address)
        self.server.listener.note(here)
        if not select.select([self.connection], [], [], SILENCE_SECONDS)[0]:
            self._talk_smtp(public=here in self.server.public)
            return
        first = self.rfile.readline().strip()
        if first == b"CONNECT":
            self._talk_stomp(public=here in self.server.public)
        elif first:
            self._talk_http(public=here in self.server.public)

    def _talk_http(self, *, public: bool) -> None:
        length = 0
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)
        status, body = (b"503 Later", b"later") if public else (b"200 OK", BANNER.encode())
        self.wfile.write(
            b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
        )

    def _talk_stomp(self, *, public: bool) -> None:
        self._frame()
        self.wfile.write(b"CONNECTED\nversion:1.2\n\n\0")
        headers = self._frame()
        if public:
            self.wfile.write(b"ERROR\nmessage:later\n\n\0")
        elif b"receipt" in headers:
            self.wfile.write(b"RECEIPT\nreceipt-id:%s\nsaid:%s\n\n\0" % (headers[b"receipt"], BANNER.encode()))

    def _talk_smtp(self, *, public: bool) -> None:
        if public:
            self.wfile.write(b"451 4.3.2 later\r\n")
            return
        self.wfile.write(b"220 %s\r\n" % BANNER.encode())
        while self.rfile.readline():
            self.wfile.write(b"250 %s\r\n" % BANNER.encode())

    def _frame(self) -> dict[bytes, bytes]:
        """Read what is left of a frame, or a whole one."""
        headers: dict[bytes, bytes] = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b":")
            headers[name] = value
        self.rfile.read(int(headers.get(b"content-length", 0)))
        while self.rfile.read(1) not in {b"\0", b""}:
            pass
        return headers
