"""Twilio: what goes out, what its answers mean, and what it costs to be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from contracts.twilio_case import ACCOUNT_SID, AUTH_TOKEN, CREATED
from servers.receiver import Receiver
from transports.provider import Provider, provider

from postrider.domain.errors import InvalidInput
from postrider.domain.exhibit import MASK
from postrider.domain.outcome import EXCERPT_BYTES, Verdict
from postrider.transports.configuration import revised
from postrider.transports.twilio import LONGEST_TEXT, TwilioConfiguration, TwilioTransport

CONFIGURATION = {
    "account_sid": ACCOUNT_SID,
    "auth_token": AUTH_TOKEN,
    "default_phone_number": "+15005550006",
    "text": "Order {{ payload.data.id }}: {{ payload.data.total }} & thanks",
}
SERVICE = "MG" + "9f" * 16


@pytest.fixture
def twilio(receiver: Receiver) -> Iterator[Provider]:
    with provider(TwilioTransport, receiver, {**CONFIGURATION, "api_url": receiver.url_of("")}) as made:
        made.answers(201, CREATED)
        yield made


def test_a_message_is_a_form_with_basic_authentication(twilio: Provider) -> None:
    """To the customer's number, from the account's, to the account's own address."""
    outcome = twilio.send()

    assert (outcome.verdict, outcome.error, outcome.status_code) == (Verdict.DELIVERED, "", 201)
    request = twilio.request()
    assert (request.method, request.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["authorization"].startswith("Basic ")
    assert parse_qs(request.body.decode()) == {
        "To": ["+15035550142"],
        "From": ["+15005550006"],
        "Body": ["Order o-1: 1.10 & thanks"],
    }


def test_a_messaging_service_stands_in_the_place_of_a_number(twilio: Provider) -> None:
    """Twilio takes one sender, not two."""
    twilio.send(messaging_service_sid=SERVICE)

    form = parse_qs(twilio.request().body.decode())
    assert (form["MessagingServiceSid"], "From" in form) == ([SERVICE], False)


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (400, 21211, Verdict.PERMANENT),
        (401, 20003, Verdict.PERMANENT),
        (403, 20403, Verdict.PERMANENT),
        (404, 20404, Verdict.PERMANENT),
        (429, 20429, Verdict.TEMPORARY),
        (500, 20500, Verdict.TEMPORARY),
        (503, 20503, Verdict.TEMPORARY),
    ],
)
def test_refusals_are_final_unless_they_pass(twilio: Provider, status: int, code: int, verdict: Verdict) -> None:
    """Each message costs money: only what may work later is repeated, and Twilio's own words are told."""
    twilio.answers(status, {"code": code, "message": "Because.", "more_info": "", "status": status})

    outcome = twilio.send()

    assert (outcome.verdict, outcome.error) == (verdict, f"http_{status}")
    assert outcome.detail == f"Twilio answered with status {status}: {code} Because."


def test_a_wait_is_taken_over(twilio: Provider) -> None:
    """Retry-After is asked for with too many requests."""
    twilio.answers(429, {"code": 20429, "message": "Too Many Requests"}, {"Retry-After": "7"})

    assert twilio.send().retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("status", "body"), [(201, b"<html>welcome</html>"), (201, {"status": "queued"}), (201, b""), (201, b"[]")]
)
def test_success_is_a_message_with_an_id(twilio: Provider, status: int, body: object) -> None:
    """What answers 201 and names no message is not Twilio."""
    twilio.answers(status, body)

    assert (twilio.send().verdict, twilio.send().error) == (Verdict.TEMPORARY, "bad_response")


def test_another_status_is_no_success(twilio: Provider) -> None:
    """Nor is a redirect followed."""
    twilio.answers(302, b"", {"Location": "https://example.com/"})

    assert (twilio.send().verdict, twilio.send().error) == (Verdict.PERMANENT, "http_302")


def test_a_long_answer_is_believed(twilio: Provider) -> None:
    """An answer that is cut off by our own limit was 201 all the same."""
    twilio.answers(201, b'{"sid":"SM1","body":"' + b"x" * EXCERPT_BYTES + b'"}')

    assert twilio.send().verdict is Verdict.DELIVERED


def test_a_text_that_is_too_long_is_not_sent(twilio: Provider) -> None:
    """Twilio would refuse it, again and again."""
    outcome = twilio.send(text="x" * (LONGEST_TEXT + 1))

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "body_too_large")
    assert outcome.detail == "The text has 1,601 characters; Twilio takes at most 1,600."
    assert twilio.receiver.requests == []


def test_what_the_event_lacks_is_not_sent_half(twilio: Provider) -> None:
    """A dead letter that says which field and what is missing."""
    outcome = twilio.send(payload=b'{"data":{"id":1,"total":2,"customer":{}}}')

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "template_failed")
    assert "to could not be filled in: payload.data.customer.phone is not there" in outcome.detail
    assert twilio.receiver.requests == []


def test_an_exhibit_hides_the_token(twilio: Provider) -> None:
    """The request as it goes out, with a mask for the credentials."""
    shown = twilio.shown()

    assert dict(shown.headers)["Authorization"] == f"Basic {MASK}"
    assert shown.body.startswith("To=%2B15035550142&From=")
    assert AUTH_TOKEN not in repr(shown)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"account_sid": "ACshort"}, "data.configuration.account_sid"),
        ({"account_sid": "AC/../../../../../../../../../../x"}, "data.configuration.account_sid"),
        ({"auth_token": ""}, "data.configuration.auth_token"),
        ({"messaging_service_sid": "MG1"}, "data.configuration.messaging_service_sid"),
        ({"default_phone_number": None}, "data.configuration"),
        ({"api_url": "ftp://x"}, "data.configuration.api_url"),
        ({"api_url": "https://x.example/?a"}, "data.configuration.api_url"),
        ({"to": "{{ payload.data.fax }}"}, "data.configuration.to"),
    ],
)
def test_wrong_configurations_are_refused(changes: dict[str, Any], pointer: str) -> None:
    """When they are saved, by the name of the field."""
    given = {name: value for name, value in {**CONFIGURATION, **changes}.items() if value is not None}

    with pytest.raises(InvalidInput) as refused:
        revised(TwilioConfiguration, given, {})

    assert refused.value.pointer == pointer


def test_a_masked_token_does_not_move(twilio: Provider) -> None:
    """Who cannot see the token cannot have it sent elsewhere."""
    stored = dict(twilio.integration().configuration)
    masked = {**stored, "auth_token": "*" * 28 + AUTH_TOKEN[-4:]}

    assert revised(TwilioConfiguration, masked, stored) == stored
    with pytest.raises(InvalidInput):
        revised(TwilioConfiguration, {**masked, "api_url": "https://thief.example"}, stored)
