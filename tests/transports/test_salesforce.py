"""Salesforce: how it lets in, how long the token is used, and what its answers mean."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, quote

import pytest
from contracts.cases import trip
from contracts.salesforce_case import (
    ACCESS_TOKEN,
    LOGIN,
    PUBLISHED,
    SECRETS,
    SalesforceFarSide,
    configuration,
    far_side,
    let_in,
    publish,
)
from servers.answers import Answer, reply
from servers.receiver import Receiver, Request

from postrider.domain.errors import InvalidInput
from postrider.domain.exhibit import MASK
from postrider.domain.outcome import Outcome, Verdict
from postrider.transports.salesforce import ELSEWHERE, LIMIT_WAIT, SalesforceConfiguration

OVER = json.dumps([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]).encode()
TOKEN = '00Dcanary!AQ+/another"token=='
REFUSED = json.dumps({"error": "invalid_grant", "error_description": "authentication failure"}).encode()


@pytest.fixture
def salesforce() -> Iterator[SalesforceFarSide]:
    with far_side() as started:
        yield started


def paths(salesforce: SalesforceFarSide) -> list[str]:
    return ["login" if request.path == LOGIN else "event" for request in salesforce.receiver.requests]


def answered(salesforce: SalesforceFarSide, status: int, body: object) -> Outcome:
    """Publish in a Salesforce that lets in and then answers so."""
    answer = reply(status, json.dumps(body).encode())
    salesforce.receiver.choose(lambda request: let_in(request) if request.path == LOGIN else answer)
    return send_one(salesforce)


def send_one(salesforce: SalesforceFarSide) -> Outcome:
    with trip(salesforce) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()
    return outcome


def test_one_login_serves_many_messages_and_flights(salesforce: SalesforceFarSide) -> None:
    """The token is kept for an integration's version: later flights use it, a new version logs in anew."""
    with trip(salesforce) as flight:
        flight.send(flight.messages(10))
        integration = flight.integration
        flight.flight.close()
        for changed in (integration, replace(integration, version=2)):
            flight.integration = changed
            flight.__post_init__()
            flight.send(flight.messages(1))
            flight.flight.close()

    assert paths(salesforce) == ["login", *["event"] * 11, "login", "event"]


def test_what_is_shown_at_the_door_and_at_the_api(salesforce: SalesforceFarSide) -> None:
    """The password flow has the security token behind the password; the event goes to the instance with the token."""
    send_one(salesforce)

    login, event = salesforce.receiver.requests
    assert parse_qs(login.body.decode()) == {
        "grant_type": ["password"],
        "client_id": ["3MVG9consumer"],
        "client_secret": [SECRETS[0]],
        "username": ["publisher@example.com"],
        "password": [SECRETS[1] + SECRETS[2]],
    }
    assert (event.method, event.path) == ("POST", "/services/data/v60.0/sobjects/Order_Paid__e/")
    assert event.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"


def test_the_event_goes_to_the_instance(salesforce: SalesforceFarSide) -> None:
    """What the login calls the instance is where events go, though the login is elsewhere."""
    with Receiver() as instance:
        instance.answer(201, PUBLISHED)
        body = json.dumps({"access_token": "t0ken", "instance_url": instance.url_of("")}).encode()
        salesforce.receiver.choose(lambda _: reply(200, body))
        outcome = send_one(salesforce)

        assert outcome.verdict is Verdict.DELIVERED
        assert [request.path for request in salesforce.receiver.requests] == [LOGIN]
        assert [request.headers["authorization"] for request in instance.requests] == ["Bearer t0ken"]


def test_a_session_that_is_over_is_renewed_within_the_attempt(salesforce: SalesforceFarSide) -> None:
    """The message gets in with a second token, and the first is used by nobody any more."""
    tokens = iter(["first", "second"])

    def choose(request: Request) -> Answer:
        if request.path == LOGIN:
            return let_in(request, token=next(tokens))
        return reply(401, OVER) if request.headers["authorization"] == "Bearer first" else reply(201, PUBLISHED)

    salesforce.receiver.choose(choose)
    with trip(salesforce) as flight:
        landed = flight.send(flight.messages(5))
        landed |= flight.send(flight.messages(5))

    assert {outcome.verdict for outcome in landed.values()} == {Verdict.DELIVERED}
    assert paths(salesforce).count("login") == 2


def test_a_session_is_renewed_once(salesforce: SalesforceFarSide) -> None:
    """When the new one is over too, the attempt has failed, and the next begins with a login."""
    salesforce.receiver.choose(lambda request: let_in(request) if request.path == LOGIN else reply(401, OVER))
    outcome = send_one(salesforce)

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "http_401")
    assert paths(salesforce) == ["login", "event", "login", "event"]


