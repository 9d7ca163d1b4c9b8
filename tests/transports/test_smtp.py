"""Mail by SMTP, handed in to a real mail server and to rude ones."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import trustme
from contracts.cases import Trip, integration_for, trip
from contracts.smtp_case import PASSWORD, USERNAME
from servers.mail_server import MailServer, RudeServer
from servers.process import wait_until

from postrider.domain.errors import InvalidInput
from postrider.domain.outcome import EXCERPT_BYTES, Outcome, Verdict
from postrider.transports.configuration import mask, revised
from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import Surroundings
from postrider.transports.smtp import TLS_PORT, SmtpConfiguration, SmtpTransport

LOOPBACK = Guard(["127.0.0.0/8"])
LOGIN = {"username": USERNAME, "password": PASSWORD}
GREETING = b"220 mail.test\r\n"


@dataclass
class Way:
    """A transport and a configuration, as a far side of the contract suite has them."""

    transport: SmtpTransport
    configuration: dict[str, Any]


def way_to(server: MailServer | RudeServer, tls: ssl.SSLContext | None = None, **changes: Any) -> Way:
    guard = LOOPBACK if server.host == "127.0.0.1" else Guard([f"{server.host}/32"])
    given = {
        "host": server.host,
        "port": server.port,
        "default_sender_email": "orders@shop.test",
        "to": "ada@customer.test",
        "text": "Hello",
    }
    return Way(SmtpTransport(Surroundings(HttpEngine(guard), guard), tls), given | changes)


def sent(way: Way, payload: Any = None, *, timeout: float = 5.0) -> Outcome:
    with trip(way, timeout=timeout) as flight:  # type: ignore[arg-type]
        return one_outcome(flight, payload)


def one_outcome(flight: Trip, payload: Any = None) -> Outcome:
    (outcome,) = flight.send(flight.messages(1, json.dumps(payload).encode())).values()
    return outcome


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as started:
        yield started


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def theirs(authority: trustme.CA) -> ssl.SSLContext:
    return certified(authority, "127.0.0.1")


@pytest.fixture
def ours(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


# What arrives


def test_the_headers_say_what_a_mail_needs(server: MailServer) -> None:
    """The Message-ID is the delivery's, so that a mail that arrives twice is known; no holiday reply comes back."""
    way = way_to(
        server, default_sender_name="Zoë & Co, Ltd.", subject="Paid: {{ payload.n }} €", sending_domain="shop.test"
    )
    with trip(way) as flight:  # type: ignore[arg-type]
        (message,) = flight.messages(1, b'{"n":1.10}')
        again = replace(message, attempt=2)
        first, second = flight.send([message])[message.id], flight.send([again])[message.id]

    mail, repeated = server.mails
    assert (first.verdict, first.status_code, first.response_body) == (Verdict.DELIVERED, 250, "2.0.0 Queued as 4BQ7x1")
    assert second.verdict is Verdict.DELIVERED
    assert (mail.sender, mail.receivers, mail.name) == ("orders@shop.test", ("ada@customer.test",), "shop.test")
    headers = mail.message
    assert headers["From"].addresses[0].display_name == "Zoë & Co, Ltd."
    assert headers["To"] == "ada@customer.test"
    assert headers["Subject"] == "Paid: 1.10 €"
    assert headers["Message-ID"] == f"<{message.id}@shop.test>" == repeated.message["Message-ID"]
    assert headers["Date"].datetime.tzinfo is not None
    assert headers["Auto-Submitted"] == "auto-generated"


def test_text_and_html_are_alternatives(server: MailServer) -> None:
    """Readers pick what they can show; both keep their letters."""
    sent(way_to(server, text="Für {{ payload.name }}", html="<p>Für {{ payload.name }}</p>"), {"name": "東京 <3"})

    (mail,) = server.mails
    assert mail.message.get_content_type() == "multipart/alternative"
    assert [part.get_content().strip() for part in mail.message.iter_parts()] == [
        "Für 東京 <3",
        "<p>Für 東京 &lt;3</p>",
    ]
    assert mail.content.isascii()


