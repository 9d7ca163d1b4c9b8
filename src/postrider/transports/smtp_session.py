"""A conversation with a mail server: looked up, asked the guard about, secured, logged in, all within a deadline.

smtplib writes the commands and reads what EHLO says; connecting and waiting are ours. Its own timeouts begin anew with
each byte, it takes long replies for refusals, and it would look this machine's name up.
"""

from __future__ import annotations

import base64
import re
import smtplib
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

from .guard import AddressRefused, Guard
from .resolver import socket_addresses
from .smtp_mail import Mail

LONGEST_REPLY = 64 * 1024
CHUNK = 16 * 1024

_REPLY = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\n]*))?")
_LINE_START_DOT = re.compile(rb"(?m)^\.")
# RFC 5321, 4.2.1: the first digit says what became of a command, and a client needs no more.
_DONE, _GO_ON = 2, 3


class Refused(Exception):  # noqa: N818 - it reads as what happened
    """The server answered a step with a code that says no."""

    def __init__(self, step: str, code: int, text: str) -> None:
        super().__init__(step, code)
        self.step = step
        """What it said no to, as a part of a sentence."""
        self.code = code
        self.text = text


class Unfit(Exception):  # noqa: N818 - it reads as what happened
    """The server does not offer what is needed; it will not until somebody changes something."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(error)
        self.error = error
        self.detail = detail


class BadReply(Exception):  # noqa: N818 - it reads as what happened
    """What the server said is not SMTP."""


class Hung(Exception):  # noqa: N818 - it reads as what happened
    """The server closed the connection in the place of an answer."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in, who we are there, and how we call ourselves."""

    host: str
    port: int
    tls_from_start: bool
    """Else it begins with STARTTLS."""
    name: str
    username: str | None
    password: str | None = field(repr=False)


class Session(smtplib.SMTP):
    """One connection, which ends by its deadline; made by `open_session`."""

    def __init__(self, sock: socket.socket, name: str, *, until: float) -> None:
        super().__init__(local_hostname=name)
        self.sock: socket.socket = sock
        self.fresh = True
        """Nothing was handed in over it yet."""
        self._until = until
        self._came = bytearray()

    def introduce(self) -> None:
        self.expect("the greeting", self.ehlo(), _DONE)

    def secure(self, tls: ssl.SSLContext, host: str) -> None:
        self.expect("STARTTLS", self.docmd("STARTTLS"), _DONE)
        if self._came:
            # Said in clear by who knows whom, to be read as if it had come through TLS.
            raise BadReply
        self.sock = _secured(self.sock, tls, host, until=self._until)
        self.introduce()

    def log_in(self, username: str, password: str) -> None:
        offered = self.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            answer = self.docmd("AUTH", f"PLAIN {_base64(f'{chr(0)}{username}{chr(0)}{password}')}")
        elif "LOGIN" in offered:
            self.expect("the login", self.docmd("AUTH", "LOGIN"), _GO_ON)
            self.expect("the login", self.docmd(_base64(username)), _GO_ON)
            answer = self.docmd(_base64(password))
        else:
            raise Unfit("login_not_offered", "The server offers no login by PLAIN or LOGIN on this port.")
        self.expect("the login", answer, _DONE)

    def hand_in(self, mail: Mail) -> tuple[int, str]:
        """Send a mail; give the code and the text by which the server took it."""
        body = _LINE_START_DOT.sub(b"..", mail.content)
        size = f" SIZE={len(body)}" if self.has_extn("size") else ""
        self.expect("the sender", self.docmd("MAIL", f"FROM:<{mail.sender}>{size}"), _DONE)
        self.fresh = False
        self.expect("the recipient", self.docmd("RCPT", f"TO:<{mail.to}>"), _DONE)
        self.expect("the mail", self.docmd("DATA"), _GO_ON)
        self.send(body + b".\r\n")
        answer = self.getreply()
        self.expect("the mail", answer, _DONE)
        return answer[0], _text(answer[1])

    def forget(self) -> None:
        """Begin anew after a mail that was refused."""
        self.expect("a fresh start", self.docmd("RSET"), _DONE)

    def expect(self, step: str, answer: tuple[int, bytes], first_digit: int) -> None:
        if answer[0] // 100 != first_digit:
            raise Refused(step, answer[0], _text(answer[1]))

    def bow_out(self) -> None:
        """Say good-bye, without waiting for the answer, and close."""
        with suppress(OSError):
            self.putcmd("QUIT")
        self.sock.close()

    def send(self, s: str | bytes | bytearray) -> None:  # type: ignore[override]
        data = memoryview(s.encode() if isinstance(s, str) else s)
        for begin in range(0, len(data), CHUNK):
            self.sock.settimeout(_left(self._until))
            self.sock.sendall(data[begin : begin + CHUNK])

    def getreply(self) -> tuple[int, bytes]:
        lines, length = list[bytes](), 0
        while True:
            line = self._line()
            length += len(line)
            parts = _REPLY.fullmatch(line)
            if parts is None or length > LONGEST_REPLY:
                raise BadReply
            lines.append(parts[3] or b"")
            if parts[2] != b"-":
                return int(parts[1]), b"\n".join(lines)

    def _line(self) -> bytes:
        while b"\n" not in self._came:
            if len(self._came) > LONGEST_REPLY:
                raise BadReply
            self.sock.settimeout(_left(self._until))
            data = self.sock.recv(CHUNK)
            if not data:
                raise Hung
            self._came += data
        line, _, rest = bytes(self._came).partition(b"\n")
        self._came = bytearray(rest)
        return line.removesuffix(b"\r")


