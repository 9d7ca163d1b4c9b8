"""What the STOMP transport promises, beside the contract of all transports."""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import trustme
from contracts.cases import trip
from servers.process import wait_until
from transports.scripted_broker import Came, Say, ScriptedBroker, error, nothing, receipt
from transports.stomp_queue import PASSWORD, destination

from postrider.domain.errors import InvalidInput
from postrider.domain.outcome import Verdict
from postrider.domain.ports import FlightLimits
from postrider.transports.guard import Guard
from postrider.transports.stomp import StompConfiguration, read_address
from postrider.transports.stomp_flight import StompFlight
from postrider.transports.stomp_login import Login
from postrider.transports.watch import Watch

# What goes over the wire


def test_login_says_who_we_are(broker: ScriptedBroker) -> None:
    """CONNECT offers 1.1 and 1.2, names the host and carries the login; heartbeats are not asked for."""
    with trip(destination(broker.address)) as flight:
        flight.send(flight.messages(1))

    (frame,) = broker.frames("CONNECT")
    assert frame.headers == {
        "accept-version": "1.1,1.2",
        "host": "127.0.0.1",
        "login": "courier",
        "passcode": PASSWORD,
    }


def test_login_is_optional(broker: ScriptedBroker) -> None:
    """Without user name and password CONNECT carries neither."""
    with trip(destination(broker.address, username=None, password=None)) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert outcome.verdict is Verdict.DELIVERED
    assert {"login", "passcode"}.isdisjoint(broker.frames("CONNECT")[0].headers)


def test_message_says_what_it_is(broker: ScriptedBroker) -> None:
    """Each message is persistent, asks for a receipt of its own, and says what and whose it is."""
    with trip(destination(broker.address)) as flight:
        messages = flight.messages(3)
        flight.send(messages)

    assert [frame.body for frame in broker.sent] == [message.body for message in messages]
    assert [frame.headers for frame in broker.sent] == [
        {
            "destination": "/queue/orders",
            "content-type": "application/cloudevents+json",
            "content-length": str(len(message.body)),
            "persistent": "true",
            "receipt": str(number),
            "event-type": "order.paid",
            "webhook-id": str(message.id),
            "attempt": "1",
        }
        for number, message in enumerate(messages, 1)
    ]


def test_exhibit_shows_the_frame(broker: ScriptedBroker) -> None:
    """What people are shown has the headers of the frame that is sent, but for the receipt's number."""
    with trip(destination(broker.address)) as flight:
        (message,) = flight.messages(1)
        flight.send([message])
        shown = flight.transport.exhibit(flight.integration, message)

    assert shown is not None
    assert (shown.kind, shown.title) == ("stomp", "SEND /queue/orders")
    assert {**dict(shown.headers), "receipt": "1"} == broker.sent[0].headers


def test_headers_cannot_be_injected(broker: ScriptedBroker) -> None:
    """Line breaks, colons, backslashes and NUL in a header's value stay inside it."""
    far = destination(broker.address, destination="/queue/a:b\\c")
    with trip(far) as flight:
        evil = replace(flight.messages(1)[0], event_type="a\nevil:1\n\nbody\0SEND\r\n", headers=(("x", "1:2\\3"),))
        (outcome,) = flight.send([evil]).values()

    assert outcome.verdict is Verdict.DELIVERED
    (frame,) = broker.sent
    assert frame.headers["event-type"] == r"a\nevil\c1\n\nbodySEND\n"
    assert frame.headers["destination"] == r"/queue/a\cb\\c"
    assert frame.headers["x"] == r"1\c2\\3"
    assert "evil" not in frame.headers


def test_body_may_hold_anything(broker: ScriptedBroker) -> None:
    """A body with NUL bytes, and one of two megabytes, arrive whole: the content-length tells where they end."""
    with trip(destination(broker.address)) as flight:
        first, second = flight.messages(2)
        bodies = [b'{"a":"\0\n\n\0"}', b'"' + b"x" * 2_000_000 + b'"']
        landed = flight.send([replace(first, body=bodies[0]), replace(second, body=bodies[1])])

    assert {outcome.verdict for outcome in landed.values()} == {Verdict.DELIVERED}
    assert [frame.body for frame in broker.sent] == bodies


