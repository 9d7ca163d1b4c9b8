"""Mailchimp, SendGrid and Mailgun: how each says that it took a mail, and which of its refusals are final."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from contracts import mailchimp_case, mailgun_case, sendgrid_case
from contracts.cases import trip
from contracts.provider_far_side import ProviderFarSide
from servers.answers import reply

from postrider.domain.outcome import Outcome, Verdict


@pytest.fixture
def mailchimp() -> Iterator[ProviderFarSide]:
    with mailchimp_case.far_side() as started:
        yield started


@pytest.fixture
def sendgrid() -> Iterator[ProviderFarSide]:
    with sendgrid_case.far_side() as started:
        yield started


@pytest.fixture
def mailgun() -> Iterator[ProviderFarSide]:
    with mailgun_case.far_side() as started:
        yield started


def answered(provider: ProviderFarSide, status: int, body: Any, headers: dict[str, str] | None = None) -> Outcome:
    """Send a mail to a provider that answers so."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    provider.receiver.choose(lambda _: reply(status, content, headers))
    return delivered(provider)


def delivered(provider: ProviderFarSide, **changes: str) -> Outcome:
    provider.configuration = {**provider.configuration, **changes}
    with trip(provider) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()
    return outcome


# Mailchimp


def test_mailchimp_gets_its_key_in_the_body(mailchimp: ProviderFarSide) -> None:
    """It goes nowhere else, and the mail has both forms of its text."""
    outcome = delivered(mailchimp, html="<b>{{ event.type }}</b>")

    (request,) = mailchimp.receiver.requests
    mail = json.loads(request.body)
    assert outcome.verdict is Verdict.DELIVERED
    assert request.path == "/api/1.4/messages/send"
    assert mail["key"] == mailchimp_case.API_KEY
    assert mail["message"]["html"] == "<b>order.paid</b>"
    assert "authorization" not in request.headers


@pytest.mark.parametrize("status", ["sent", "queued", "scheduled"])
def test_mailchimp_took_it(mailchimp: ProviderFarSide, status: str) -> None:
    """Each of these is Mailchimp's to go on with."""
    assert answered(mailchimp, 200, [{"email": "a@b.test", "status": status}]).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    ("row", "error", "said"),
    [
        ({"status": "rejected", "reject_reason": "hard-bounce"}, "mail_rejected", "rejected (hard-bounce)"),
        ({"status": "rejected", "reject_reason": "unsub"}, "mail_rejected", "rejected (unsub)"),
        ({"status": "invalid", "reject_reason": None}, "mail_invalid", "invalid (no reason)"),
    ],
)
def test_mailchimp_says_no_with_a_200(mailchimp: ProviderFarSide, row: dict[str, Any], error: str, said: str) -> None:
    """A receiver who is refused today is refused tomorrow."""
    outcome = answered(mailchimp, 200, [{"email": "a@b.test", "_id": "x", **row}])

    assert (outcome.verdict, outcome.error, outcome.status_code) == (Verdict.PERMANENT, error, 200)
    assert said in outcome.detail


@pytest.mark.parametrize(
    ("status", "name", "verdict", "error"),
    [
        (500, "ValidationError", Verdict.PERMANENT, "validation_error"),
        (401, "Invalid_Key", Verdict.PERMANENT, "invalid_credentials"),
        (500, "Invalid_Key", Verdict.PERMANENT, "invalid_credentials"),
        (402, "PaymentRequired", Verdict.PERMANENT, "payment_required"),
        (404, "Unknown_Subaccount", Verdict.PERMANENT, "unknown_subaccount"),
        (500, "GeneralError", Verdict.TEMPORARY, "internal_error"),
        (200, "GeneralError", Verdict.TEMPORARY, "internal_error"),
        (500, "ServiceUnavailable", Verdict.TEMPORARY, "service_unavailable"),
        (500, "RequestLimitExceeded", Verdict.TEMPORARY, "request_limit_exceeded"),
        (500, "Something_New", Verdict.TEMPORARY, "http_500"),
        (422, "Something_New", Verdict.PERMANENT, "http_422"),
    ],
)
def test_mailchimps_errors_go_by_their_names(
    mailchimp: ProviderFarSide, status: int, name: str, verdict: Verdict, error: str
) -> None:
    """Its 500 stands for what the caller did wrong, too; a name that nobody knows goes by the status."""
    body = {"status": "error", "code": -1, "name": name, "message": "Look at it."}
    outcome = answered(mailchimp, status, body)

    assert (outcome.verdict, outcome.error) == (verdict, error)
    assert f"{name}: Look at it." in outcome.detail


@pytest.mark.parametrize("body", [b"", [], {}, [{"status": "odd"}], [[]], "sent"])
def test_mailchimp_that_says_neither_is_tried_again(mailchimp: ProviderFarSide, body: Any) -> None:
    """A 200 alone is no success."""
    outcome = answered(mailchimp, 200, body)

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")


