"""A logged-in STOMP connection with many messages on it, each waiting for its receipt."""

from __future__ import annotations

import itertools
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from stomp.protocol import Protocol11

from postrider.domain.message import Message
from postrider.domain.outcome import Outcome, Verdict

from .network_errors import network_outcome
from .poller import Poller
from .stomp_errors import send_refused
from .stomp_frames import BadFrame, Frame, Frames

CHUNK = 64 * 1024
CHUNKS_A_TURN = 16
LAST_WORDS_SECONDS = 0.5
"""How long a broker that has said that something is wrong may go on to say what."""

DELIVERED = Outcome(Verdict.DELIVERED)
LOST = Outcome(Verdict.TEMPORARY, "connection_lost", "The connection was lost before the broker confirmed the message.")

Outcomes = list[tuple[Message, Outcome]]


@dataclass(frozen=True, slots=True)
class _Sent:
    message: Message
    begins_at: int
    """How many bytes went out on the connection before it."""


class Link:
    """Used by one thread."""

    def __init__(self, sock: socket.socket, frames: Frames, protocol: Protocol11, *, secrets: Sequence[str]) -> None:
        self._sock = sock
        self._frames = frames
        self._protocol = protocol
        self._secrets = secrets
        self._receipts = itertools.count(1)
        self._unanswered: dict[str, _Sent] = {}
        self._written = 0
        self._proven = False
        self._ends_at: float | None = None
        self._wants_to_write = self._has_more = False
        self.stale = False
        """Messages on it may still be answered, but nothing more is to be sent."""
        self.over = False
        """The far side has ended it; the outcomes that came before that still count."""
        self.last_word = LOST
        """What becomes of the messages that are unanswered when it is over."""
        self.silent = False
        """It was kept from earlier, and nothing has come over it since it is in use again."""

    @property
    def backlog(self) -> int:
        """How many bytes wait to go out."""
        return len(self._frames.outgoing)

    @property
    def busy(self) -> bool:
        """Whether messages on it wait for their receipts."""
        return bool(self._unanswered)

    def send(self, destination: str, message: Message) -> None:
        """Queue a message to go out in the next turns."""
        if not self._unanswered:
            self.silent = self._proven
        receipt = str(next(self._receipts))
        self._unanswered[receipt] = _Sent(message, self._written + self.backlog)
        send(self._protocol, destination, message, receipt=receipt)

    def turn(self, poller: Poller, seconds: float) -> Outcomes:
        """Wait up to so many seconds for the connection or a ring, and do what can be done.

        A connection that breaks is `over`; what it said before that counts.
        """
        write = self.backlog > 0 or self._wants_to_write
        ready = poller.wait(self._sock, self._patience(seconds), write=write)
        outcomes: Outcomes = []
        if ready.writable:
            self._try(self._write)
        if ready.readable or ready.writable or self._has_more:
            # Also when writing failed: brokers say why before they close.
            self._try(lambda: self._read(outcomes))
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.over = True
        return outcomes

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (OSError, BadFrame) as error:
            self.over = True
            if self.last_word is LOST:
                self.last_word = _lost(error)

    def forget(self, wanted: Callable[[Message], bool]) -> None:
        """Wait no longer for the receipts of messages that nobody wants to hear of."""
        self._unanswered = {receipt: sent for receipt, sent in self._unanswered.items() if wanted(sent.message)}

    def unsent(self) -> list[Message]:
        """List the messages of which no byte went out."""
        return [sent.message for sent in self._unanswered.values() if sent.begins_at >= self._written]

    def unanswered(self) -> list[Message]:
        """List the messages of which something went out and no receipt came."""
        return [sent.message for sent in self._unanswered.values() if sent.begins_at < self._written]

    def close(self, *, politely: bool = False) -> None:
        """Close the connection; politely says goodbye first, if that can be done at once."""
        if politely and not self.backlog:
            self._protocol.send_frame("DISCONNECT", {})
            with suppress(OSError):
                self._sock.send(self._frames.outgoing)
        self._sock.close()

    def _patience(self, seconds: float) -> float:
        if self._has_more:
            return 0.0
        return seconds if self._ends_at is None else min(seconds, self._ends_at - time.monotonic())

    def _write(self) -> None:
        self._wants_to_write = False
        while self.backlog:
            try:
                count = self._sock.send(bytes(memoryview(self._frames.outgoing)[:CHUNK]))
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return
            del self._frames.outgoing[:count]
            self._written += count

    def _read(self, outcomes: Outcomes) -> None:
        self._has_more = False
        for _ in range(CHUNKS_A_TURN):
            try:
                data = self._sock.recv(CHUNK)
            except (ssl.SSLWantReadError, BlockingIOError):
                return
            except ssl.SSLWantWriteError:
                self._wants_to_write = True
                return
            if not data:
                self.over = True
                return
            self.silent = False
            for frame in self._frames.feed(data):
                outcomes += self._answer(frame)
        # TLS may hold bytes that the socket does not show.
        self._has_more = True

    def _answer(self, frame: Frame) -> Outcomes:
        self._proven = True
        sent = self._unanswered.pop(frame.headers.get("receipt-id", ""), None)
        if frame.cmd == "RECEIPT":
            return [(sent.message, DELIVERED)] if sent else []
        if frame.cmd != "ERROR":
            return []
        self.stale = True
        outcome = send_refused(frame, secrets=self._secrets)
        if sent:
            # The others may yet get answers of their own before the broker closes.
            return [(sent.message, outcome)]
        # It does not say whose fault it was: all on the connection go to one destination as one user. RabbitMQ says
        # such things several times and the telling one last.
        if self.last_word is LOST or outcome.verdict is Verdict.PERMANENT:
            self.last_word = outcome
        if self._ends_at is None:
            self._ends_at = time.monotonic() + LAST_WORDS_SECONDS
        return []


def send(protocol: Protocol11, destination: str, message: Message, *, receipt: str) -> None:
    """Write a message's SEND frame into the frames that the protocol speaks over."""
    headers = {**_headers(message), "persistent": "true", "receipt": receipt}
    protocol.send(destination, message.body, headers=headers)


def _headers(message: Message) -> dict[str, str]:
    named = {
        **dict(message.headers),
        "event-type": message.event_type,
        "webhook-id": str(message.id),
        "attempt": str(message.attempt),
    }
    # stomp.py escapes what would end a header, except NUL and, in 1.1, CR: there is no escape for them.
    return {name: value.replace("\0", "").replace("\r", "") for name, value in named.items()}


def _lost(error: OSError | BadFrame) -> Outcome:
    if isinstance(error, BadFrame):
        return Outcome(Verdict.TEMPORARY, "bad_response", "The answer was not STOMP.")
    said = network_outcome(error, seconds=0)
    return Outcome(Verdict.TEMPORARY, "connection_lost", f"{LOST.detail} ({said.error})")