def test_lines_with_dots_do_not_end_a_mail(server: MailServer) -> None:
    """A payload cannot speak to the server."""
    text = "first\n.\n..two\nMAIL FROM:<eve@x.test>\n" + "long " * 1000
    outcome = sent(way_to(server, text="{{ payload.text }}"), {"text": text})

    assert outcome.verdict is Verdict.DELIVERED
    (mail,) = server.mails
    assert mail.message.get_content().splitlines() == text.splitlines()


@pytest.mark.parametrize("name", ["Ada\r\nBcc: eve@x.test", "Ada\n\nNow the body", "Ada\x00\x1b[2J", "A" * 5000])
def test_a_payload_cannot_add_headers(server: MailServer, name: str) -> None:
    """Breaks in a subject become blanks, and control characters go."""
    outcome = sent(way_to(server, subject="For {{ payload.name }}"), {"name": name})

    assert outcome.verdict is Verdict.DELIVERED
    (mail,) = server.mails
    assert mail.receivers == ("ada@customer.test",)
    assert mail.message["Bcc"] is None
    assert mail.message["Subject"] == "For " + " ".join(
        "".join(c for c in name if c.isprintable() or c in "\r\n").split()
    )
    assert mail.message.get_content().strip() == "Hello"


@pytest.mark.parametrize(
    "to", ["a@b.test, eve@x.test", "a@b.test>\r\nRCPT TO:<eve@x.test", "Ada <a@b.test>", "", "zoë@b.test", None]
)
def test_a_payload_cannot_add_receivers(server: MailServer, to: str | None) -> None:
    """What is not one plain address is a dead letter, and the server is not asked."""
    outcome = sent(way_to(server, to="{{ payload.to }}"), {"to": to} if to is not None else {})

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "template_failed")
    assert "template of to" in outcome.detail
    assert server.connections == 0


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?Hi=0D=0ABcc=3A_eve=40x.test?=",
        "=?utf-8?q?Hi=0ABcc:_eve@x.test?= " + "x" * 100,
        "=?utf-8?b?SGkNCkJjYzogZXZlQHgudGVzdA0KDQpib2R5?= \u00e9",
        "A =?utf-8?q?=0D=0A=0D=0AHello?=",
        "=?us-ascii?q?=00?=",
    ],
)
def test_an_encoded_word_in_a_payload_does_not_hide_a_header(server: MailServer, name: str) -> None:
    """It arrives as the text that it is: nobody decodes it on the way, and no line break comes out of it."""
    outcome = sent(way_to(server, subject="For {{ payload.name }}"), {"name": name})

    assert outcome.verdict is Verdict.DELIVERED
    (mail,) = server.mails
    assert mail.message["Bcc"] is None
    assert mail.message["Subject"] == f"For {name}"
    assert mail.message.get_content().strip() == "Hello"
    assert b"\n" not in mail.content.replace(b"\r\n", b"")


@pytest.mark.parametrize("name", ["=?utf-8?q?x=0D=0ABcc:_eve@x.test?=", 'A "B" \\ C', "Zo\u00eb " * 40, "x" * 256])
def test_a_senders_name_adds_no_sender(server: MailServer, name: str) -> None:
    """However it is written and however long it is, it is a name, beside one address."""
    assert sent(way_to(server, default_sender_name=name)).verdict is Verdict.DELIVERED

    (mail,) = server.mails
    assert mail.message["Bcc"] is None
    assert [one.addr_spec for one in mail.message["From"].addresses] == ["orders@shop.test"]
    assert max(map(len, mail.content.splitlines())) < 998