# SendGrid


def test_sendgrid_gets_plain_text_before_html(sendgrid: ProviderFarSide) -> None:
    """It refuses them the other way round; the key is a bearer token."""
    outcome = delivered(sendgrid, html="<b>{{ event.type }}</b>")

    (request,) = sendgrid.receiver.requests
    mail = json.loads(request.body)
    assert (outcome.verdict, outcome.status_code) == (Verdict.DELIVERED, 202)
    assert (request.method, request.path) == ("POST", "/v3/mail/send")
    assert request.headers["authorization"] == f"Bearer {sendgrid_case.API_KEY}"
    assert [part["type"] for part in mail["content"]] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    ("status", "message", "verdict"),
    [
        (400, "Does not contain a valid address.", Verdict.PERMANENT),
        (401, "The provided authorization grant is invalid", Verdict.PERMANENT),
        (403, "The from address does not match a verified Sender Identity.", Verdict.PERMANENT),
        (403, "Too many bad requests. Temporary block.", Verdict.TEMPORARY),
        (413, "Too large", Verdict.PERMANENT),
        (429, "too many requests", Verdict.TEMPORARY),
        (500, "Internal", Verdict.TEMPORARY),
    ],
)
def test_sendgrids_refusals(sendgrid: ProviderFarSide, status: int, message: str, verdict: Verdict) -> None:
    """What is wrong stays wrong, but for the 403 that is a block for a while."""
    outcome = answered(sendgrid, status, {"errors": [{"field": None, "message": message}]})

    assert (outcome.verdict, outcome.error) == (verdict, f"http_{status}")
    assert message in outcome.detail


def test_sendgrid_tells_the_moment_from_which_it_takes_more(sendgrid: ProviderFarSide) -> None:
    """X-RateLimit-Reset is a time, not a number of seconds; one that is over means now; Retry-After stands before."""

    def wait(**headers: str) -> timedelta | None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return answered(sendgrid, 429, {"errors": []}, named).retry_after

    soon = wait(X_RateLimit_Reset=str(int(time.time()) + 90))

    assert soon is not None
    assert 60 < soon.total_seconds() <= 90
    assert wait(X_RateLimit_Reset="1000") in {None, timedelta(0)}
    assert wait(X_RateLimit_Reset="99999999999") == timedelta(days=1)
    assert wait(X_RateLimit_Reset="soon") is None
    assert wait(X_RateLimit_Reset="99999999999", Retry_After="5") == timedelta(seconds=5)


# Mailgun


def test_mailgun_gets_a_form(mailgun: ProviderFarSide) -> None:
    """Under the domain's own path, with the key as the password of `api`."""
    outcome = delivered(mailgun, html="<b>{{ event.type }}</b>")

    (request,) = mailgun.receiver.requests
    fields = parse_qs(request.body.decode())
    assert outcome.verdict is Verdict.DELIVERED
    assert (request.method, request.path) == ("POST", "/v3/mg.shop.test/messages")
    credentials = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    assert credentials == f"api:{mailgun_case.API_KEY}"
    assert fields["html"] == ["<b>order.paid</b>"]
    assert request.headers["idempotency-key"] == fields["v:delivery_id"][0]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (400, Verdict.PERMANENT),
        (401, Verdict.PERMANENT),
        (403, Verdict.PERMANENT),
        (404, Verdict.PERMANENT),
        (429, Verdict.TEMPORARY),
        (500, Verdict.TEMPORARY),
        (504, Verdict.TEMPORARY),
    ],
)
def test_mailguns_refusals(mailgun: ProviderFarSide, status: int, verdict: Verdict) -> None:
    """Its words are in the detail, and its wait is obeyed; 401 says its word without JSON."""
    outcome = answered(mailgun, status, {"message": "Not now"}, {"Retry-After": "11"})
    plain = answered(mailgun, 401, b"Forbidden")

    assert (outcome.verdict, outcome.error) == (verdict, f"http_{status}")
    assert outcome.detail == f"Mailgun answered with status {status}: Not now"
    assert outcome.retry_after == timedelta(seconds=11)
    assert plain.detail == "Mailgun answered with status 401."


# All


@pytest.mark.parametrize("name", ["mailchimp", "sendgrid", "mailgun"])
def test_no_address_no_mail(name: str, request: pytest.FixtureRequest) -> None:
    """An event without the customer's address is a dead letter that says so, and the provider is not asked."""
    provider: ProviderFarSide = request.getfixturevalue(name)
    provider.configuration = {key: value for key, value in provider.configuration.items() if key != "to"}
    with trip(provider) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "template_failed")
    assert "The template of to could not be filled in: payload.data" in outcome.detail
    assert provider.receiver.requests == []