def test_a_wrong_password_is_tried_once(salesforce: SalesforceFarSide) -> None:
    """All messages fail for good with Salesforce's words, and the account is not locked by trying on."""
    salesforce.receiver.choose(lambda _: reply(400, REFUSED))
    with trip(salesforce) as flight:
        landed = flight.send(flight.messages(10))

    assert {(one.verdict, one.error) for one in landed.values()} == {(Verdict.PERMANENT, "http_400")}
    assert {one.detail for one in landed.values()} == {
        "Salesforce answered with status 400: invalid_grant authentication failure"
    }
    assert paths(salesforce) == ["login"]


@pytest.mark.parametrize(
    ("error", "description"),
    [("unknown_error", "retry your request"), ("invalid_grant", "login rate exceeded")],
)
def test_a_door_that_is_busy_is_knocked_at_later(salesforce: SalesforceFarSide, error: str, description: str) -> None:
    """Some refusals of the login pass."""
    body = json.dumps({"error": error, "error_description": description}).encode()
    salesforce.receiver.choose(lambda _: reply(400, body))

    assert send_one(salesforce).verdict is Verdict.TEMPORARY


@pytest.mark.parametrize(
    ("status", "body", "error"), [(503, b"down", "http_503"), (429, b"", "http_429"), (200, b"<html>", "bad_response")]
)
def test_a_door_that_does_not_work_is_not_knocked_at_by_all(
    salesforce: SalesforceFarSide, status: int, body: bytes, error: str
) -> None:
    """Who waits behind the first is told what it was told, and tries again later."""
    salesforce.receiver.choose(lambda _: reply(status, body, after=0.05))
    with trip(salesforce, max_in_flight=30) as flight:
        landed = flight.send(flight.messages(30))

    assert {(one.verdict, one.error) for one in landed.values()} == {(Verdict.TEMPORARY, error)}
    assert paths(salesforce) == ["login"]


def test_one_renews_the_session_for_all_that_are_under_way(salesforce: SalesforceFarSide) -> None:
    """A token that ends under many messages is renewed once, and all of them get in."""
    tokens = iter(["first", "second"])

    def choose(request: Request) -> Answer:
        if request.path == LOGIN:
            return let_in(request, token=next(tokens))
        over = request.headers["authorization"] == "Bearer first"
        return reply(401, OVER, after=0.05) if over else reply(201, PUBLISHED, after=0.05)

    salesforce.receiver.choose(choose)
    with trip(salesforce, max_in_flight=30) as flight:
        landed = flight.send(flight.messages(30))

    assert {outcome.verdict for outcome in landed.values()} == {Verdict.DELIVERED}
    assert paths(salesforce).count("login") == 2


@pytest.mark.parametrize(
    "written",
    [
        quote(TOKEN, safe=""),
        json.dumps(TOKEN)[1:-1],
        json.dumps(TOKEN)[1:-1].replace("/", "\\/"),
        base64.b64encode(TOKEN.encode()).decode(),
        TOKEN.encode().hex(),
    ],
)
def test_a_token_that_comes_back_in_another_form_is_not_kept(salesforce: SalesforceFarSide, written: str) -> None:
    """No more than in its own: in the detail, in the body, or in a header."""
    answer = reply(400, b'[{"errorCode":"X","message":"You sent %s"}]' % written.encode(), {"X-Echo": written})
    salesforce.receiver.choose(lambda request: let_in(request, token=TOKEN) if request.path == LOGIN else answer)
    outcome = send_one(salesforce)

    # Of base64 the last characters may stay, which hold no whole byte of it.
    assert "X You sent ***" in outcome.detail
    assert outcome.response_headers["x-echo"].startswith("***")
    assert written[:-4] not in outcome.response_body + outcome.detail


@pytest.mark.parametrize("token", ["", "a\r\nX-Evil: 1", "t\u00f6ken"])
def test_a_token_that_no_header_can_hold_is_none(salesforce: SalesforceFarSide, token: str) -> None:
    """The answer is not Salesforce's, and passes."""
    salesforce.receiver.choose(lambda request: let_in(request, token=token))
    outcome = send_one(salesforce)

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")
    assert paths(salesforce) == ["login"]


