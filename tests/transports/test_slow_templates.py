"""Templates that take long hold up their own messages, and nobody else's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from contracts.cases import add
from servers.receiver import Receiver
from transports.provider import LOOPBACK, Provider

from postrider.domain.errors import InvalidInput
from postrider.domain.message import Message
from postrider.domain.outcome import Outcome, Verdict
from postrider.domain.ports import FlightLimits
from postrider.transports.configuration import revised
from postrider.transports.http import HttpEngine
from postrider.transports.registry import Surroundings
from postrider.transports.rest import RestConfiguration, RestTransport
from postrider.transports.templates import MOST_TEMPLATES, TemplateFailed

SLOW = "{% for a in payload.m %}{% set b = a | tojson | upper | lower %}{% endfor %}x"
PAYLOAD = json.dumps({"m": [["y"] * 20] * 900}).encode()
SECONDS = 2.0


@pytest.fixture
def rest(receiver: Receiver) -> Iterator[Provider]:
    engine = HttpEngine(LOOPBACK)
    yield Provider(RestTransport(Surroundings(engine, LOOPBACK)), receiver, {"url": receiver.url_of("/api")})
    engine.stop()


def many(message: Message, count: int) -> list[Message]:
    """Give a message under as many ids."""
    return [replace(message, id=uuid4()) for _ in range(count)]


def test_templates_of_one_message_share_their_work(rest: Provider) -> None:
    """Each had as much as one may have, and a configuration has dozens of them."""
    integration = rest.integration(headers={f"X-{number}": SLOW for number in range(32)}, body='"x"')
    configuration = RestConfiguration.parse(integration.configuration)
    began = time.process_time()

    with pytest.raises(TemplateFailed, match="too much to do"):
        configuration.render(rest.message(integration, PAYLOAD).body)
    assert time.process_time() - began < 1.5


def test_all_templates_together_have_a_bound() -> None:
    """Reading them takes time too, whenever they are not remembered."""
    headers = {f"X-{number}": "{{a}}" * 3_000 for number in range(5)}

    with pytest.raises(InvalidInput, match=f"at most {MOST_TEMPLATES // 1024} KiB"):
        revised(RestConfiguration, {"url": "https://api.example.com", "headers": headers}, {})


def test_slow_templates_hold_up_nobody_elses_messages(rest: Provider) -> None:
    """They were filled in on the loop that all HTTP goes out from: what waited there for seconds now passes."""
    limits = FlightLimits(timedelta(seconds=SECONDS), 200, ((200, 299),))
    slow = rest.integration(body=f'"{SLOW}"')
    plain = rest.integration()
    crowd = rest.transport.open(slow, limits, lambda: None)
    crowd.put(many(rest.message(slow, PAYLOAD), 150))
    flight, landed = rest.transport.open(plain, limits, lambda: None), dict[UUID, Outcome]()
    began = time.monotonic()

    flight.put([rest.message(plain)])
    while not landed:
        add(landed, flight.take(SECONDS))
    (outcome,) = landed.values()
    assert (outcome.verdict, time.monotonic() - began < 1.0) == (Verdict.DELIVERED, True)

    late = dict[UUID, Outcome]()
    while len(late) < 150:
        add(late, crowd.take(SECONDS))
    assert {one.error for one in late.values()} <= {"", "not_written", "timeout"}
