"""Waits for one socket and for a ring from other threads, whichever comes first."""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """What a wait came to; all False when its time was over."""

    rung: bool = False
    readable: bool = False
    writable: bool = False


class Poller:
    """Used by one thread, except for `ring`."""

    def __init__(self) -> None:
        self._ear, self._bell = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ear, selectors.EVENT_READ)

    def ring(self) -> None:
        """End the wait that is under way, or the next one; from any thread."""
        # A full pipe has rung already.
        with suppress(BlockingIOError):
            self._bell.send(b"!")

    def wait(self, sock: socket.socket | None, seconds: float, *, read: bool = True, write: bool = False) -> Ready:
        events = (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
        if sock is None or not events:
            return self._select(None, seconds)
        self._selector.register(sock, events)
        try:
            return self._select(sock, seconds)
        finally:
            self._selector.unregister(sock)

    def close(self) -> None:
        self._selector.close()
        self._ear.close()
        self._bell.close()

    def _select(self, sock: socket.socket | None, seconds: float) -> Ready:
        rung = readable = writable = False
        for key, events in self._selector.select(max(0.0, seconds)):
            if key.fileobj is sock:
                readable, writable = bool(events & selectors.EVENT_READ), bool(events & selectors.EVENT_WRITE)
            else:
                rung = True
                with suppress(BlockingIOError):
                    self._ear.recv(4096)
        return Ready(rung, readable, writable)
