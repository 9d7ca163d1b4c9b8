"""Webhooks over a real receiver: what goes out, and what each answer means."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import pytest
from contracts.cases import NOW, SIGNING_SECRET, message_for
from multidict import CIMultiDict
from servers.answers import reply
from servers.receiver import Receiver
from standardwebhooks import Webhook

from postrider.domain.errors import InvalidInput
from postrider.domain.integration import DeliveryPolicy, Integration
from postrider.domain.message import Message
from postrider.domain.outcome import EXCERPT_BYTES, Outcome, Verdict
from postrider.domain.ports import Flight, FlightLimits
from postrider.domain.signature import sign
from postrider.transports.configuration import masked
from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.http_answer import retry_after
from postrider.transports.registry import Surroundings
from postrider.transports.webhook import NOT_SUCCESS, WebhookConfiguration, WebhookTransport

SECRET_KEY = "canary-secret-key"
LOOPBACK = Guard(["127.0.0.0/8"])


@pytest.fixture
def engine() -> Iterator[HttpEngine]:
    started = HttpEngine(LOOPBACK)
    yield started
    started.stop()


@pytest.fixture
def transport(engine: HttpEngine) -> WebhookTransport:
    return WebhookTransport(Surroundings(engine, LOOPBACK))


def integration_at(url: str, integration_id: int = 1, **configuration: Any) -> Integration:
    return Integration(
        id=UUID(int=integration_id),
        tenant_id=UUID(int=2),
        integration_type="webhook",
        name="Orders",
        description="",
        enabled=True,
        observes=("order.paid",),
        configuration={"url": url, "secret_key": SECRET_KEY} | configuration,
        policy=DeliveryPolicy(),
        signing_secret=SIGNING_SECRET,
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )


def limits(
    *, seconds: float = 3.0, max_in_flight: int = 16, success: tuple[tuple[int, int], ...] = ((200, 299),)
) -> FlightLimits:
    return FlightLimits(timedelta(seconds=seconds), max_in_flight, success)


def deliver(transport: WebhookTransport, integration: Integration, *, within: FlightLimits | None = None) -> Outcome:
    """Send one message and give its outcome."""
    flight = transport.open(integration, within or limits(), lambda: None)
    flight.put([message_for(integration, transport)])
    (landed,) = take_all(flight, 1)
    flight.close()
    return landed


def take_all(flight: Flight, count: int, *, seconds: float = 5.0) -> list[Outcome]:
    outcomes: list[Outcome] = []
    until = time.monotonic() + seconds
    while len(outcomes) < count and time.monotonic() < until:
        outcomes += [landed.outcome for landed in flight.take(0.05)]
    return outcomes


# What goes out


def test_receiver_can_verify_the_signature(receiver: Receiver, transport: WebhookTransport) -> None:
    """The Standard Webhooks library accepts what arrives."""
    integration = integration_at(receiver.url)
    message = fresh(message_for(integration, transport), integration)
    flight = transport.open(integration, limits(), lambda: None)

    flight.put([message])
    take_all(flight, 1)

    (request,) = receiver.requests
    assert Webhook(SIGNING_SECRET).verify(request.body, dict(request.headers))


def fresh(message: Message, integration: Integration) -> Message:
    """Sign again for today: receivers refuse old signatures."""
    timestamp = int(datetime.now(UTC).timestamp())
    signature = sign(integration.signing_secret, message_id=str(message.id), timestamp=timestamp, body=message.body)
    changed = {"webhook-timestamp": str(timestamp), "webhook-signature": signature}
    headers = tuple((name, changed.get(name, value)) for name, value in message.headers)
    return replace(message, headers=headers)


def test_secret_key_goes_in_elastic_paths_header(receiver: Receiver, transport: WebhookTransport) -> None:
    """Receivers written for Elastic Path find the secret where they look for it."""
    deliver(transport, integration_at(receiver.url))

    (request,) = receiver.requests
    assert request.method == "POST"
    assert request.headers["x-moltin-secret-key"] == SECRET_KEY
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("secret_key", [None, ""])
def test_no_secret_key_no_header(receiver: Receiver, transport: WebhookTransport, secret_key: str | None) -> None:
    """Without a secret key there is no header for it."""
    deliver(transport, integration_at(receiver.url, secret_key=secret_key))

    assert "x-moltin-secret-key" not in receiver.requests[0].headers


# What answers mean


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(receiver: Receiver, transport: WebhookTransport, status: int) -> None:
    """Each status of success means delivered."""
    receiver.answer(status, headers={"X-Request": "r-1"})

    outcome = deliver(transport, integration_at(receiver.url))

    assert (outcome.verdict, outcome.status_code, outcome.error) == (Verdict.DELIVERED, status, "")
    assert outcome.response_headers["x-request"] == "r-1"


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 400, 401, 404, 409, 422, 429, 500, 502, 503, 599])
def test_any_other_status_is_tried_again(receiver: Receiver, transport: WebhookTransport, status: int) -> None:
    """As Elastic Path does, whatever is not a success is retried, and named by its status."""
    receiver.answer(status, b"sorry" if status != 304 else b"")

    outcome = deliver(transport, integration_at(receiver.url))

    assert (outcome.verdict, outcome.error, outcome.detail) == (Verdict.TEMPORARY, f"http_{status}", NOT_SUCCESS)
    assert (outcome.status_code, outcome.gone) == (status, False)
    assert outcome.response_body == ("sorry" if status != 304 else "")


def test_gone_is_final(receiver: Receiver, transport: WebhookTransport) -> None:
    """410 says that the receiver is gone for good."""
    receiver.answer(410)

    outcome = deliver(transport, integration_at(receiver.url))

    assert (outcome.verdict, outcome.error, outcome.gone) == (Verdict.PERMANENT, "http_410", True)


def test_integration_says_what_success_is(receiver: Receiver, transport: WebhookTransport) -> None:
    """Ranges of success are the integration's own, at both ends inclusive."""
    receiver.script(reply(200), reply(201), reply(409), reply(410))
    integration, success = integration_at(receiver.url), limits(success=((201, 201), (409, 410)))

    verdicts = [deliver(transport, integration, within=success).verdict for _ in range(4)]

    assert verdicts == [Verdict.TEMPORARY, Verdict.DELIVERED, Verdict.DELIVERED, Verdict.DELIVERED]