@pytest.mark.parametrize(
    "subject",
    ["Hi \U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001fae8 shaken", "\u0645\u06cc\u200c\u0634\u0648\u062f"],
)
def test_joined_and_young_characters_in_a_subject_arrive(server: MailServer, subject: str) -> None:
    """A family stays one picture."""
    sent(way_to(server, subject="{{ payload }}"), subject)

    assert server.mails[0].message["Subject"] == subject


def test_nul_in_a_text_does_not_reach_the_server(server: MailServer) -> None:
    """Mail forbids it in any encoding."""
    assert sent(way_to(server, text="{{ payload }}"), "one\x00two").verdict is Verdict.DELIVERED

    assert server.mails[0].message.get_content().strip() == "onetwo"


@pytest.mark.parametrize(
    "to", ["ada@customer.test.", "=?utf-8?q?x?=@customer.test", "=?x?q?eve=40x.test=3e?=@customer.test"]
)
def test_an_address_that_python_cannot_write_does_not_send_its_neighbours_twice(server: MailServer, to: str) -> None:
    """It is a dead letter, and what became of the mails of the same connection is told."""
    with trip(way_to(server, to="{{ payload.to }}"), max_in_flight=4) as flight:  # type: ignore[arg-type]
        messages = [
            *flight.messages(1, b'{"to":"one@b.test"}'),
            *flight.messages(1, json.dumps({"to": to}).encode()),
            *flight.messages(1, b'{"to":"two@b.test"}'),
        ]
        landed = flight.send(messages)

    assert [landed[message.id].error for message in messages] == ["", "template_failed", ""]
    assert len(server.mails) == 2


def test_a_connection_takes_some_mails(server: MailServer) -> None:
    """Many mails do not open a connection each, and none is kept afterwards."""
    with trip(way_to(server), max_in_flight=100) as flight:  # type: ignore[arg-type]
        landed = flight.send(flight.messages(40))

    assert {outcome.verdict for outcome in landed.values()} == {Verdict.DELIVERED}
    assert len(server.mails) == 40
    assert server.connections <= 20


# What the server answers


@pytest.mark.parametrize(
    ("step", "reply", "verdict"),
    [
        ("on_mail", "451 4.7.1 Try again later", Verdict.TEMPORARY),
        ("on_mail", "550 5.7.1 Sender rejected", Verdict.PERMANENT),
        ("on_receiver", "450 4.2.0 Greylisted", Verdict.TEMPORARY),
        ("on_receiver", "550 5.1.1 No such user here", Verdict.PERMANENT),
        ("on_data", "452 4.3.1 Insufficient system storage", Verdict.TEMPORARY),
        ("on_data", "554 5.6.0 Content rejected", Verdict.PERMANENT),
    ],
)
def test_4xx_passes_and_5xx_stays(server: MailServer, step: str, reply: str, verdict: Verdict) -> None:
    """At each step, with the server's words in the detail."""
    setattr(server, step, lambda _: reply)
    outcome = sent(way_to(server))

    assert (outcome.verdict, outcome.error) == (verdict, f"smtp_{reply[:3]}")
    assert outcome.status_code == int(reply[:3])
    assert outcome.detail.startswith("The server refused the ")
    assert reply in outcome.detail


def test_a_refused_mail_does_no_harm_to_its_neighbours(server: MailServer) -> None:
    """The others on the same connection arrive."""
    way = way_to(server, to="{{ payload.to }}")
    server.on_receiver = lambda _: "550 5.1.1 No" if len(server.mails) == 1 else None
    with trip(way, max_in_flight=4) as flight:  # type: ignore[arg-type]
        messages = [
            *flight.messages(1, b'{"to":"one@b.test"}'),
            *flight.messages(1, b"{}"),
            *flight.messages(1, b'{"to":"two@b.test"}'),
        ]
        landed = flight.send(messages)

    assert [landed[message.id].error for message in messages] == ["", "template_failed", "smtp_550"]
    assert server.connections == 1


