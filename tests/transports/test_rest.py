"""REST APIs: any method, path, headers and body, and whoever is to call."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from servers.receiver import Receiver
from transports.provider import PAYLOAD, Provider, provider

from postrider.domain.errors import InvalidInput
from postrider.domain.exhibit import MASK
from postrider.domain.outcome import Verdict
from postrider.transports.configuration import revised
from postrider.transports.rest import RestConfiguration, RestTransport

TOKEN = "canary-token-0123"
PASSWORD = "canary-password"


@pytest.fixture
def rest(receiver: Receiver) -> Iterator[Provider]:
    with provider(RestTransport, receiver, {"url": receiver.url_of("/api/")}) as made:
        yield made


def test_by_default_the_payload_is_posted_as_it_was_published(rest: Provider) -> None:
    """Byte for byte, as JSON, with a key that repeats have too."""
    outcome = rest.send()

    assert (outcome.verdict, outcome.status_code) == (Verdict.DELIVERED, 200)
    request = rest.request()
    assert (request.method, request.path, request.body) == ("POST", "/api/", PAYLOAD)
    assert request.headers["content-type"] == "application/json"
    assert len(request.headers["idempotency-key"]) == 36
    assert "authorization" not in request.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET", "HEAD"])
def test_any_method_is_sent(rest: Provider, method: str) -> None:
    """GET and HEAD without a body."""
    rest.send(method=method, path="/orders/{{ payload.data.id }}?total={{ payload.data.total }}")

    request = rest.request()
    assert (request.method, request.path) == (method, "/api/orders/o-1?total=1.10")
    assert request.body == (b"" if method in {"GET", "HEAD"} else PAYLOAD)


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"token": TOKEN}, f"Bearer {TOKEN}"),
        ({"username": "ada", "password": PASSWORD}, "Basic " + base64.b64encode(f"ada:{PASSWORD}".encode()).decode()),
        ({"username": "ada"}, "Basic YWRhOg=="),
        ({"token": TOKEN, "username": "ada", "password": PASSWORD}, f"Bearer {TOKEN}"),
        ({"token": "", "username": "", "password": ""}, None),
        ({"password": PASSWORD}, None),
    ],
)
def test_who_calls_is_said_by_what_is_filled_in(rest: Provider, changes: dict[str, str], sent: str | None) -> None:
    """A token goes before a user; without either nothing is said."""
    rest.send(**changes)

    assert rest.request().headers.get("authorization") == sent


def test_bodies_and_headers_are_templates(rest: Provider) -> None:
    """Values are escaped for JSON, and one's own headers stand in the place of ours."""
    rest.send(
        payload=b'{"data":{"id":"a\\"b\\n","total":1.10}}',
        body='{"ref":"{{ payload.data.id }}","total":{{ payload.data.total }}}',
        headers={"X-Event": "{{ event.type }}", "user-agent": "ours/1"},
    )

    request = rest.request()
    assert request.body == b'{"ref":"a\\"b\\n","total":1.10}'
    assert (request.headers["x-event"], request.headers["user-agent"]) == ("order.paid", "ours/1")
    assert [name.lower() for name, _ in request.header_pairs].count("user-agent") == 1


def test_a_body_that_is_no_json_is_sent_as_it_comes(rest: Provider) -> None:
    """The content type decides how values are escaped."""
    rest.send(content_type="text/plain; charset=utf-8", body='"{{ payload.data.customer.name }}" paid')

    assert rest.request().body == b'"Ada" paid'
    assert rest.request().headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (301, Verdict.PERMANENT),
        (400, Verdict.PERMANENT),
        (401, Verdict.PERMANENT),
        (404, Verdict.PERMANENT),
        (408, Verdict.TEMPORARY),
        (409, Verdict.PERMANENT),
        (410, Verdict.PERMANENT),
        (422, Verdict.PERMANENT),
        (425, Verdict.TEMPORARY),
        (429, Verdict.TEMPORARY),
        (500, Verdict.TEMPORARY),
        (502, Verdict.TEMPORARY),
        (503, Verdict.TEMPORARY),
        (504, Verdict.TEMPORARY),
    ],
)
def test_what_a_status_means(rest: Provider, status: int, verdict: Verdict) -> None:
    """What will be refused again is not repeated; one missing thing does not switch the integration off."""
    rest.answers(status, b"because", {"Retry-After": "9"})

    outcome = rest.send()

    assert (outcome.verdict, outcome.error, outcome.gone) == (verdict, f"http_{status}", False)
    assert (outcome.response_body, outcome.retry_after) == ("because", timedelta(seconds=9))


