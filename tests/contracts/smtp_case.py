"""SMTP's place in the contract suite: a real mail server that speaks TLS and wants a login."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import trustme
from contracts.cases import SIGNING_SECRET, Case
from servers.mail_server import MailServer, take

from postrider.domain.message import Message, payload_of
from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import ConfiguredTransport, Surroundings
from postrider.transports.smtp import SmtpTransport

USERNAME, PASSWORD = "courier@shop.test", 'canary-"päss"/word'


@dataclass
class SmtpFarSide:
    """A mail server and a transport that may connect to it."""

    stack: ExitStack
    server: MailServer = field(init=False)
    secrets: tuple[str, ...] = (PASSWORD, SIGNING_SECRET)

    def __post_init__(self) -> None:
        authority = trustme.CA()
        theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(theirs)
        self._tls = ssl.create_default_context()
        authority.configure_trust(self._tls)
        self.listening = self.stack.enter_context(ExitStack())
        self.server = self.listening.enter_context(MailServer(theirs, login=(USERNAME, PASSWORD)))
        self.transport = self._with(Guard(["127.0.0.0/8"]))
        self.configuration = {
            "host": self.server.host,
            "port": self.server.port,
            "username": USERNAME,
            "password": PASSWORD,
            "default_sender_email": "orders@shop.test",
            "default_sender_name": "The Shop",
            "to": "ada@customer.test",
            "text": "{{ delivery.id }} {{ payload | tojson }}",
        }

    def _with(self, guard: Guard) -> ConfiguredTransport:
        return SmtpTransport(Surroundings(HttpEngine(guard), guard), self._tls)

    def succeed(self) -> None:
        self.server.on_data, self.server.hanging = take, False

    def fail(self) -> None:
        self.server.on_data = lambda _: f"554 5.7.1 I was told {' '.join(self.secrets)}"

    def hang(self) -> None:
        self.server.hanging = True

    def vanish(self) -> None:
        self.listening.close()

    def received(self) -> list[bytes]:
        return [mail.message.get_content().rstrip("\r\n").encode() for mail in self.server.mails]

    def guarded(self) -> ConfiguredTransport:
        return self._with(Guard())


def arrives(message: Message) -> bytes:
    return f"{json.loads(message.body)['delivery']['id']} {payload_of(message.body).decode()}".encode()


@contextmanager
def far_side() -> Iterator[SmtpFarSide]:
    with ExitStack() as stack:
        yield SmtpFarSide(stack)


CASE = Case("smtp", far_side, arrives=arrives)