def test_a_closing_server_speaks_of_itself() -> None:
    """421 says nothing about the mail: without a number it counts against the server, as a closed connection does."""

    async def busy(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 4.3.2 Too busy\r\n")
        await writer.drain()

    with RudeServer(busy) as server:
        outcome = sent(way_to(server))

    assert (outcome.verdict, outcome.error, outcome.status_code) == (Verdict.TEMPORARY, "smtp_421", None)
    assert "Too busy" in outcome.detail


@pytest.mark.parametrize("last_word", [b"421 4.7.0 One mail a connection\r\n", b""])
def test_a_server_that_takes_one_mail_a_connection_gets_all(last_word: bytes) -> None:
    """When a connection ends before the next mail was begun, that mail goes by a new one, in the same attempt."""
    taken: list[bytes] = []

    async def one_mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        mails = 0
        while line := await reader.readline():
            if line.startswith(b"DATA"):
                writer.write(b"354 go on\r\n")
                taken.append(await reader.readuntil(b"\r\n.\r\n"))
                mails += 1
            if mails and line.startswith(b"MAIL"):
                writer.write(last_word)
                await writer.drain()
                return
            writer.write(b"250 ok\r\n")
            await writer.drain()

    with RudeServer(one_mail) as server, trip(way_to(server), max_in_flight=4) as flight:  # type: ignore[arg-type]
        landed = flight.send(flight.messages(4))

    assert {outcome.verdict for outcome in landed.values()} == {Verdict.DELIVERED}
    assert len(taken) == 4


def taking(reply: bytes) -> Any:
    """Take mails with this reply after each."""

    async def manners(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        while line := await reader.readline():
            if line.startswith(b"DATA"):
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(reply)
            else:
                writer.write(b"250 ok\r\n")
            await writer.drain()

    return manners


@pytest.mark.parametrize("reply", [b"200 fine\r\n", b"251 passed on\r\n", b"252 taken\r\n"])
def test_a_mail_that_was_taken_by_another_2xx_is_not_sent_again(reply: bytes) -> None:
    """The first digit says it, as the standard has it."""
    with RudeServer(taking(reply)) as server:
        outcome = sent(way_to(server))

    assert (outcome.verdict, outcome.status_code) == (Verdict.DELIVERED, int(reply[:3]))


def test_a_talkative_reply_is_kept_in_part() -> None:
    """As much as is kept of any far side's answer."""
    with RudeServer(taking(b"250-blah blah\r\n" * 2000 + b"250 ok\r\n")) as server:
        outcome = sent(way_to(server))

    assert outcome.verdict is Verdict.DELIVERED
    assert len(outcome.response_body.encode()) <= EXCERPT_BYTES


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220\x00mail\r\n",
        b"x" * 100_000,
        b"220-more\r\n" * 20_000,
    ],
)
def test_what_is_not_smtp_is_told(said: bytes) -> None:
    """Something else listens there, or talks without end: little of it is read."""

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        await reader.read()

    with RudeServer(other) as server:
        outcome = sent(way_to(server))

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")


@pytest.mark.quiet
def test_a_dripping_server_is_left_at_the_deadline() -> None:
    """A byte now and then does not hold a thread for longer: the connection ends with the attempt."""
    left = threading.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"2")
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            left.set()

    with RudeServer(drip) as server:
        began = time.monotonic()
        outcome = sent(way_to(server), timeout=1.0)
        took = time.monotonic() - began
        wait_until(left.is_set, "the connection was closed", seconds=2)

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "timeout")
    assert 0.8 < took < 1.4


def test_mails_before_a_silence_are_delivered(server: MailServer) -> None:
    """What was taken counts, though a later mail of the same connection gets no answer."""
    way = way_to(server)
    with trip(way, timeout=1.0, max_in_flight=2) as flight:  # type: ignore[arg-type]
        messages = flight.messages(2)

        def silent_after_one(_: object) -> None:
            server.hanging = True

        server.on_data = silent_after_one
        landed = flight.send(messages)

    assert [landed[message.id].verdict for message in messages] == [Verdict.DELIVERED, Verdict.TEMPORARY]


