"""SMTP: each message is sent as a mail by the integration's own mail server."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from postrider.domain.exhibit import Exhibit, only_note
from postrider.domain.integration import Integration
from postrider.domain.message import Dialect, Message
from postrider.domain.ports import FlightLimits

from .configuration import Secret, TransportConfiguration
from .mail import (
    CUSTOMERS_MAIL,
    EVENT_TYPE,
    WHAT_HAPPENED,
    Html,
    Mailbox,
    MailConfiguration,
    PersonName,
    Subject,
    Text,
    To,
    mail_address,
)
from .registry import Surroundings
from .scrub import secrets_of
from .smtp_flight import Courier, mail_flight
from .smtp_mail import Mail, mail_of
from .smtp_session import Server
from .template_language import TemplateFailed
from .threaded import ThreadedFlight
from .url import plain_host
from .watch import Watch

PORT = 587
HIGHEST_PORT = 65535
LONGEST_TEXT = 1024
BEFORE_ENCODING = "Shown before it is encoded for the way; the date is that of sending."


def _check_host(text: str) -> str:
    plain_host(text)
    return text


def _check_login(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not have NUL in it")
    return text


_Host = Annotated[str, AfterValidator(_check_host)]
_Login = Annotated[str, AfterValidator(_check_login), Field(min_length=1, max_length=LONGEST_TEXT)]


TLS_PORT = 465
"""Of the service `submissions`, in which TLS comes before all else (RFC 8314)."""


class SmtpConfiguration(MailConfiguration):
    """Which server takes the mail, who we are there, who the mail is from, and what it says."""

    host: _Host | None = Field(
        None,
        title="Host",
        description="The mail server; without it the sending domain is the host.",
        examples=["smtp.example.com"],
    )
    port: int = Field(
        PORT,
        title="Port",
        description="465: TLS from the start; any other: STARTTLS, without which nothing is sent.",
        ge=1,
        le=HIGHEST_PORT,
    )
    username: _Login | None = Field(None, title="User name", description="Who may send there.")
    password: Annotated[_Login | None, Secret(sent_to=("host", "port", "sending_domain"))] = Field(
        None, title="Password", description="The user's password."
    )
    sending_domain: _Host | None = Field(
        None,
        title="Sending domain",
        description="How Postrider calls itself to the server and in Message-ID; without it by the sender's domain.",
        examples=["example.com"],
    )
    default_sender_email: Mailbox = Field(
        title="Sender's address", description="Who the mail is from.", examples=["orders@example.com"]
    )
    default_sender_name: PersonName | None = Field(
        None, title="Sender's name", description="The name beside the sender's address."
    )
    to: To = CUSTOMERS_MAIL
    subject: Subject = EVENT_TYPE
    text: Text = WHAT_HAPPENED
    html: Html = None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.host is None and self.sending_domain is None:
            raise ValueError("needs a host, or a sending_domain that is the host")
        if (self.username is None) != (self.password is None):
            raise ValueError("needs username and password together, or neither")
        return self

    @property
    def domain(self) -> str:
        """How we call ourselves."""
        own = mail_address(self.default_sender_email).rpartition("@")[2]
        return plain_host(self.sending_domain) if self.sending_domain else own

    @property
    def mail_host(self) -> str:
        """Where mail is handed in."""
        return plain_host(self.host or self.sending_domain or "")

    def server(self, *, tls_port: int) -> Server:
        """Give the server, which speaks TLS from the start when it listens on `tls_port`."""
        tls = self.port == tls_port
        return Server(self.mail_host, self.port, tls, self.domain, self.username, self.password)

    def mail(self, message: Message) -> Mail:
        """Write a message's mail; raises TemplateFailed."""
        return mail_of(
            self.letter(message.body),
            sender=mail_address(self.default_sender_email),
            sender_name=self.default_sender_name,
            domain=self.domain,
            delivery_id=message.id,
            now=datetime.now(UTC),
        )


class SmtpTransport:
    """The way out by mail."""

    type_name: ClassVar[str] = "smtp"
    dialect: ClassVar[Dialect] = Dialect.TEMPLATED
    body_limit: ClassVar[int | None] = None
    configuration_model: ClassVar[type[TransportConfiguration]] = SmtpConfiguration

    def __init__(
        self, surroundings: Surroundings, tls: ssl.SSLContext | None = None, *, tls_port: int = TLS_PORT
    ) -> None:
        """Take which certificates to trust as `tls`: the system's when None."""
        self._tls_port = tls_port
        self._guard = surroundings.guard
        self._tls = tls or ssl.create_default_context()
        self._watch = Watch()

    def open(self, integration: Integration, limits: FlightLimits, wake: Callable[[], None]) -> ThreadedFlight:
        configuration = SmtpConfiguration.parse(integration.configuration)
        courier = Courier(
            configuration.server(tls_port=self._tls_port),
            configuration.mail,
            guard=self._guard,
            tls=self._tls,
            secrets=secrets_of(integration, SmtpConfiguration),
        )
        return mail_flight(courier, limits, wake, watch=self._watch)

    def exhibit(self, integration: Integration, message: Message) -> Exhibit:
        configuration = SmtpConfiguration.parse(integration.configuration)
        try:
            mail = configuration.mail(message)
        except TemplateFailed as error:
            return only_note(error.problem)
        title = f"MAIL {mail.to} by {configuration.mail_host}:{configuration.port}"
        return Exhibit("smtp", title, mail.headers, mail.text, note=BEFORE_ENCODING)
