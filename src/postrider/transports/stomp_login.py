"""From an address to a logged-in connection: look up, ask the guard, connect, TLS, CONNECT, all within a deadline."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from postrider.domain.outcome import Outcome, Verdict

from .guard import AddressRefused, Guard
from .network_errors import network_outcome
from .poller import Poller
from .resolver import socket_addresses
from .stomp_errors import connect_refused, login_refused
from .stomp_frames import BadFrame, Frame, Frames, protocol_of
from .stomp_link import Link

CHUNK = 16 * 1024

# What CONNECT offers, in turn: CoilMQ refuses 1.2 although it says that it speaks it, and RabbitMQ takes `host` for
# the name of a virtual host, of which "/" is the one that it always has.
_OFFERS = (("1.1,1.2", None), ("1.1", None), ("1.1,1.2", "/"))

_CLOSED = Outcome(Verdict.TEMPORARY, "connection_closed", "The broker closed the connection without an answer.")
_BAD_ANSWER = Outcome(Verdict.TEMPORARY, "bad_response", "The answer was not STOMP.")
_OLD = Outcome(Verdict.PERMANENT, "stomp_version", "The broker speaks neither STOMP 1.1 nor 1.2.")


class ConnectFailed(Exception):  # noqa: N818 - it reads as what happened
    """There is no connection; `outcome` says why."""

    def __init__(self, outcome: Outcome, *, elsewhere: bool = True) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome
        self.elsewhere = elsewhere
        """Another address may do better."""


class Cancelled(Exception):  # noqa: N818 - it reads as what happened
    """Nobody wants the connection any more."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is."""

    host: str
    port: int
    tls: bool
    vhost: str | None
    """What CONNECT's `host` header says; None: the host's name."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are there."""

    username: str | None
    password: str | None = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


class Connector:
    """Makes one flight's connections; remembers which address and which offer did it last time."""

    def __init__(
        self,
        addresses: Sequence[Address],
        login: Login,
        *,
        guard: Guard,
        tls: ssl.SSLContext,
        cancelled: Callable[[], bool],
    ) -> None:
        self._addresses = list(addresses)
        self._offers = list(_OFFERS)
        self._login = login
        self._guard = guard
        self._tls = tls
        self._cancelled = cancelled

    def connect(self, poller: Poller, *, until: float) -> Link:
        """Try the addresses in turn, each with its share of the time that is left; raise ConnectFailed or Cancelled."""
        outcomes: list[Outcome] = []
        for tried, address in enumerate(list(self._addresses)):
            now = time.monotonic()
            share = max(0.0, until - now) / (len(self._addresses) - tried)
            try:
                link = self._log_in(address, poller, until=now + share)
            except ConnectFailed as failed:
                outcomes.append(failed.outcome)
                if failed.elsewhere:
                    continue
                break
            self._prefer(address)
            return link
        raise ConnectFailed(_worth_telling(outcomes))

    def _prefer(self, address: Address) -> None:
        self._addresses.remove(address)
        self._addresses.insert(0, address)

    def _log_in(self, address: Address, poller: Poller, *, until: float) -> Link:
        """Make the offers in turn, each over a connection of its own."""
        refused: Outcome | None = None
        for offer in list(self._offers):
            attempt = _Attempt(address, self._login, poller, until=until, cancelled=self._cancelled)
            answer = attempt.run(offer, guard=self._guard, tls=self._tls)
            if isinstance(answer, Link):
                self._offers.remove(offer)
                self._offers.insert(0, offer)
                return answer
            refused = refused or answer
        raise ConnectFailed(refused or _CLOSED)


def _worth_telling(outcomes: Sequence[Outcome]) -> Outcome:
    """Pick the last that may yet change: the next attempt is worth it as long as one address is."""
    temporary = [outcome for outcome in outcomes if outcome.verdict is Verdict.TEMPORARY]
    return (temporary or outcomes)[-1]


