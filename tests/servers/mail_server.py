"""A real mail server, aiosmtpd, that keeps what it takes and refuses what it is told to; and one for bad manners."""

# ruff: noqa: ARG002 - aiosmtpd says what it calls, and with what

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from servers.loop import LoopThread, end_listening
from servers.process import free_port

Rule = Callable[[Envelope], str | None]
"""Gives the reply with which a step is refused, or None to take it."""
Manners = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def take(_: Envelope) -> None:
    """Refuse nothing."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it was handed in."""

    sender: str
    receivers: tuple[str, ...]
    content: bytes
    tls: bool
    username: str | None
    name: str  # how the client called itself
    connection: int  # counts from 1: the same number, the same connection

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.content, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class MailServer:
    """Takes every mail until told otherwise; the rules may be set from any thread at any time."""

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        from_the_start: bool = False,
        login: tuple[str, str] | None = None,
        mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN"),
        host: str = "127.0.0.1",
    ) -> None:
        """Take what STARTTLS uses, or each connection `from_the_start`, and who may log in; None: nobody has to."""
        self.host = host
        self.port = free_port()
        self.on_mail: Rule = take
        self.on_receiver: Rule = take
        self.on_data: Rule = take
        self.hanging = False
        """From the next MAIL on nothing is answered."""
        self.connections = 0
        self._tls = tls
        self._from_the_start = from_the_start
        self._login = login
        self._left_out = {"PLAIN", "LOGIN"} - set(mechanisms)
        self._lock = threading.Lock()
        self._mails: list[Mail] = []

    def __enter__(self) -> Self:
        self._thread = LoopThread("mail")
        self._listener = self._thread.run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(end_listening(self._listener))
        self._thread.close()

    @property
    def mails(self) -> list[Mail]:
        with self._lock:
            return list(self._mails)

    async def _listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        tls = self._tls if self._from_the_start else None
        return await loop.create_server(self._protocol, self.host, self.port, ssl=tls)

    def _protocol(self) -> SMTP:
        self.connections += 1
        return SMTP(
            _Handler(self, self.connections),
            hostname="mail.test",
            loop=asyncio.get_running_loop(),
            data_size_limit=None,
            tls_context=None if self._from_the_start else self._tls,
            require_starttls=self._tls is not None and not self._from_the_start,
            # aiosmtpd takes a connection that is TLS from the start for one in clear, and warns of passwords in it.
            auth_required=self._login is not None and not self._from_the_start,
            auth_require_tls=self._tls is not None and not self._from_the_start,
            auth_exclude_mechanism=self._left_out,
            authenticator=self._check,
        )

    def _check(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        known = self._login == (given.login.decode(), given.password.decode())
        return AuthResult(success=known, auth_data=given.login.decode(), handled=False)

    def keep(self, mail: Mail) -> None:
        with self._lock:
            self._mails.append(mail)


class _Handler:
    """What aiosmtpd asks at each step of one connection."""

    def __init__(self, server: MailServer, connection: int) -> None:
        self._server = server
        self._connection = connection

    async def handle_MAIL(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._server.hanging:
            await asyncio.Event().wait()
        envelope.mail_from = address
        refusal = self._server.on_mail(envelope)
        if refusal is not None:
            envelope.mail_from = None
        return refusal or "250 2.1.0 Sender ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = self._server.on_receiver(envelope)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 2.1.5 Recipient ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        refusal = self._server.on_data(envelope)
        if refusal is None:
            self._server.keep(
                Mail(
                    envelope.mail_from or "",
                    tuple(envelope.rcpt_tos),
                    bytes(envelope.content or b""),
                    session.ssl is not None,
                    session.auth_data,
                    session.host_name or "",
                    self._connection,
                )
            )
        return refusal or "250 2.0.0 Queued as 4BQ7x1"


class RudeServer:
    """Treats each connection as a coroutine function does; for what no mail server does."""

    host = "127.0.0.1"

    def __init__(self, manners: Manners) -> None:
        self.port = free_port()
        self._manners = manners

    def __enter__(self) -> Self:
        self._thread = LoopThread("rude mail")
        self._listener = self._thread.run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(end_listening(self._listener))
        self._thread.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, self.host, self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._manners(reader, writer)
        except (OSError, asyncio.CancelledError):
            return
        finally:
            writer.transport.abort()
