"""Answers that no provider gives, but proxies, sign-in pages and broken servers do: none is misread, none is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from contracts import (
    mailchimp_case,
    mailgun_case,
    mitto_case,
    rest_case,
    salesforce_case,
    sendgrid_case,
    smtp_case,
    telegram_case,
    twilio_case,
    zendesk_case,
)
from contracts.cases import trip
from contracts.provider_far_side import ProviderFarSide
from contracts.salesforce_case import LOGIN, let_in
from servers.answers import reply

from postrider.domain.outcome import EXCERPT_BYTES, Outcome, Verdict
from postrider.transports.configuration import secret_fields

PAGE = b"<html><body>Sign in to go on.</body></html>"
LONG_PAGE = PAGE + b" " * EXCERPT_BYTES + b"</html>"
HALF = b'"\\ud83d broken"'
WORDS = b'{"ok":false,"message":%(half)s,"description":%(half)s,"name":"ValidationError","responseText":%(half)s}'
JUDGED_BY_BODY = [
    mailchimp_case,
    mailgun_case,
    mitto_case,
    salesforce_case,
    sendgrid_case,
    telegram_case,
    twilio_case,
    zendesk_case,
]


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> Iterator[Any]:
    case: ModuleType = request.param
    with case.far_side() as started:
        yield started


def each(*cases: ModuleType) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("provider", cases, indirect=True, ids=lambda case: case.CASE.name)


def answered(provider: ProviderFarSide, status: int, body: bytes, headers: dict[str, str] | None = None) -> Outcome:
    answer = reply(status, body, headers)
    provider.receiver.choose(lambda request: let_in(request) if request.path == LOGIN else answer)
    return send(provider, b'{"n":1}')


def send(provider: Any, payload: bytes) -> Outcome:
    with trip(provider) as flight:
        (outcome,) = flight.send(flight.messages(1, payload)).values()
    return outcome


@each(*JUDGED_BY_BODY)
@pytest.mark.parametrize("body", [PAGE, LONG_PAGE], ids=["short", "cut off"])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_page_with_a_status_of_success_is_neither_believed_nor_final(
    provider: ProviderFarSide, status: int, body: bytes
) -> None:
    """Somebody on the way answered in the provider's place: the message is neither sent nor lost."""
    outcome = answered(provider, status, body, {"Content-Type": "text/html"})

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")


@each(*JUDGED_BY_BODY, rest_case)
def test_halves_of_characters_in_an_answer_can_be_stored(provider: ProviderFarSide) -> None:
    """JSON can hold them, databases cannot."""
    outcome = answered(provider, 400, WORDS % {b"half": HALF})

    assert outcome.verdict is Verdict.PERMANENT
    assert (outcome.detail + outcome.response_body).encode().decode().isprintable()


@each(*JUDGED_BY_BODY, rest_case)
def test_a_date_beyond_all_calendars_does_not_make_a_refusal_temporary(provider: ProviderFarSide) -> None:
    """What cannot be read is no hint, and the refusal stays final."""
    outcome = answered(provider, 400, b"{}", {"Retry-After": "Mon, 01 Jan 99999999999 00:00:00 GMT"})

    assert (outcome.verdict, outcome.error, outcome.retry_after) == (Verdict.PERMANENT, "http_400", None)


@each(*JUDGED_BY_BODY)
@pytest.mark.parametrize(
    "body",
    [
        [{"status": ["sent"]}],
        {"ok": "true", "success": [], "sid": 1, "id": {}, "ticket": None, "responseCode": 10**30},
        {"success": None, "responseCode": True, "status": "error", "id": None},
    ],
)
def test_odd_types_in_an_answer_are_not_understood(provider: ProviderFarSide, body: Any) -> None:
    """No value that is of another type than documented says yes, or breaks us."""
    outcome = answered(provider, 200, json.dumps(body).encode())

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")


@each(salesforce_case)
def test_an_odd_code_beside_a_failure_is_no_code(provider: ProviderFarSide) -> None:
    """Salesforce says no, and why stays open."""
    outcome = answered(provider, 201, b'{"success":false,"errors":[{"statusCode":{},"message":[]}]}')

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "not_published")


@each(twilio_case, zendesk_case, telegram_case)
def test_an_answer_that_is_longer_than_what_is_read_is_a_success(provider: ProviderFarSide) -> None:
    """What was sent comes back in it, and may be long."""
    whole = {"ok": True, "ticket": {"id": 1}, "body": "\U0001f600" * EXCERPT_BYTES, "sid": "SM1"}

    assert answered(provider, 201, json.dumps(whole).encode()).verdict is Verdict.DELIVERED