def test_the_integration_says_what_a_success_is(rest: Provider) -> None:
    """As for webhooks."""
    rest.answers(302, b"")

    assert rest.send(success=((300, 399),)).verdict is Verdict.DELIVERED


def test_secrets_are_taken_out_of_answers(rest: Provider) -> None:
    """An API that says everything back teaches readers nothing."""
    secrets = {"token": TOKEN, "username": "ada", "password": PASSWORD}
    rest.answers(400, f"{TOKEN} {PASSWORD}".encode(), {"X-Echo": f"Bearer {TOKEN}"})

    outcome, shown = rest.send(**secrets), rest.shown(**secrets)

    assert (outcome.response_body, outcome.response_headers["x-echo"]) == ("*** ***", "Bearer ***")
    assert dict(shown.headers)["Authorization"] == f"Bearer {MASK}"
    assert TOKEN not in repr(shown)
    assert PASSWORD not in repr(shown)


@pytest.mark.parametrize("identity", ["..", ".", "a/../../admin", "a?b#c", "//x.example/", "@x.example", "\\\\x"])
def test_values_do_not_leave_their_place_in_the_path(rest: Provider, identity: str) -> None:
    """What a publisher writes cannot lead the credentials to another path or host."""
    payload = b'{"data":{"id":"%s"}}' % identity.replace("\\", "\\\\").encode()

    outcome = rest.send(path="/orders/{{ payload.data.id }}/items", token=TOKEN, payload=payload)

    if identity in {"..", "."}:
        assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "template_failed")
        assert rest.receiver.requests == []
    else:
        before, middle, after = rest.request().path.rpartition("/items")
        assert (before.startswith("/api/orders/"), middle, after) == (True, "/items", "")
        assert before.count("/") == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "https://api.example.com?x=1"}, "url"),
        ({"url": "https://user:pw@api.example.com"}, "url"),
        ({"method": "TRACE"}, "method"),
        ({"path": ".evil.example/"}, "path"),
        ({"path": "/a/../b"}, "path"),
        ({"path": "/{{ payload.nothing }}"}, "path"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"headers": {"X A": "x"}}, "headers"),
        ({"headers": {"X-A": "{{ nothing }}"}}, "headers.X-A"),
        ({"headers": {f"X-{number}": "" for number in range(40)}}, "headers"),
        ({"content_type": "a\nb"}, "content_type"),
        ({"body": '{"a": {{ payload.data.customer.name }}}'}, "body"),
    ],
)
def test_wrong_configurations_are_refused(changes: dict[str, Any], field: str) -> None:
    """When they are saved, by the name of the field."""
    with pytest.raises(InvalidInput) as refused:
        revised(RestConfiguration, {"url": "https://api.example.com", **changes}, {})

    assert refused.value.pointer == f"data.configuration.{field}"


@pytest.mark.parametrize(
    ("url", "path", "asked"),
    [
        ("/hooks/", "", "/hooks/"),
        ("/hooks/", "?a=1", "/hooks/?a=1"),
        ("/hooks", "", "/hooks"),
        ("", "", "/"),
        ("/v1/", "/orders/", "/v1/orders/"),
    ],
)
def test_a_slash_at_the_end_of_the_url_stays(rest: Provider, url: str, path: str, asked: str) -> None:
    """Without it many servers answer with a redirect, which is not followed."""
    rest.answers(200, b"")
    rest.send(url=rest.receiver.url_of(url), path=path)

    assert rest.request().path == asked


@pytest.mark.parametrize("path", ["/orders/{{ payload.data.id }}", "/orders/{{ payload.data.id }}/items?a=b//"])
def test_an_empty_value_does_not_make_another_path(rest: Provider, path: str) -> None:
    """Who deletes one order does not delete all."""
    outcome = rest.send(payload=b'{"data":{"id":""}}', path=path, method="DELETE", headers={}, body=None)

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "template_failed")
    assert rest.receiver.requests == []