class _Attempt:
    """One connection in the making."""

    def __init__(
        self, address: Address, login: Login, poller: Poller, *, until: float, cancelled: Callable[[], bool]
    ) -> None:
        self._address = address
        self._login = login
        self._poller = poller
        self._until = until
        self._began = time.monotonic()
        self._cancelled = cancelled

    def run(self, offer: tuple[str, str | None], *, guard: Guard, tls: ssl.SSLContext) -> Link | Outcome:
        """Connect and log in; an Outcome when only the offer was refused, ConnectFailed otherwise."""
        sock: socket.socket | None = None
        try:
            sock = self._secure(self._reach(guard), tls)
            answer = self._offer(sock, offer)
        except AddressRefused as error:
            raise ConnectFailed(self._refused(error)) from error
        except OSError as error:
            outcome = network_outcome(error, seconds=max(0.0, self._until - self._began))
            raise ConnectFailed(outcome) from error
        except BadFrame as error:
            raise ConnectFailed(_BAD_ANSWER) from error
        else:
            if isinstance(answer, Link):
                sock = None
            return answer
        finally:
            if sock is not None:
                sock.close()

    def _refused(self, error: AddressRefused) -> Outcome:
        return Outcome(
            Verdict.PERMANENT,
            "address_refused",
            f"{self._address.host} leads to {error.reason}; only the operator can allow that, with "
            "POSTRIDER_ALLOWED_NETWORKS.",
        )

    def _reach(self, guard: Guard) -> socket.socket:
        """Connect to the first of the name's addresses that may be connected to and answers."""
        errors: list[OSError] = []
        targets = socket_addresses(self._address.host, self._address.port, seconds=self._left())
        for tried, (family, target) in enumerate(targets):
            until = time.monotonic() + self._left() / (len(targets) - tried)
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                self._connect(sock, target, guard=guard, until=until)
            except OSError as error:
                sock.close()
                errors.append(error)
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise next((error for error in errors if not isinstance(error, AddressRefused)), errors[0])

    def _connect(self, sock: socket.socket, target: tuple[Any, ...], *, guard: Guard, until: float) -> None:
        guard.check(target[0])
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        code = sock.connect_ex(target)
        if code == errno.EINPROGRESS:
            self._wait(sock, read=False, write=True, until=until)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        # What counts is who is at the other end; nothing has been said to them so far.
        guard.check(sock.getpeername()[0])

    def _secure(self, sock: socket.socket, tls: ssl.SSLContext) -> socket.socket:
        if not self._address.tls:
            return sock
        secured = tls.wrap_socket(
            sock, server_hostname=self._address.host.removesuffix("."), do_handshake_on_connect=False
        )
        try:
            self._shake_hands(secured)
        except BaseException:
            secured.close()
            raise
        return secured

    def _shake_hands(self, sock: ssl.SSLSocket) -> None:
        while True:
            try:
                sock.do_handshake()
            except ssl.SSLWantReadError:
                self._wait(sock)
            except ssl.SSLWantWriteError:
                self._wait(sock, read=False, write=True)
            else:
                return

    def _offer(self, sock: socket.socket, offer: tuple[str, str | None]) -> Link | Outcome:
        versions, host = offer
        vhost = self._address.vhost or host or self._address.host
        frames = Frames(self._address.host, self._address.port, vhost)
        protocol = protocol_of(frames, "1.2")
        assert protocol is not None  # noqa: S101 - 1.2 is one that it knows
        protocol.version = versions
        protocol.connect(self._login.username, self._login.password, with_connect_command=True)
        self._flush(sock, frames)
        return self._read_answer(sock, frames)

    def _flush(self, sock: socket.socket, frames: Frames) -> None:
        while frames.outgoing:
            with suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                del frames.outgoing[: sock.send(frames.outgoing)]
                continue
            self._wait(sock, write=True)

    def _read_answer(self, sock: socket.socket, frames: Frames) -> Link | Outcome:
        for frame in self._frames(sock, frames):
            if frame.cmd == "CONNECTED":
                protocol = protocol_of(frames, frame.headers.get("version", "1.0"))
                if protocol is None:
                    raise ConnectFailed(_OLD)
                return Link(sock, frames, protocol, secrets=self._login.secrets)
            if frame.cmd != "ERROR":
                raise BadFrame
            login_outcome = login_refused(frame, secrets=self._login.secrets)
            if login_outcome is not None:
                # The other addresses know the same users: trying there too would only count against us.
                raise ConnectFailed(login_outcome, elsewhere=False)
            return connect_refused(frame, secrets=self._login.secrets)
        raise ConnectFailed(_CLOSED)

    def _frames(self, sock: socket.socket, frames: Frames) -> Iterator[Frame]:
        """Hand out frames as they come, until the far side closes."""
        while True:
            try:
                data = sock.recv(CHUNK)
            except (ssl.SSLWantReadError, BlockingIOError):
                self._wait(sock)
                continue
            if not data:
                return
            yield from frames.feed(data)

    def _wait(self, sock: socket.socket, *, read: bool = True, write: bool = False, until: float | None = None) -> None:
        while True:
            left = self._left(until)
            ready = self._poller.wait(sock, left, read=read, write=write)
            if self._cancelled():
                raise Cancelled
            if ready.readable or ready.writable:
                return

    def _left(self, until: float | None = None) -> float:
        left = (self._until if until is None else until) - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left