@each(twilio_case)
@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled"])
def test_a_message_that_twilio_made_and_gave_up_is_not_delivered(provider: ProviderFarSide, status: str) -> None:
    """The body says it, with a code; it would cost again."""
    body = {"sid": "SM1", "status": status, "error_code": 30034, "error_message": "Unregistered number"}
    outcome = answered(provider, 201, json.dumps(body).encode())

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, f"message_{status}")
    assert "30034 Unregistered number" in outcome.detail


@each(telegram_case)
def test_telegrams_code_is_a_status_or_nothing(provider: ProviderFarSide) -> None:
    """A number that is none does not make a refusal temporary."""
    outcome = answered(provider, 400, b'{"ok":false,"error_code":%d,"description":"no"}' % 10**30)

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "http_400")


@each(mailchimp_case)
@pytest.mark.parametrize("name", ["Unknown_Template", "Invalid_Tag_Name", "Unknown_Sender"])
def test_mailchimps_500_for_what_is_wrong_in_the_request_is_final(provider: ProviderFarSide, name: str) -> None:
    """It stays wrong."""
    outcome = answered(provider, 500, json.dumps({"status": "error", "code": 5, "name": name, "message": "m"}).encode())

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "validation_error")


@each(sendgrid_case)
def test_sendgrids_reset_counts_where_retry_after_is_nonsense(provider: ProviderFarSide) -> None:
    """A hint that cannot be read does not hide one that can."""
    outcome = answered(provider, 429, b"{}", {"Retry-After": "-1", "X-RateLimit-Reset": "99999999999"})

    assert outcome.retry_after is not None


@each(*JUDGED_BY_BODY)
def test_half_of_a_character_in_an_event_is_a_dead_letter(provider: ProviderFarSide) -> None:
    """It can never be sent: it is not tried again, and not sent half."""
    text = "{{ payload.data.name }}"
    fields = {"fields": {"Name__c": text}} if provider.transport.type_name == "salesforce" else {"text": text}
    provider.configuration = {**provider.configuration, **fields}
    outcome = send(provider, b'{"data":{"name":"\\ud83d"}}')

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "template_failed")
    assert provider.receiver.requests == []


@each(*JUDGED_BY_BODY, rest_case)
def test_a_configuration_does_not_show_its_secrets_in_a_traceback(provider: ProviderFarSide) -> None:
    """What is printed by accident holds none."""
    model = provider.transport.configuration_model
    shown = repr(model.parse(provider.configuration))

    secrets = [provider.configuration[name] for name in secret_fields(model) if name in provider.configuration]
    assert secrets
    assert not [secret for secret in secrets if repr(secret)[1:-1] in shown]
    assert "***" in shown


@each(mailchimp_case, mailgun_case, sendgrid_case, smtp_case)
def test_a_subject_of_nothing_but_control_characters_is_a_dead_letter(provider: Any) -> None:
    """It is neither sent without one nor refused by the provider."""
    provider.configuration = {**provider.configuration, "subject": "{{ payload.subject }}"}
    outcome = send(provider, b'{"subject":"\\u0000\\u0007"}')

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "template_failed")
    assert provider.received() == []


@each(mitto_case)
def test_a_zero_in_brackets_is_no_part_of_a_number(provider: ProviderFarSide) -> None:
    """Else the SMS would go to somebody else, or nowhere."""
    provider.configuration = {**provider.configuration, "to": "{{ payload.phone }}"}
    send(provider, b'{"phone":"+44 (0)20 7946 0958"}')

    assert json.loads(provider.received()[0])["to"] == "442079460958"


@each(twilio_case)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"code": 21611, "message": "Queue is full", "status": 400}),
        (400, {"code": 20429, "message": "Too many", "status": 400}),
        (201, {"sid": "SM1", "status": "failed", "error_code": 30001, "error_message": "Queue overflow"}),
    ],
)
def test_a_full_queue_at_twilio_does_not_bury_a_message(
    provider: ProviderFarSide, status: int, body: dict[str, Any]
) -> None:
    """Twilio took nothing, and asks to slow down: https://www.twilio.com/docs/api/errors/21611."""
    assert answered(provider, status, json.dumps(body).encode()).verdict is Verdict.TEMPORARY