def test_a_login_without_a_token_tells_no_word_of_its_answer(salesforce: SalesforceFarSide) -> None:
    """An answer that is no login's may hold a token all the same."""
    body = json.dumps({"access_token": "t0ken", "instance_url": "nowhere"}).encode()
    salesforce.receiver.choose(lambda _: reply(200, body))
    outcome = send_one(salesforce)

    assert (outcome.verdict, outcome.error, outcome.response_body) == (Verdict.TEMPORARY, "bad_response", "")


def test_a_login_may_not_lead_inside(salesforce: SalesforceFarSide) -> None:
    """The guard is asked about the instance as about every address."""
    body = json.dumps({"access_token": "t0ken", "instance_url": "http://169.254.169.254"}).encode()
    salesforce.receiver.choose(lambda _: reply(200, body))
    outcome = send_one(salesforce)

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "address_refused")


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (201, {"id": "e01", "success": True, "errors": [{"statusCode": "OPERATION_ENQUEUED"}]}, Verdict.DELIVERED),
        (201, {"success": False, "errors": [{"statusCode": "INVALID_FIELD", "message": "m"}]}, Verdict.PERMANENT),
        (201, {"success": False, "errors": [{"statusCode": "LIMIT_EXCEEDED", "message": "m"}]}, Verdict.TEMPORARY),
        (200, "<html>", Verdict.TEMPORARY),
        (400, [{"errorCode": "REQUIRED_FIELD_MISSING", "message": "m"}], Verdict.PERMANENT),
        (404, [{"errorCode": "NOT_FOUND", "message": "m"}], Verdict.PERMANENT),
        (503, [{"errorCode": "SERVER_UNAVAILABLE", "message": "m"}], Verdict.TEMPORARY),
    ],
)
def test_success_is_what_the_body_says(
    salesforce: SalesforceFarSide, status: int, body: object, verdict: Verdict
) -> None:
    """`errors` is not empty on success: `success` decides."""
    assert answered(salesforce, status, body).verdict is verdict


def test_a_limit_that_is_used_up_is_waited_for(salesforce: SalesforceFarSide) -> None:
    """The organisation's limit is a day's: an hour passes before the next attempt."""
    outcome = answered(salesforce, 403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests"}])

    assert (outcome.verdict, outcome.retry_after) == (Verdict.TEMPORARY, LIMIT_WAIT)
    assert timedelta(minutes=30) <= LIMIT_WAIT


@pytest.mark.parametrize(
    ("code", "wait"),
    [
        ("LIMIT_EXCEEDED", LIMIT_WAIT),
        ("PLATFORM_EVENT_PUBLISHING_UNAVAILABLE", None),
        ("PLATFORM_EVENT_PUBLISH_FAILED", None),
        ("PLATFORM_EVENT_ENCRYPTION_ERROR", None),
    ],
)
def test_what_salesforce_says_to_try_again_later_is(
    salesforce: SalesforceFarSide, code: str, wait: timedelta | None
) -> None:
    """In a result as in a refusal: https://developer.salesforce.com, Platform Event Error Status Codes."""
    result = answered(salesforce, 201, {"success": False, "errors": [{"statusCode": code, "message": "m"}]})
    refusal = answered(salesforce, 400, [{"errorCode": code, "message": "m"}])

    assert (result.verdict, result.retry_after) == (Verdict.TEMPORARY, wait)
    assert (refusal.verdict, refusal.retry_after) == (Verdict.TEMPORARY, wait)


@pytest.mark.parametrize(
    ("name", "value"),
    [("event", "Order"), ("event", "Order__e/../x"), ("fields", {"a/b": "x"}), ("fields", {}), ("api_version", "60")],
)
def test_names_are_salesforces(name: str, value: object) -> None:
    """What cannot be an event's or a field's name is refused when it is saved."""
    with pytest.raises(InvalidInput) as refused:
        SalesforceConfiguration.parse({**configuration("https://login.salesforce.com"), name: value})

    assert refused.value.pointer == f"data.configuration.{name}"


def test_every_login_is_for_one_integration(salesforce: SalesforceFarSide) -> None:
    """Two integrations with the same account do not share a token."""
    salesforce.receiver.choose(publish)
    send_one(salesforce)
    send_one(salesforce)

    assert paths(salesforce) == ["login", "event"] * 2


def test_a_request_is_shown_without_its_secrets(salesforce: SalesforceFarSide) -> None:
    """With a word on where it really goes."""
    with trip(salesforce) as flight:
        (message,) = flight.messages(1)
        shown = salesforce.transport.exhibit(flight.integration, message)

    assert shown.title.endswith("/services/data/v60.0/sobjects/Order_Paid__e/")
    assert ("Authorization", f"Bearer {MASK}") in shown.headers
    assert shown.note.endswith(ELSEWHERE)