# Many messages, one connection


def test_messages_do_not_wait_for_each_others_receipts(broker: ScriptedBroker) -> None:
    """Fifty messages are on their way before the first receipt is given, over one connection."""
    waiting: list[Came] = []

    def all_at_once(frame: Came) -> Say:
        waiting.append(frame)
        return Say(b"".join(receipt(each).data for each in reversed(waiting))) if len(waiting) == 50 else Say()

    broker.on_send = all_at_once
    with trip(destination(broker.address), max_in_flight=50) as flight:
        landed = flight.send(flight.messages(50))

    assert [outcome.verdict for outcome in landed.values()] == [Verdict.DELIVERED] * 50
    assert broker.connections == 1


def test_connection_is_kept(broker: ScriptedBroker) -> None:
    """One connection serves a flight's messages as long as they come."""
    with trip(destination(broker.address)) as flight:
        for _ in range(5):
            flight.send(flight.messages(2))

    assert len(broker.sent) == 10
    assert broker.connections == 1


@pytest.mark.parametrize("orderly", [True, False])
def test_connection_closed_while_idle_is_reopened(broker: ScriptedBroker, *, orderly: bool) -> None:
    """A broker that closes an idle connection costs no attempt: the next message finds a new one."""
    with trip(destination(broker.address)) as flight:
        flight.send(flight.messages(1))
        broker.cut(orderly=orderly)
        broker.wait_for(lambda: broker.open_connections == 0)
        (outcome,) = flight.send(flight.messages(1)).values()

    assert outcome.verdict is Verdict.DELIVERED
    assert broker.connections == 2


def test_kept_connection_that_turns_out_dead_costs_no_attempt(broker: ScriptedBroker) -> None:
    """When a connection that was kept dies without an answer, its messages go out once more at once."""
    with trip(destination(broker.address)) as flight:
        flight.send(flight.messages(1))
        broker.on_send = lambda frame: Say(close=True) if frame.connection == 1 else receipt(frame)
        landed = flight.send(flight.messages(3))

    assert [outcome.verdict for outcome in landed.values()] == [Verdict.DELIVERED] * 3
    assert broker.connections == 2


def test_idle_flight_lets_go(broker: ScriptedBroker) -> None:
    """A flight without work says goodbye, closes its connection and ends its thread; it starts again when asked."""
    far = destination(broker.address)
    with trip(far) as template:
        messages = template.messages(2)
    before = threading.active_count()
    flight = StompFlight(
        "/queue/orders",
        [read_address(broker.address)],
        Login(None, None, ()),
        limits=FlightLimits(timedelta(seconds=5), 8, ((200, 299),)),
        wake=lambda: None,
        guard=Guard(["127.0.0.0/8"]),
        tls=ssl.create_default_context(),
        watch=Watch(),
        idle_seconds=0.1,
    )
    flight.put(messages[:1])
    first = flight.take(5)
    broker.wait_for(lambda: broker.open_connections == 0)
    wait_until(lambda: threading.active_count() <= before, "the flight's thread has ended", seconds=5)
    flight.put(messages[1:])
    second = flight.take(5)
    flight.close()

    assert [landed.outcome.verdict for landed in (*first, *second)] == [Verdict.DELIVERED] * 2
    assert len(broker.frames("DISCONNECT")) >= 1
    assert broker.connections == 2


@pytest.mark.quiet
def test_close_gives_back_what_was_not_sent(broker: ScriptedBroker) -> None:
    """A close while the broker has not let us in yet gives all messages back, at once."""
    broker.on_connect = nothing
    with trip(destination(broker.address), timeout=30) as flight:
        messages = flight.messages(5)
        flight.flight.put(messages)
        broker.wait_for(lambda: len(broker.frames("CONNECT")) == 1)
        began = time.monotonic()
        unsent = flight.flight.close()
        took = time.monotonic() - began
        broker.wait_for(lambda: broker.open_connections == 0)

    assert unsent == [message.id for message in messages]
    assert took < 1
    assert broker.sent == []