@pytest.mark.alone
def test_failure_without_an_answer_has_no_status(receiver: Receiver, transport: WebhookTransport) -> None:
    """Where no answer came the outcome holds none, and says how long it took."""
    receiver.hang()

    outcome = deliver(transport, integration_at(receiver.url), within=limits(seconds=0.3))

    assert (outcome.error, outcome.status_code, outcome.response_body) == ("timeout", None, "")
    assert timedelta(seconds=0.25) < outcome.duration < timedelta(seconds=0.8)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", timedelta(seconds=120)),
        ("0", timedelta(0)),
        (" 7 ", timedelta(seconds=7)),
        ("Sun, 22 Nov 2026 12:01:30 GMT", timedelta(seconds=90)),
        ("Sunday, 22-Nov-26 12:00:05 GMT", timedelta(seconds=5)),
        ("Sun, 22 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e9", None),
        ("\uff19", None),
        ("9" * 40, None),
        ("Sun, 99 Nov 2026 12:00:00 GMT", None),
        ("Sun, 22 Nov 99999999 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_read(value: str, expected: timedelta | None) -> None:
    """Seconds and dates are understood, nonsense is ignored."""
    assert retry_after(CIMultiDict({"Retry-After": value}), now=NOW) == expected


def test_retry_after_is_measured_with_the_receivers_clock() -> None:
    """A date counts from the answer's own date, however wrong that clock is."""
    headers = CIMultiDict({"Retry-After": "Sun, 22 Nov 2026 01:00:30 GMT", "Date": "Sun, 22 Nov 2026 01:00:00 GMT"})

    assert retry_after(headers, now=NOW) == timedelta(seconds=30)


def test_retry_after_reaches_the_outcome(receiver: Receiver, transport: WebhookTransport) -> None:
    """The far side's wish is in the outcome, in seconds or as a date."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    receiver.script(reply(429, headers={"Retry-After": "30"}), reply(503, headers={"Retry-After": soon}))
    integration = integration_at(receiver.url)

    first, second = deliver(transport, integration), deliver(transport, integration)

    assert first.retry_after == timedelta(seconds=30)
    assert second.retry_after is not None
    assert timedelta(seconds=90) < second.retry_after <= timedelta(seconds=100)


# What is kept of an answer


def test_echoed_secrets_are_scrubbed(receiver: Receiver, transport: WebhookTransport) -> None:
    """Receivers that echo the request do not bring the secrets into our records."""
    receiver.choose(
        lambda request: reply(
            200, request.body + SIGNING_SECRET.encode(), {"X-Echo": request.headers["x-moltin-secret-key"]}
        )
    )

    outcome = deliver(transport, integration_at(receiver.url))

    assert "***" in outcome.response_body
    assert outcome.response_headers["x-echo"] == "***"
    assert SECRET_KEY not in outcome.response_body
    assert SIGNING_SECRET.removeprefix("whsec_") not in outcome.response_body


def test_secret_at_the_cut_is_scrubbed(receiver: Receiver, transport: WebhookTransport) -> None:
    """A secret of which only the beginning is within what is kept does not show it."""
    receiver.answer(500, b"x" * (EXCERPT_BYTES - 10) + SECRET_KEY.encode() * 2)

    outcome = deliver(transport, integration_at(receiver.url))

    assert outcome.response_body.endswith("x***")


def test_bytes_that_are_no_text_are_kept_as_text(receiver: Receiver, transport: WebhookTransport) -> None:
    """Databases take what is kept: no NUL, no lone surrogate, in body and headers."""
    receiver.answer(500, b"\x00\xff\xfeabc", {"X-Latin": "caf\xe9"})

    outcome = deliver(transport, integration_at(receiver.url))

    assert "\x00" not in outcome.response_body
    assert outcome.response_body.endswith("abc")
    assert outcome.response_headers["x-latin"].encode().startswith(b"caf")


def test_few_headers_are_kept(receiver: Receiver, transport: WebhookTransport) -> None:
    """An answer with many or long headers does not fill the table of attempts."""
    receiver.script(
        reply(200, headers={f"X-{number}": "v" for number in range(80)}),
        reply(200, headers={f"X-{number}": "v" * 1000 for number in range(20)}),
    )
    integration = integration_at(receiver.url)

    many, long = deliver(transport, integration), deliver(transport, integration)

    assert len(many.response_headers) == 32
    assert sum(map(len, long.response_headers.values())) <= 4096


# What stands in the way


def test_integration_with_a_broken_url_fails_its_messages(transport: WebhookTransport) -> None:
    """A stored URL that today's check refuses is an outcome, not an exception in the worker."""
    outcome = deliver(transport, integration_at("http://u:p@127.1/"))

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "invalid_url")