def open_session(server: Server, *, guard: Guard, tls: ssl.SSLContext, until: float) -> Session:
    """Connect, secure the connection and log in, by a monotonic time.

    Raises AddressRefused, OSError, and this file's own exceptions.
    """
    sock = _reach(server.host, server.port, guard=guard, until=until)
    if server.tls_from_start:
        sock = _secured(sock, tls, server.host, until=until)
    session = Session(sock, server.name, until=until)
    try:
        session.expect("the connection", session.getreply(), _DONE)
        session.introduce()
        if not server.tls_from_start:
            _secure(session, tls, server.host)
        if server.username is not None:
            session.log_in(server.username, server.password or "")
    except BaseException:
        session.sock.close()
        raise
    return session


def _secure(session: Session, tls: ssl.SSLContext, host: str) -> None:
    """Switch to TLS; without it goes only what does not leave this machine, which only the operator can allow."""
    if session.has_extn("starttls"):
        session.secure(tls, host)
    elif not ip_address(session.sock.getpeername()[0]).is_loopback:
        raise Unfit("tls_not_offered", "The server does not offer STARTTLS, and nothing is sent in clear.")


def _reach(host: str, port: int, *, guard: Guard, until: float) -> socket.socket:
    """Connect to the first of the name's addresses that may be connected to and answers."""
    errors: list[OSError] = []
    targets = socket_addresses(host, port, seconds=_left(until))
    for tried, (family, target) in enumerate(targets):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            guard.check(target[0])
            sock.settimeout(_left(until) / (len(targets) - tried))
            sock.connect(target)
            # What counts is who is at the other end; nothing has been said to them so far.
            guard.check(sock.getpeername()[0])
        except OSError as error:
            sock.close()
            errors.append(error)
        else:
            return sock
    raise next((error for error in errors if not isinstance(error, AddressRefused)), errors[0])


def _secured(sock: socket.socket, tls: ssl.SSLContext, host: str, *, until: float) -> ssl.SSLSocket:
    try:
        sock.settimeout(_left(until))
        return tls.wrap_socket(sock, server_hostname=host.removesuffix("."))
    except BaseException:
        sock.close()
        raise


def _left(until: float) -> float:
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace").replace("\x00", "")