def test_close_lets_what_is_under_way_land(broker: ScriptedBroker) -> None:
    """Receipts that come after a close still count, and then the connection is closed."""
    go_on = threading.Event()

    def late(frame: Came) -> Say:
        # This holds up the scripted broker's loop, which is what a slow broker does.
        go_on.wait(5)
        return receipt(frame)

    broker.on_send = late
    with trip(destination(broker.address), timeout=8) as flight:
        flight.flight.put(flight.messages(1))
        broker.wait_for(lambda: len(broker.sent) == 1)
        unsent = flight.flight.close()
        go_on.set()
        landed = flight.take_all(1, within=5)
        broker.wait_for(lambda: broker.open_connections == 0)

    assert unsent == []
    assert [outcome.verdict for outcome in landed.values()] == [Verdict.DELIVERED]


# Several addresses


def test_second_address_is_tried_when_the_first_refuses(broker: ScriptedBroker) -> None:
    """Of a pair of brokers the one that answers is used, and asked first the next time."""
    with ScriptedBroker() as gone:
        dead = gone.address
    with trip(destination(dead, broker.address)) as flight:
        (first,) = flight.send(flight.messages(1)).values()
        broker.cut()
        (second,) = flight.send(flight.messages(1)).values()

    assert [first.verdict, second.verdict] == [Verdict.DELIVERED] * 2


def test_address_that_hangs_leaves_time_for_the_next(broker: ScriptedBroker) -> None:
    """A first address that takes connections and says nothing uses up its share of the time, not all of it."""
    with ScriptedBroker() as silent:
        silent.on_connect = nothing
        with trip(destination(silent.address, broker.address), timeout=2) as flight:
            (outcome,) = flight.send(flight.messages(1)).values()

        assert outcome.verdict is Verdict.DELIVERED
        assert silent.connections == 1


# Versions


def test_broker_that_refuses_12_is_asked_for_11(broker: ScriptedBroker) -> None:
    """A broker that cannot do with 1.2 is spoken to in 1.1, and the next connection begins with that."""

    def only_11(frame: Came) -> Say:
        if frame.headers["accept-version"] == "1.1":
            return Say(b"CONNECTED\nversion:1.1\n\n\0")
        return error("Supported protocol versions are 1.1")

    broker.on_connect = only_11
    with trip(destination(broker.address)) as flight:
        (first,) = flight.send(flight.messages(1)).values()
        broker.cut()
        broker.wait_for(lambda: broker.open_connections == 0)
        (second,) = flight.send(flight.messages(1)).values()

    assert [first.verdict, second.verdict] == [Verdict.DELIVERED] * 2
    assert [frame.headers["accept-version"] for frame in broker.frames("CONNECT")] == ["1.1,1.2", "1.1", "1.1"]


def test_broker_of_10_is_refused(broker: ScriptedBroker) -> None:
    """STOMP 1.0 cannot escape headers: nothing is sent in it."""
    broker.on_connect = lambda _: Say(b"CONNECTED\nsession:1\n\n\0")
    with trip(destination(broker.address)) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "stomp_version")
    assert broker.sent == []


# TLS


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_tls_broker_gets_every_message(authority: trustme.CA) -> None:
    """Over TLS many messages go out at once, and a connection that the broker closes while idle is reopened."""
    with ScriptedBroker(server_context(authority, "127.0.0.1")) as broker:
        with trip(destination(broker.address, tls=trusting(authority)), max_in_flight=100) as flight:
            first = flight.send(flight.messages(100))
            broker.cut()
            broker.wait_for(lambda: broker.open_connections == 0)
            second = flight.send(flight.messages(1))

        assert {outcome.verdict for outcome in (*first.values(), *second.values())} == {Verdict.DELIVERED}
        assert broker.connections == 2


