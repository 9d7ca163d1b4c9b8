"""A flight to a STOMP broker: one thread that owns the connection, sends what is put in and awaits the receipts."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from postrider.domain.message import Message
from postrider.domain.outcome import Landed, Outcome, Verdict
from postrider.domain.ports import FlightLimits

from .guard import Guard
from .ledger import Ledger
from .poller import Poller
from .stomp_link import Link
from .stomp_login import Address, Cancelled, ConnectFailed, Connector, Login
from .watch import Watch

log = structlog.get_logger()

IDLE_SECONDS = 60.0
"""A connection without work is closed after this long, and its thread ends."""
BACKLOG_BYTES = 256 * 1024
"""Messages are drawn while fewer bytes than this wait to go out."""
GRACE_SECONDS = 0.05
"""A connection is given up so long before the first deadline, to tell why, and looked at so long after one."""
JOIN_SECONDS = 1.0

NO_RECEIPT = Outcome(
    Verdict.TEMPORARY, "receipt_timeout", "The broker did not confirm the message before the deadline."
)
FAILED = Outcome(Verdict.TEMPORARY, "internal_error", "The connection failed inside Postrider.")


class StompFlight:
    """Starts its thread with the first message; a deadline holds even where the thread is stuck."""

    def __init__(
        self,
        destination: str,
        addresses: Sequence[Address],
        login: Login,
        *,
        limits: FlightLimits,
        wake: Callable[[], None],
        guard: Guard,
        tls: ssl.SSLContext,
        watch: Watch,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._destination = destination
        self._ledger = Ledger(limits, wake, watch=watch, no_answer=NO_RECEIPT)
        self._connector = Connector(
            addresses, login, guard=guard, tls=tls, cancelled=lambda: self._ledger.closed and self._ledger.empty
        )
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._poller: Poller | None = None
        self._thread: threading.Thread | None = None

    def room(self) -> int:
        return self._ledger.room()

    def put(self, messages: Sequence[Message]) -> None:
        self._ledger.enter(messages)
        with self._lock:
            if self._poller is not None:
                self._poller.ring()
                return
            self._poller = Poller()
            self._thread = threading.Thread(target=self._run, args=(self._poller,), name="postrider-stomp", daemon=True)
            self._thread.start()

    def take(self, wait: float) -> list[Landed]:
        return self._ledger.take(wait)

    def close(self) -> list[UUID]:
        ids = self._ledger.close()
        with self._lock:
            thread = self._thread
            if self._poller is not None:
                self._poller.ring()
        # With messages still in flight the thread goes on, until they landed or their deadlines are over.
        if thread is not None and self._ledger.empty:
            thread.join(JOIN_SECONDS)
        return ids

    def _run(self, poller: Poller) -> None:
        work = _Work(self._destination, self._ledger, self._connector, poller)
        used_at = time.monotonic()
        while True:
            work.step(self._idle_seconds)
            if not self._ledger.empty:
                used_at = time.monotonic()
            elif self._over(idle=time.monotonic() - used_at) and self._leave():
                break
        work.end()

    def _over(self, *, idle: float) -> bool:
        return self._ledger.closed or idle >= self._idle_seconds

    def _leave(self) -> bool:
        """Give up the poller, unless something was put in since the last look."""
        with self._lock:
            if not self._ledger.empty:
                return False
            self._poller = None
            return True


class _Work:
    """What the flight's thread does, step by step."""

    def __init__(self, destination: str, ledger: Ledger, connector: Connector, poller: Poller) -> None:
        self._destination = destination
        self._ledger = ledger
        self._connector = connector
        self._poller = poller
        self._link: Link | None = None
        self._unanswered = ledger.unanswered

    def step(self, idle_seconds: float) -> None:
        """Do what there is to do, or wait for it."""
        began = time.monotonic()
        try:
            if self._link is not None:
                self._use(self._link, idle_seconds)
            elif self._ledger.waiting:
                self._connect()
            else:
                self._poller.wait(None, idle_seconds)
        except ConnectFailed as failed:
            # What was put in meanwhile has a deadline of its own, and gets a connection attempt of its own.
            self._ledger.land_waiting(failed.outcome, put_before=began)
        except Cancelled:
            return
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the thread or lose a message
            # Without the traceback: its frames hold the password.
            log.error("stomp.failed", error=type(error).__name__)  # noqa: TRY400
            self._ledger.land_waiting(FAILED, put_before=began)
            self._drop(FAILED)

    def end(self) -> None:
        if self._link is not None:
            self._link.close(politely=True)
        self._poller.close()

    def _connect(self) -> None:
        due = self._ledger.next_due()
        if due is not None:
            self._link = self._connector.connect(self._poller, until=due - GRACE_SECONDS)

    def _use(self, link: Link, idle_seconds: float) -> None:
        if not link.stale:
            for message in self._ledger.draw(_short_of(BACKLOG_BYTES - link.backlog)):
                link.send(self._destination, message)
        self._ledger.land(link.turn(self._poller, self._patience(idle_seconds)))
        self._forget_overdue(link)
        if link.over or (link.stale and not link.busy):
            self._drop(link.last_word)

    def _patience(self, idle_seconds: float) -> float:
        """Wait no longer than until the next deadline."""
        due = self._ledger.next_due()
        return idle_seconds if due is None else min(idle_seconds, due - time.monotonic() + GRACE_SECONDS)

    def _forget_overdue(self, link: Link) -> None:
        if self._ledger.unanswered != self._unanswered:
            self._unanswered = self._ledger.unanswered
            # A connection that swallows messages gets no more of them.
            link.stale = True
            link.forget(self._ledger.holds)

    def _drop(self, outcome: Outcome) -> None:
        """Close the connection; what is safe to send again at once waits again, the rest has come to its end."""
        link, self._link = self._link, None
        if link is None:
            return
        unanswered = link.unanswered()
        again = link.unsent()
        # A connection that was kept too long is found dead only by using it: that is no news about the broker.
        if link.silent:
            again, unanswered = [*unanswered, *again], []
        refused = self._ledger.put_back(again)
        self._ledger.land((message, outcome) for message in [*unanswered, *refused])
        link.close()


def _short_of(budget: int) -> Callable[[Sequence[Message], Message], bool]:
    """Make the rule that draws until so many bytes are together."""

    def fits(drawn: Sequence[Message], _: Message) -> bool:
        return sum(len(message.body) for message in drawn) < budget

    return fits
