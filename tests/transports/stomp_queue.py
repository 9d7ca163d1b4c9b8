"""A transport to STOMP brokers and the configuration of one destination, in the shape in which `trip` takes them."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import Surroundings
from postrider.transports.stomp import StompTransport

PASSWORD = "a-canary-password"


@dataclass
class Destination:
    """Where a test sends."""

    transport: StompTransport
    configuration: Mapping[str, Any]


def destination(
    *addresses: str, guard: Guard | None = None, tls: ssl.SSLContext | None = None, **changes: Any
) -> Destination:
    guard = guard or Guard(["127.0.0.0/8", "::1/128"])
    given = {
        "addresses": list(addresses),
        "destination": "/queue/orders",
        "username": "courier",
        "password": PASSWORD,
    }
    return Destination(StompTransport(Surroundings(HttpEngine(guard), guard), tls), given | changes)


def drain(
    port: int, name: str, count: int, *, login: tuple[str, str] = ("guest", "guest"), host: str = "/"
) -> list[tuple[dict[str, str], bytes]]:
    """Subscribe to a destination of a real broker and take so many messages; header values are not unescaped."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(f"CONNECT\naccept-version:1.1\nhost:{host}\nlogin:{login[0]}\npasscode:{login[1]}\n\n\0".encode())
        sock.sendall(f"SUBSCRIBE\nid:1\nack:auto\ndestination:{name}\n\n\0".encode())
        reader, messages = sock.makefile("rb"), list[tuple[dict[str, str], bytes]]()
        with reader:
            until = time.monotonic() + 10
            while len(messages) < count and time.monotonic() < until:
                command, headers, body = _read(reader)
                if command == "MESSAGE":
                    messages.append((headers, body))
        return messages


def _read(reader: Any) -> tuple[str, dict[str, str], bytes]:
    command = b""
    while not command:
        command = reader.readline().strip()
    headers: dict[str, str] = {}
    while line := reader.readline().rstrip(b"\r\n"):
        name, _, value = line.decode().partition(":")
        headers.setdefault(name, value)
    body = reader.read(int(headers["content-length"])) if "content-length" in headers else b""
    while reader.read(1) != b"\0":
        pass
    return command.decode(), headers, body