@pytest.mark.parametrize(("name", "trusted"), [("mq.example.com", True), ("127.0.0.1", False)])
def test_wrong_certificate_gets_no_login(authority: trustme.CA, name: str, *, trusted: bool) -> None:
    """A certificate of another name, or of an authority that nobody knows, ends the connection before the login."""
    with ScriptedBroker(server_context(authority, name)) as broker:
        tls = trusting(authority) if trusted else None
        with trip(destination(broker.address, tls=tls)) as flight:
            (outcome,) = flight.send(flight.messages(1)).values()

        assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "tls_failed")
        assert "certificate" in outcome.detail
        assert broker.bytes_received == 0


# Configuration


@pytest.mark.parametrize(
    ("text", "host", "port", "tls", "vhost"),
    [
        ("stomp://mq.example.com", "mq.example.com", 61613, False, None),
        ("stomp+ssl://mq.example.com", "mq.example.com", 61614, True, None),
        (
            "stomp+ssl://b-618-2.mq.us-west-2.amazonaws.com:61614",
            "b-618-2.mq.us-west-2.amazonaws.com",
            61614,
            True,
            None,
        ),
        ("stomp://[2001:db8::1]:1234", "2001:db8::1", 1234, False, None),
        ("stomp://mq.example.com:5/shop%2Feu", "mq.example.com", 5, False, "shop/eu"),
        ("stomp://mq.example.com/", "mq.example.com", 61613, False, None),
    ],
)
def test_addresses_are_read(text: str, host: str, port: int, *, tls: bool, vhost: str | None) -> None:
    """An address says host, port, whether TLS, and perhaps a virtual host."""
    address = read_address(text)

    assert (address.host, address.port, address.tls, address.vhost) == (host, port, tls, vhost)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("addresses", []),
        ("addresses", ["stomp://mq.example.com"] * 11),
        ("addresses", ["mq.example.com:61613"]),
        ("addresses", ["tcp://mq.example.com:61613"]),
        ("addresses", ["stomp://"]),
        ("addresses", ["stomp://:61613"]),
        ("addresses", ["stomp://user:word@mq.example.com"]),
        ("addresses", ["stomp://mq.example.com:0"]),
        ("addresses", ["stomp://mq.example.com:65536"]),
        ("addresses", ["stomp://mq.example.com:61613?x=1"]),
        ("addresses", ["stomp://mq.exam\nple.com"]),
        ("addresses", ["stomp://2130706433"]),
        ("addresses", ["stomp://mq.example.com/a%0Ab"]),
        ("destination", ""),
        ("destination", "/queue/a\nevil:1"),
        ("destination", "/queue/a\r"),
        ("destination", "/queue/\0"),
        ("username", "a\nb"),
        ("password", "a\npasscode:b"),
        ("password", "a\0"),
    ],
)
def test_wrong_configuration_is_refused(field: str, value: object) -> None:
    """A value that cannot work, or would break out of its frame, is refused by its field's name."""
    given = {"addresses": ["stomp://mq.example.com"], "destination": "/queue/a", "username": "u", "password": "p"}

    with pytest.raises(InvalidInput) as refusal:
        StompConfiguration.parse(given | {field: value})

    assert refusal.value.pointer is not None
    assert refusal.value.pointer.startswith(f"data.configuration.{field}")


def test_elastic_paths_example_is_taken() -> None:
    """Elastic Path's own example of a configuration is valid here."""
    given = {
        "username": "epcc-integration-1",
        "password": "x" * 28 + "CDKn",
        "destination": "/queue/epcc-integrations.order-created",
        "addresses": [
            "stomp+ssl://b-618354a5-e04f-4eff-99c7-734e9d8b91a5-2.mq.us-west-2.amazonaws.com:61614",
            "stomp+ssl://b-618354a5-e04f-4eff-99c7-734e9d8b91a5-1.mq.us-west-2.amazonaws.com:61614",
        ],
    }

    assert StompConfiguration.parse(given).stored() == given