# TLS and login


def test_starttls_comes_before_the_login(theirs: ssl.SSLContext, ours: ssl.SSLContext) -> None:
    """Where it is offered it is used, and the password goes through it."""
    with MailServer(theirs, login=(USERNAME, PASSWORD)) as server:
        outcome = sent(way_to(server, ours, **LOGIN))

    assert outcome.verdict is Verdict.DELIVERED
    (mail,) = server.mails
    assert (mail.tls, mail.username) == (True, USERNAME)


def test_login_by_the_older_way(theirs: ssl.SSLContext, ours: ssl.SSLContext) -> None:
    """A server that offers LOGIN alone lets us in."""
    with MailServer(theirs, login=(USERNAME, PASSWORD), mechanisms=("LOGIN",)) as server:
        outcome = sent(way_to(server, ours, **LOGIN))

    assert outcome.verdict is Verdict.DELIVERED
    assert server.mails[0].username == USERNAME


def test_port_465_is_tls_from_the_start(theirs: ssl.SSLContext, ours: ssl.SSLContext) -> None:
    """Its number stands for another here: only root may listen on it."""
    with MailServer(theirs, from_the_start=True, login=(USERNAME, PASSWORD)) as server:
        way = way_to(server, ours, **LOGIN)
        surroundings = Surroundings(HttpEngine(LOOPBACK), LOOPBACK)
        outcome = sent(Way(SmtpTransport(surroundings, ours, tls_port=server.port), way.configuration))

    assert TLS_PORT == 465
    assert outcome.verdict is Verdict.DELIVERED
    assert server.mails[0].username == USERNAME


def test_a_wrong_password_is_final(theirs: ssl.SSLContext, ours: ssl.SSLContext) -> None:
    """Until somebody corrects it; it is not told."""
    with MailServer(theirs, login=(USERNAME, "another")) as server:
        outcome = sent(way_to(server, ours, **LOGIN))

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "login_refused")
    assert outcome.detail.startswith("The server refused the login: 535")
    assert PASSWORD not in str(outcome)


def test_a_wrong_password_is_not_tried_with_each_mail(theirs: ssl.SSLContext, ours: ssl.SSLContext) -> None:
    """Mails that wait together fail together: accounts are locked after a few wrong passwords."""
    with MailServer(theirs, login=(USERNAME, "another")) as server:
        with trip(way_to(server, ours, **LOGIN), max_in_flight=4) as flight:  # type: ignore[arg-type]
            landed = flight.send(flight.messages(4))

        assert [outcome.error for outcome in landed.values()] == ["login_refused"] * 4
        assert server.connections == 1


def test_no_login_is_offered(theirs: ssl.SSLContext, ours: ssl.SSLContext) -> None:
    """A user who cannot log in sends nothing."""
    with MailServer(theirs, login=(USERNAME, PASSWORD), mechanisms=()) as server:
        outcome = sent(way_to(server, ours, **LOGIN))

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "login_not_offered")


@pytest.mark.parametrize(("name", "trusted"), [("mail.example.com", True), ("127.0.0.1", False)])
def test_a_wrong_certificate_gets_no_login(authority: trustme.CA, name: str, *, trusted: bool) -> None:
    """A certificate of another name, or of an authority that nobody knows, ends it before the login."""
    ours = ssl.create_default_context()
    if trusted:
        authority.configure_trust(ours)
    with MailServer(certified(authority, name), login=(USERNAME, PASSWORD)) as server:
        outcome = sent(way_to(server, ours, **LOGIN))

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "tls_failed")
    assert "certificate" in outcome.detail
    assert server.mails == []