def test_stored_secret_that_cannot_be_sent_fails_its_messages(receiver: Receiver, transport: WebhookTransport) -> None:
    """A stored secret with a line break neither smuggles a header nor stops the worker, nor shows itself."""
    outcome = deliver(transport, integration_at(receiver.url, secret_key="canary\r\nX-Evil: 1"))

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "invalid_header")
    assert "canary" not in outcome.detail
    assert receiver.connections == 0


# Many at once


@pytest.mark.alone
def test_thousand_hanging_messages_take_no_thread() -> None:
    """A receiver that hangs with a thousand requests costs sockets, and all end at the deadline."""
    engine = HttpEngine(LOOPBACK, per_host=2000)
    transport = WebhookTransport(Surroundings(engine, LOOPBACK))
    with Receiver() as receiver:
        receiver.hang()
        integration = integration_at(receiver.url)
        flight = transport.open(integration, limits(seconds=4.0, max_in_flight=1000), lambda: None)
        engine.start()
        before = threading.active_count()

        started = time.monotonic()
        flight.put([message_for(integration, transport) for _ in range(1000)])
        receiver.wait_for(1000)
        during = threading.active_count()
        outcomes = take_all(flight, 1000, seconds=10)
        took = time.monotonic() - started
        engine.stop()

    assert during == before
    assert [outcome.error for outcome in outcomes] == ["timeout"] * 1000
    assert took < 4.5


@pytest.mark.alone
def test_hanging_receiver_does_not_slow_a_healthy_one(transport: WebhookTransport) -> None:
    """Beside hundreds of hanging requests a healthy receiver gets its messages at once."""
    with Receiver() as silent, Receiver() as healthy:
        silent.hang()
        to_silent = transport.open(integration_at(silent.url), limits(max_in_flight=250), lambda: None)
        to_silent.put([message_for(integration_at(silent.url), transport) for _ in range(250)])
        silent.wait_for(250)
        integration = integration_at(healthy.url)
        flight = transport.open(integration, limits(), lambda: None)

        started = time.monotonic()
        flight.put([message_for(integration, transport) for _ in range(16)])
        outcomes = take_all(flight, 16)
        took = time.monotonic() - started

    assert {outcome.verdict for outcome in outcomes} == {Verdict.DELIVERED}
    assert took < 0.5


