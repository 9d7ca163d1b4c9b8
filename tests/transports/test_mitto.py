"""Mitto: its code in the body decides, not the status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from contracts.cases import trip
from contracts.mitto_case import API_KEY, SENT, configuration, far_side
from contracts.provider_far_side import ProviderFarSide
from servers.answers import reply

from postrider.domain.errors import InvalidInput
from postrider.domain.outcome import Outcome, Verdict
from postrider.transports.configuration import revised
from postrider.transports.mitto import MittoConfiguration


@pytest.fixture
def mitto() -> Iterator[ProviderFarSide]:
    with far_side() as started:
        yield started


def answered(mitto: ProviderFarSide, status: int, body: bytes, headers: dict[str, str] | None = None) -> Outcome:
    """Send a message to a Mitto that answers so."""
    mitto.receiver.choose(lambda _: reply(status, body, headers))
    with trip(mitto) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()
    return outcome


def with_code(code: object, text: str = "") -> bytes:
    return json.dumps({**SENT, "responseCode": code, "responseText": text}).encode()


def test_the_key_goes_in_mittos_header(mitto: ProviderFarSide) -> None:
    """The SMS is POSTed to /sms as JSON, its number in digits."""
    with trip(mitto) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    (request,) = mitto.receiver.requests
    assert (outcome.verdict, outcome.status_code) == (Verdict.DELIVERED, 200)
    assert (request.method, request.path) == ("POST", "/sms")
    assert request.headers["x-mitto-api-key"] == API_KEY
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body)["to"] == "15035550142"


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (1, Verdict.TEMPORARY),
        (2, Verdict.PERMANENT),
        (3, Verdict.PERMANENT),
        (6, Verdict.PERMANENT),
        (8, Verdict.PERMANENT),
        (99, Verdict.PERMANENT),
    ],
)
def test_a_200_may_be_a_refusal(mitto: ProviderFarSide, code: int, verdict: Verdict) -> None:
    """Only Mitto's own inner error is tried again: each repetition of another costs money for nothing."""
    outcome = answered(mitto, 200, with_code(code, "Not this one"))

    assert (outcome.verdict, outcome.error, outcome.status_code) == (verdict, f"mitto_{code}", 200)
    assert outcome.detail == f"Mitto did not send it: Not this one (code {code})."


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[]", with_code("0"), with_code(None), with_code(False)])
def test_a_200_without_a_code_is_no_success(mitto: ProviderFarSide, body: bytes) -> None:
    """What does not say that it was sent is not taken for sent."""
    outcome = answered(mitto, 200, body)

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(401, Verdict.PERMANENT), (403, Verdict.PERMANENT), (429, Verdict.TEMPORARY), (503, Verdict.TEMPORARY)],
)
def test_other_statuses_speak_for_themselves(mitto: ProviderFarSide, status: int, verdict: Verdict) -> None:
    """Even a body that claims success does not make one of them."""
    outcome = answered(mitto, status, json.dumps(SENT).encode(), {"Retry-After": "7"})

    assert (outcome.verdict, outcome.error) == (verdict, f"http_{status}")
    assert outcome.retry_after == timedelta(seconds=7)


def test_no_number_no_sms(mitto: ProviderFarSide) -> None:
    """An event without the customer's number is a dead letter that says so, and Mitto is not asked."""
    mitto.configuration = {name: value for name, value in mitto.configuration.items() if name != "to"}
    with trip(mitto) as flight:
        without = flight.messages(1)
        wrong = flight.messages(1, b'{"data":{"customer":{"phone":"call me"}}}')
        landed = flight.send([*without, *wrong])

    assert {(one.verdict, one.error) for one in landed.values()} == {(Verdict.PERMANENT, "template_failed")}
    assert "payload.data" in landed[without[0].id].detail
    assert "no telephone number" in landed[wrong[0].id].detail
    assert mitto.receiver.requests == []


@pytest.mark.parametrize("name", ["ab", "fifteenletters1", " Two Words", "123456789012345", "Zoë", ""])
def test_a_sender_that_can_be_none_is_refused_when_saved(name: str) -> None:
    """Three to fourteen letters, digits and blanks; what Mitto wants more strictly, it says itself."""
    with pytest.raises(InvalidInput) as refused:
        MittoConfiguration.parse({"api_key": "k", "sender_name": name})

    assert refused.value.pointer == "data.configuration.sender_name"


def test_a_number_that_is_none_is_refused_when_saved() -> None:
    """The sample event shows that a name is no number."""
    with pytest.raises(InvalidInput) as refused:
        revised(MittoConfiguration, {**configuration("https://rest.mitto.test"), "to": "{{ integration.name }}"}, {})

    assert refused.value.pointer == "data.configuration.to"


def test_the_masked_key_stays_with_its_address() -> None:
    """A key that was only seen masked is not sent to another host."""
    stored = MittoConfiguration.parse(configuration("https://rest.mitto.test")).stored()
    masked = {**stored, "api_key": "*" * (len(API_KEY) - 4) + API_KEY[-4:]}

    assert revised(MittoConfiguration, masked, stored)["api_key"] == API_KEY
    with pytest.raises(InvalidInput) as refused:
        revised(MittoConfiguration, {**masked, "api_url": "https://eve.test"}, stored)
    assert refused.value.pointer == "data.configuration.api_key"
