"""The way out to a STOMP broker: messages go out one behind the other on a kept connection; a RECEIPT is the proof."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from typing import Annotated, ClassVar
from urllib.parse import unquote

from pydantic import AfterValidator, Field

from postrider.domain.exhibit import Exhibit
from postrider.domain.integration import Integration
from postrider.domain.message import Dialect, Message
from postrider.domain.ports import FlightLimits

from .configuration import Secret, TransportConfiguration
from .registry import Surroundings
from .scrub import secrets_of
from .stomp_flight import StompFlight
from .stomp_frames import Frames, Protocol12
from .stomp_link import send
from .stomp_login import Address, Login
from .url import plain_host
from .watch import Watch

PORT = 61613
TLS_PORT = 61614
HIGHEST_PORT = 65535
MOST_ADDRESSES = 10
LONGEST_TEXT = 1024
ON_A_CONNECTION = "In STOMP 1.2, to the first of the addresses that answers; the receipt's number is the connection's."

_ADDRESS = re.compile(
    r"(?P<scheme>stomp(?:\+ssl)?)://(?P<host>\[[^\]/?#@]*\]|[^\[\]:/?#@]*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/(?P<vhost>[^?#\\]*))?"
)
# CONNECT has no escapes, and a NUL ends any frame.
_FRAME_BREAKERS = re.compile(r"[\r\n\0]")


def read_address(text: str) -> Address:
    """Read `stomp://host[:port][/virtual-host]`; ValueError says how it should be written."""
    parts = _ADDRESS.fullmatch(text) if len(text) <= LONGEST_TEXT else None
    if parts is None:
        raise ValueError("must be written stomp://host:port or stomp+ssl://host:port, without user and password")
    tls = parts["scheme"] == "stomp+ssl"
    port = int(parts["port"] or (TLS_PORT if tls else PORT))
    if not 1 <= port <= HIGHEST_PORT:
        raise ValueError(f"must have a port from 1 to {HIGHEST_PORT}, or none")
    host = plain_host(parts["host"]).strip("[]")
    vhost = unquote(parts["vhost"] or "")
    if not vhost.isprintable():
        raise ValueError("must not have control characters in the virtual host")
    return Address(host, port, tls, vhost or None)


def _check_address(text: str) -> str:
    read_address(text)
    return text


def _check_text(text: str) -> str:
    if _FRAME_BREAKERS.search(text):
        raise ValueError("must not have line breaks or NUL in it")
    return text


_Text = Annotated[str, AfterValidator(_check_text)]


class StompConfiguration(TransportConfiguration):
    """Which brokers, which destination, and who we are there."""

    addresses: list[Annotated[str, AfterValidator(_check_address)]] = Field(
        title="Broker addresses",
        description="One or more addresses of the same broker, tried in this order: stomp://host:port, or "
        "stomp+ssl://host:port with TLS. A path names a virtual host, as RabbitMQ has them.",
        examples=[["stomp+ssl://mq-1.example.com:61614", "stomp+ssl://mq-2.example.com:61614"]],
        min_length=1,
        max_length=MOST_ADDRESSES,
    )
    destination: _Text = Field(
        title="Destination",
        description="The queue or topic, as the broker names it.",
        examples=["/queue/orders"],
        min_length=1,
        max_length=LONGEST_TEXT,
    )
    username: _Text | None = Field(
        None, title="User name", description="Who may write to the destination.", max_length=LONGEST_TEXT
    )
    password: Annotated[
        str | None, Secret(sent_to=("addresses",)), AfterValidator(lambda text: text and _check_text(text))
    ] = Field(None, title="Password", description="The user's password.", max_length=LONGEST_TEXT)


class StompTransport:
    """Sends to brokers that speak STOMP 1.1 or 1.2, over connections that each flight keeps."""

    type_name: ClassVar[str] = "stomp"
    dialect: ClassVar[Dialect] = Dialect.CLOUDEVENTS
    body_limit: ClassVar[int | None] = None
    configuration_model: ClassVar[type[TransportConfiguration]] = StompConfiguration

    def __init__(self, surroundings: Surroundings, tls: ssl.SSLContext | None = None) -> None:
        """Take which certificates to trust as `tls`: the system's when None."""
        self._guard = surroundings.guard
        self._tls = tls or ssl.create_default_context()
        self._watch = Watch()

    def open(self, integration: Integration, limits: FlightLimits, wake: Callable[[], None]) -> StompFlight:
        configuration = StompConfiguration.parse(integration.configuration)
        secrets = secrets_of(integration, StompConfiguration)
        return StompFlight(
            configuration.destination,
            [read_address(address) for address in configuration.addresses],
            Login(configuration.username, configuration.password, secrets),
            limits=limits,
            wake=wake,
            guard=self._guard,
            tls=self._tls,
            watch=self._watch,
        )

    def exhibit(self, integration: Integration, message: Message) -> Exhibit:
        configuration = StompConfiguration.parse(integration.configuration)
        frames = Frames("", PORT, "")
        send(Protocol12(frames), configuration.destination, message, receipt="…")
        head, _, body = bytes(frames.outgoing).partition(b"\n\n")
        command, *lines = head.decode().splitlines()
        headers = tuple((name, value) for name, _, value in (line.partition(":") for line in lines))
        return Exhibit(
            "stomp",
            f"{command} {configuration.destination}",
            headers,
            body.removesuffix(b"\0").decode(),
            note=ON_A_CONNECTION,
        )
