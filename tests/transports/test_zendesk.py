"""Zendesk: what a ticket is made of, and which answers are worth another try."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from contracts.cases import trip
from contracts.provider_far_side import ProviderFarSide
from contracts.zendesk_case import API_TOKEN, configuration, far_side
from servers.answers import reply

from postrider.domain.errors import InvalidInput
from postrider.domain.outcome import Outcome, Verdict
from postrider.transports.zendesk import ZendeskConfiguration


@pytest.fixture
def zendesk() -> Iterator[ProviderFarSide]:
    with far_side() as started:
        yield started


def answered(zendesk: ProviderFarSide, status: int, body: object, headers: dict[str, str] | None = None) -> Outcome:
    """Send a message to a Zendesk that answers so."""
    zendesk.receiver.choose(lambda _: reply(status, json.dumps(body).encode(), headers))
    with trip(zendesk) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()
    return outcome


def test_a_ticket_is_made_once_for_a_delivery(zendesk: ProviderFarSide) -> None:
    """The request goes to the Tickets API with the credentials, and the delivery's id as its idempotency key."""
    with trip(zendesk) as flight:
        (message,) = flight.messages(1)
        (outcome,) = flight.send([message]).values()

    (request,) = zendesk.receiver.requests
    assert (outcome.verdict, outcome.status_code) == (Verdict.DELIVERED, 201)
    assert (request.method, request.path) == ("POST", "/api/v2/tickets.json")
    assert request.headers["idempotency-key"] == str(message.id)
    credentials = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    assert credentials == f"agent@example.com/token:{API_TOKEN}"


def test_the_beginning_of_the_path_may_stand_in_the_address(zendesk: ProviderFarSide) -> None:
    """An address that ends with /api/v2 leads to the same place."""
    zendesk.configuration = configuration(zendesk.receiver.url_of("/api/v2/"))
    with trip(zendesk) as flight:
        flight.send(flight.messages(1))

    assert [request.path for request in zendesk.receiver.requests] == ["/api/v2/tickets.json"]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (409, Verdict.TEMPORARY),
        (429, Verdict.TEMPORARY),
        (503, Verdict.TEMPORARY),
        (400, Verdict.PERMANENT),
        (401, Verdict.PERMANENT),
        (403, Verdict.PERMANENT),
        (422, Verdict.PERMANENT),
    ],
)
def test_a_refusal_is_final_or_not(zendesk: ProviderFarSide, status: int, verdict: Verdict) -> None:
    """409 says that the same request is still running; what is wrong with a ticket stays wrong."""
    outcome = answered(zendesk, status, {"error": "RecordInvalid", "description": "Record validation errors"})

    assert (outcome.verdict, outcome.error) == (verdict, f"http_{status}")
    assert outcome.detail == f"Zendesk answered with status {status}: RecordInvalid Record validation errors"


def test_zendesk_says_which_field_is_wrong_and_how_long_to_wait(zendesk: ProviderFarSide) -> None:
    """Its words for a field are in the detail; Retry-After is obeyed."""
    details = {"subject": [{"description": "Subject: is too long", "error": "TooLong"}]}
    wrong = answered(zendesk, 422, {"error": "RecordInvalid", "details": details})
    busy = answered(zendesk, 429, {"error": "APIRateLimitExceeded"}, {"Retry-After": "93"})

    assert wrong.detail.endswith("RecordInvalid Subject: is too long")
    assert busy.retry_after == timedelta(seconds=93)


def test_a_page_in_the_place_of_a_ticket_is_no_success(zendesk: ProviderFarSide) -> None:
    """A status of success without a ticket in the answer is tried again: the idempotency key makes it safe."""
    outcome = answered(zendesk, 200, {"html": "This account is suspended"})

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")


@pytest.mark.parametrize("fields", [{"colour": "red"}, {"12a": "x"}, {"1" * 19: "x"}])
def test_custom_fields_are_named_by_their_ids(fields: dict[str, str]) -> None:
    """What is no id of a field is refused when it is saved."""
    with pytest.raises(InvalidInput) as refused:
        ZendeskConfiguration.parse({**configuration("https://example.zendesk.com"), "fields": fields})

    assert refused.value.pointer == "data.configuration.fields"
