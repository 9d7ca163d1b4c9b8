"""How requests fail: always in one form, with the right status, and without internals."""

from __future__ import annotations

import json

import pytest
from api import Api, only_error
from sqlalchemy import update

from postrider.domain import errors as domain_errors
from postrider.domain.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotJson,
    NotPermitted,
    NotReadyToStart,
    PostriderError,
    SecretUnreadable,
    TooLarge,
    TooManyRequests,
    Unavailable,
    UnsupportedContent,
)
from postrider.store.tables import api_keys, jobs
from postrider.web.errors import answer_to

EVENT_TYPES = "/v2/event-types"
CASES = [
    (NotJson("x"), 400),
    (NotAuthenticated("x"), 401),
    (NotPermitted("x"), 403),
    (NotFound("x"), 404),
    (Conflict("x"), 409),
    (TooLarge("x"), 413),
    (TooManyRequests("x", wait_seconds=2.5), 429),
    (UnsupportedContent("a", "x"), 415),
    (InvalidInput("a", "x"), 422),
    (PostriderError("x"), 500),
    (NotReadyToStart("x"), 500),
    (Unavailable("x"), 503),
    (SecretUnreadable("x"), 503),
]


@pytest.mark.parametrize(("error", "status"), CASES)
def test_every_error_has_its_status(error: PostriderError, status: int) -> None:
    """One table says which status an error gets."""
    answer = answer_to(error)

    (told,) = json.loads(bytes(answer.body))["errors"]
    assert (answer.status_code, told["status"]) == (status, status)
    assert told["detail"] == ("The resource could not be found" if status == 404 else "x")


def test_no_error_is_left_out() -> None:
    """Every error of the tree stands in the table above."""
    named = {value for value in vars(domain_errors).values() if isinstance(value, type)}

    assert {type(error) for error, _ in CASES} >= {one for one in named if issubclass(one, PostriderError)}


@pytest.mark.parametrize(
    ("pointer", "source"),
    [
        ("data.configuration.url", {"pointer": "/data/configuration/url"}),
        ("query.page[limit]", {"parameter": "page[limit]"}),
        ("header.Content-Type", {"header": "Content-Type"}),
    ],
)
def test_the_source_is_named(pointer: str, source: dict[str, str]) -> None:
    """A field is named where clients look for it."""
    (told,) = json.loads(bytes(answer_to(InvalidInput(pointer, "x")).body))["errors"]

    assert told["source"] == source


@pytest.mark.parametrize("path", ["/v2", "/v2/nope", "/v2/events/", "/docs", "/redoc", "/v2/events/x/y/z"])
def test_an_unknown_address_is_not_found(refusing: Api, path: str) -> None:
    """There is nothing where nothing is, not even a redirect."""
    error = only_error(refusing.get(path))

    assert (error["status"], error["title"]) == (404, "Not Found")
    assert error["detail"] == "there is nothing at this address; GET / says where to begin"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v2/events", "GET, HEAD, POST"),
        ("DELETE", "/v2/events", "GET, HEAD, POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("GET", "/oauth/access_token", "POST"),
        ("PATCH", "/v2/api-keys", "GET, HEAD, POST"),
    ],
)
def test_another_method_is_not_allowed(refusing: Api, method: str, path: str, allowed: str) -> None:
    """The answer lists what the address takes."""
    answer = refusing.call(method, path)

    assert only_error(answer)["status"] == 405
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("body", "content_type", "status", "said"),
    [
        (b"{", "application/json", 400, "not valid JSON"),
        (b"\xff", "application/json", 400, "not UTF-8 text (byte 0)"),
        (b"[" * 100_000, "application/json", 400, "parsing"),
        (b"", "application/json", 422, "the body: is required"),
        (b'{"data":{"name":3}}', "application/json", 422, "data.name: must be text"),
        (b'{"data":[]}', "application/json", 422, "data: must be an object"),
        (b"null", "application/json", 422, "the body: must be an object"),
        (b"3", "application/json", 422, "the body"),
        (b"[]", "application/json", 422, "the body: must be an object"),
        (b"{}", "application/json", 422, "data: is required"),
        (b'{"data":{"name":"a.b"},"more":1}', "application/json", 422, "more: is not known here"),
        (b'{"data":{"name":"a.b"}}', "text/plain", 415, "application/json"),
        (b'{"data":{"name":"a.b"}}', "", 415, "application/json"),
        (b"name=a.b", "application/x-www-form-urlencoded", 415, "application/json"),
    ],
)
def test_a_wrong_body_is_told_in_the_form_of_all_errors(
    refusing: Api, body: bytes, content_type: str, status: int, said: str
) -> None:
    """No framework's own words reach the caller."""
    error = only_error(refusing.post_bytes(EVENT_TYPES, body, headers={"Content-Type": content_type}))

    assert error["status"] == status
    assert said in error["detail"]


def test_several_wrong_fields_are_all_named(refusing: Api) -> None:
    """A form with two mistakes is sent back once."""
    errors = refusing.post("/v2/tenants", {"name": 1, "org_id": 2}).json()["errors"]

    assert [error["source"]["pointer"] for error in errors] == ["/data/name", "/data/org_id"]


def test_a_failure_of_ours_tells_nothing_of_its_inside(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody expected is 500 with an id that leads to the log, where its place is and no data."""
    job = api.post("/v2/dead-letters/discard", {"filter": {}}).json()["data"]
    with api.house.services.database.write() as tx:
        tx.execute(update(jobs).values(kind="nonsense"))

    answer = api.get(job["links"]["self"], headers={"X-Request-Id": "trace-7"})

    error = only_error(answer)
    assert (error["status"], error["title"]) == (500, "Internal Server Error")
    assert "trace-7" in error["detail"]
    told = next(line for line in capsys.readouterr().out.splitlines() if "request.failed" in line)
    assert "trace-7" in told
    assert "ValueError" in told
    assert "store/jobs.py" in told
    assert "nonsense" not in told + answer.text


def test_a_failure_does_not_end_the_process(api: Api) -> None:
    """The next request is answered as ever."""
    with api.house.services.database.write() as tx:
        tx.execute(update(api_keys).values(permissions=["nonsense"]))
    broken = api.post("/v2/events", {"event_type": "order.paid", "payload": 1})
    with api.house.services.database.write() as tx:
        tx.execute(update(api_keys).values(permissions=["events:publish"]))

    assert only_error(broken)["status"] == 500
    assert api.post("/v2/events", {"event_type": "order.paid", "payload": 1}).status_code == 202