def test_flights_to_one_host_share_its_room(receiver: Receiver) -> None:
    """Two integrations at one host have its room together, and who waited for it is woken when it frees up."""
    engine = HttpEngine(LOOPBACK, per_host=4)
    transport = WebhookTransport(Surroundings(engine, LOOPBACK))
    receiver.answer_after(0.3)
    first_at, second_at = integration_at(receiver.url_of("/1")), integration_at(receiver.url_of("/2"), 3)
    woken = threading.Event()
    first = transport.open(first_at, limits(), lambda: None)
    second = transport.open(second_at, limits(), woken.set)

    first.put([message_for(first_at, transport) for _ in range(3)])
    left = second.room()
    second.put([message_for(second_at, transport)])
    full = (first.room(), second.room())
    take_all(second, 1)
    woken.clear()
    assert second.room() > 0 or woken.wait(2)
    take_all(first, 3)
    free = (first.room(), second.room())
    engine.stop()

    assert (left, full, free) == (1, (0, 0), (4, 4))


def test_waiting_for_a_hosts_room_ends_with_a_wake(receiver: Receiver) -> None:
    """A flight that found its host full is woken by another flight's end, though nothing of its own landed."""
    engine = HttpEngine(LOOPBACK, per_host=1)
    transport = WebhookTransport(Surroundings(engine, LOOPBACK))
    receiver.answer_after(0.2)
    integration = integration_at(receiver.url)
    woken = threading.Event()
    busy, waiting = (
        transport.open(integration, limits(), lambda: None),
        transport.open(integration, limits(), woken.set),
    )

    busy.put([message_for(integration, transport)])
    before = (waiting.room(), woken.is_set())
    after = woken.wait(3)
    room = waiting.room()
    engine.stop()

    assert before == (0, False)
    assert (after, room) == (True, 1)


def test_engine_that_stops_tells_what_it_does_not_know(receiver: Receiver) -> None:
    """Messages under way when the engine stops may have arrived: their outcome is unknown."""
    engine = HttpEngine(LOOPBACK)
    transport = WebhookTransport(Surroundings(engine, LOOPBACK))
    receiver.hang()
    integration = integration_at(receiver.url)
    flight = transport.open(integration, limits(seconds=30), lambda: None)
    flight.put([message_for(integration, transport)])
    receiver.wait_for(1)

    engine.stop()
    (outcome,) = take_all(flight, 1)

    assert (outcome.verdict, outcome.error) == (Verdict.UNKNOWN, "stopped")


# Configuration


@pytest.mark.parametrize(
    ("given", "pointer", "says"),
    [
        ({}, "data.configuration.url", "is required"),
        ({"url": 5}, "data.configuration.url", "must be text"),
        ({"url": "http://u:p@h.test/"}, "data.configuration.url", "user name"),
        ({"url": "http://2130706433/"}, "data.configuration.url", "IPv4"),
        ({"url": "http://h.test/", "secret_key": "a\r\nb"}, "data.configuration.secret_key", "header"),
        ({"url": "http://h.test/", "secret_key": "a\x00b"}, "data.configuration.secret_key", "header"),
        ({"url": "http://h.test/", "secret_key": " zq7"}, "data.configuration.secret_key", "header"),
        ({"url": "http://h.test/", "secret_key": "zq7 "}, "data.configuration.secret_key", "header"),
        ({"url": "http://h.test/", "secret_key": "pässword"}, "data.configuration.secret_key", "header"),
        ({"url": "http://h.test/", "secret_key": "x" * 1025}, "data.configuration.secret_key", "1024"),
        ({"url": "http://h.test/", "method": "PUT"}, "data.configuration.method", "not a field"),
    ],
)
def test_wrong_configuration_is_refused(given: dict[str, Any], pointer: str, says: str) -> None:
    """What could not be sent later is refused when it is saved, by its field and in words that help."""
    with pytest.raises(InvalidInput) as refusal:
        WebhookConfiguration.parse(given)

    assert refusal.value.pointer == pointer
    assert says in refusal.value.detail
    assert str(given.get("secret_key", "\0")) not in refusal.value.detail


@pytest.mark.parametrize("secret_key", [None, "", "s", "a b", "!~'\"\\", "x" * 1024])
def test_secret_that_can_be_sent_is_taken(secret_key: str | None) -> None:
    """Any printable ASCII is a secret; it may be left out or empty, as Elastic Path has it."""
    parsed = WebhookConfiguration.parse({"url": "https://h.test/", "secret_key": secret_key})

    assert parsed.stored().get("secret_key") == secret_key


def test_writers_see_the_secret_key() -> None:
    """As Elastic Path, a webhook's secret key is shown to who may write it and to nobody else."""
    stored = {"url": "https://h.test/", "secret_key": SECRET_KEY}

    assert masked(WebhookConfiguration, stored, for_writer=True)["secret_key"] == SECRET_KEY
    assert masked(WebhookConfiguration, stored, for_writer=False)["secret_key"] == "*************-key"