def test_nothing_leaves_the_machine_in_clear() -> None:
    """Without STARTTLS a server elsewhere gets no login and no mail; one on this machine does."""
    with MailServer(host=_own_address()) as elsewhere, MailServer() as here:
        refused = sent(way_to(elsewhere, **LOGIN))
        taken = sent(way_to(here))

    assert (refused.verdict, refused.error) == (Verdict.PERMANENT, "tls_not_offered")
    assert elsewhere.mails == []
    assert taken.verdict is Verdict.DELIVERED
    assert here.mails[0].tls is False


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Sends nothing: it only asks by which address it would.
        probe.connect(("203.0.113.1", 9))
        return str(probe.getsockname()[0])


def test_what_was_said_before_tls_is_not_read_after_it(ours: ssl.SSLContext) -> None:
    """Replies put behind STARTTLS's own, by somebody in between, end the conversation."""

    async def put_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        await reader.readline()
        writer.write(b"250-mail.test\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go\r\n250 AUTH PLAIN\r\n")
        await writer.drain()
        await reader.read()

    with RudeServer(put_in) as server:
        outcome = sent(way_to(server, ours, **LOGIN))

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")


# The configuration


def test_the_sending_domain_is_the_host_where_there_is_none() -> None:
    """As an API that knows no host gives it, its port a text."""
    given = {"sending_domain": "mail.shop.test", "port": "2525", "default_sender_email": "orders@shop.test"}
    server = SmtpConfiguration.parse(given).server(tls_port=TLS_PORT)

    assert (server.host, server.port, server.name) == ("mail.shop.test", 2525, "mail.shop.test")


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"host": None}, "data.configuration"),
        ({"username": "courier"}, "data.configuration"),
        ({"password": "secret"}, "data.configuration"),
        ({"host": "http://mail.shop.test"}, "data.configuration.host"),
        ({"host": "mail.shop.test:25"}, "data.configuration.host"),
        ({"host": "2130706433"}, "data.configuration.host"),
        ({"port": "smtp"}, "data.configuration.port"),
        ({"port": 0}, "data.configuration.port"),
        ({"default_sender_email": "orders"}, "data.configuration.default_sender_email"),
        ({"username": "a\0b", "password": "c"}, "data.configuration.username"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], pointer: str) -> None:
    """Each is refused by its name, or as a whole where two belong together."""
    with pytest.raises(InvalidInput) as refused:
        SmtpConfiguration.parse({"host": "mail.shop.test", "default_sender_email": "orders@shop.test"} | given)

    assert refused.value.pointer == pointer


@pytest.mark.parametrize("change", [{"host": "eve.test"}, {"port": 25}, {"sending_domain": "eve.test"}])
def test_the_masked_password_stays_with_its_server(change: dict[str, Any]) -> None:
    """Who may not see it cannot have it sent elsewhere."""
    given = {"host": "mail.shop.test", "default_sender_email": "orders@shop.test", **LOGIN}
    stored = SmtpConfiguration.parse(given).stored()
    shown = {**stored, "password": mask(PASSWORD)}

    assert revised(SmtpConfiguration, shown, stored)["password"] == PASSWORD
    with pytest.raises(InvalidInput) as refused:
        revised(SmtpConfiguration, {**shown, **change}, stored)
    assert refused.value.pointer == "data.configuration.password"


def test_an_exhibit_shows_the_mail(server: MailServer) -> None:
    """Its headers, and both texts as people read them."""
    way = way_to(server, subject="Paid ✓", html="<p>Hello</p>", **LOGIN)
    with trip(way) as flight:  # type: ignore[arg-type]
        (message,) = flight.messages(1)
        shown = way.transport.exhibit(integration_for(way), message)  # type: ignore[arg-type]

    headers = dict(shown.headers)
    assert (shown.kind, shown.title) == ("smtp", f"MAIL ada@customer.test by 127.0.0.1:{server.port}")
    assert (headers["To"], headers["Subject"]) == ("ada@customer.test", "Paid ✓")
    assert headers["Message-ID"] == f"<{message.id}@shop.test>"
    assert shown.body == "[text/plain]\nHello\n\n[text/html]\n<p>Hello</p>"
