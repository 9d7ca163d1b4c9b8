"""A child that serves HTTP: a free port for it, and the moment when it answers."""

from __future__ import annotations

import socket
import time

import httpx

from .child import BenchFailed, Child


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(child: Child, url: str, *, seconds: float = 60.0) -> None:
    """Return once the URL is answered with success; BenchFailed when the child ended or takes too long."""
    give_up_at = time.monotonic() + seconds
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < give_up_at:
            child.check()
            try:
                if client.get(url).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
    raise BenchFailed(f"{child.name} was not ready in {seconds:g} s")
