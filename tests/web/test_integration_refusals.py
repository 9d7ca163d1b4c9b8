"""What the integrations' endpoints refuse: to whom, with which status, and saying what."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from api import Api, only_error
from integration_data import STOMP, wanted
from servers.receiver import Receiver
from web.integration_calls import PATH, at, create

from postrider.control import tenants
from postrider.domain.access import TENANT_PERMISSIONS, Permission

READ, WRITE = Permission.INTEGRATIONS_READ, Permission.INTEGRATIONS_WRITE

# -- what is refused -------------------------------------------------------------------------------------------------


def whole(members: str) -> bytes:
    """Write a body that lacks nothing, with these members at its end."""
    return f'{{"data": {json.dumps(wanted())[:-1]}, {members}}}}}'.encode()


@pytest.mark.parametrize(
    ("body", "status", "source", "words"),
    [
        (b"{", 400, None, "not valid JSON"),
        (b"", 422, None, "required"),
        (b"\xff\xfe\xfd", 400, None, ""),
        (b"[" * 100_000, 400, None, ""),
        (b"[]", 422, None, "must be an object"),
        (b"null", 422, None, ""),
        (b'"text"', 422, None, "must be an object"),
        (b"{}", 422, "/data", "must be an object"),
        (b'{"data": null}', 422, "/data", "must be an object"),
        (b'{"data": []}', 422, "/data", "must be an object"),
        (whole('"name": ""'), 422, "/data/name", "1 to 255"),
        (whole('"name": "\\ud800"'), 422, "/data/name", "surrogate"),
        (whole('"observes": ["order.paid", "order.payd"]'), 422, "/data/observes/1", "did you mean order.paid?"),
        (whole('"delivery": {"retry_waits": [0]}'), 422, "/data/delivery/retry_waits/0", "from 1 to"),
        (whole('"delivery": {"timeout_seconds": NaN}'), 422, "/data/delivery/timeout_seconds", "NaN is not JSON"),
        (whole('"delivery": {"retry_waits": [5, -Infinity]}'), 422, "/data/delivery/retry_waits/1", "-Infinity is not"),
        (whole('"unknown": {"to us": NaN}'), 422, "/data/unknown/to us", "NaN is not JSON"),
        (b'{"data": {}, "more": [Infinity]}', 422, "/more/0", "Infinity is not JSON"),
        (b"NaN", 422, None, "the body: NaN is not JSON"),
        (b"\xef\xbb\xbf" + whole('"name": "Orders"'), 400, None, "byte order mark"),
        (whole('"name": "Orders"').decode().encode("utf-16"), 400, None, "not UTF-8 text (byte 0)"),
        (whole('"delivery": {"timeout_seconds": 1e400}'), 422, "/data/delivery/timeout_seconds", "above 0"),
        (whole('"configuration": {"url": "x"}'), 422, "/data/configuration/url", "https://"),
        (whole('"integration_type": "email"'), 422, "/data/integration_type", "the known ones are aws_sqs, "),
    ],
)
def test_bad_bodies_are_refused(api: Api, body: bytes, status: int, source: str | None, words: str) -> None:
    """A bad body is answered with its status, where it is wrong and what to do, and changes nothing."""
    made = create(api)
    before = api.get(PATH).json()

    for method, path in (("POST", PATH), ("PUT", at(made))):
        answer = api.call(method, path, content=body, headers={"Content-Type": "application/json"})
        error = only_error(answer)
        assert (answer.status_code, error.get("source")) == (status, source and {"pointer": source})
        assert words in error["detail"]

    assert api.get(PATH).json() == before


def test_a_masked_secret_for_another_place_is_refused(api: Api) -> None:
    """A writer who sends the mask of a broker's password with an address of their own is told to send the password."""
    made = create(api, integration_type="stomp", configuration=STOMP)
    moved = {**made["configuration"], "addresses": ["stomp://mq.example.org"]}

    answer = api.call("PUT", at(made), json={"data": {"configuration": moved}})

    assert answer.status_code == 422
    assert only_error(answer)["source"] == {"pointer": "/data/configuration/password"}
    assert api.data(at(made))["configuration"] == made["configuration"]


def test_other_media_types_are_refused(api: Api) -> None:
    """A body that does not say it is JSON is not read."""
    answer = api.call("POST", PATH, content=json.dumps({"data": wanted()}), headers={"Content-Type": "text/plain"})

    assert answer.status_code == 415
    assert api.data(PATH) == []


ROUTES = [
    ("GET", "", READ),
    ("POST", "", WRITE),
    ("GET", "/{id}", READ),
    ("PUT", "/{id}", WRITE),
    ("DELETE", "/{id}", WRITE),
    ("POST", "/{id}/enable", WRITE),
    ("POST", "/{id}/disable", WRITE),
    ("POST", "/{id}/rotate-secret", WRITE),
    ("POST", "/{id}/test", WRITE),
    ("GET", "/logs", Permission.DELIVERIES_READ),
    ("GET", "/{id}/logs", Permission.DELIVERIES_READ),
    ("GET", "/{id}/jobs", Permission.DELIVERIES_READ),
    ("GET", "/{id}/jobs/{job}/logs", Permission.DELIVERIES_READ),
]


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_each_route_asks_for_its_permission(api: Api, method: str, path: str, permission: Permission) -> None:
    """Without a key it is 401, with a key that may do everything else 403, and nothing has happened."""
    made = create(api)
    body: dict[str, Any] = {"json": {"data": {"name": "Mine"}}} if method in {"POST", "PUT"} else {}
    asked = PATH + path.format(id=made["id"], job=uuid4())

    nobody = api.client.request(method, asked, **body)
    other = api.call(method, asked, key=api.new_key(*(TENANT_PERMISSIONS - {permission})), **body)

    assert (nobody.status_code, other.status_code) == (401, 403)
    assert permission.value in only_error(other)["detail"]
    assert [one["name"] for one in api.data(PATH)] == ["Orders"]


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in ROUTES if "{id}" in path])
def test_what_is_not_there_is_not_found(api: Api, method: str, path: str) -> None:
    """Unknown ids, texts that are no ids, and other tenants' integrations are all 404."""
    others = tenants.create_tenant(api.house.services, name="others")
    theirs = create(api)["id"]
    key = api.new_key(*TENANT_PERMISSIONS, tenant=others)
    body: dict[str, Any] = {"json": {"data": {"name": "Mine"}}} if method == "PUT" else {}

    for integration_id in (theirs, uuid4(), "7", "logs%20", "x" * 500):
        answer = api.call(method, PATH + path.format(id=integration_id, job=uuid4()), key=key, **body)
        assert answer.status_code == 404, answer.text
        assert only_error(answer)["title"] == "Not Found"

    assert [one["name"] for one in api.data(PATH)] == ["Orders"]


def test_others_lists_stay_empty(api: Api, receiver: Receiver) -> None:
    """A tenant sees nothing of another's integrations and logs."""
    create(api, configuration={"url": receiver.url})
    api.publish()
    api.house.run_until_idle()
    key = api.new_key(*TENANT_PERMISSIONS, tenant=tenants.create_tenant(api.house.services, name="others"))

    assert len(api.data(f"{PATH}/logs")) == 1
    assert api.get(f"{PATH}/logs", key=key).json()["data"] == []
    assert api.get(PATH, key=key).json() == {"data": [], "links": {}, "results": {"total": 0}}


def test_what_is_off_is_not_tested(api: Api) -> None:
    """A test for a disabled integration is a conflict that says what to do."""
    made = create(api, enabled=False)

    answer = api.post(at(made, "/test"))

    assert answer.status_code == 409
    assert "enable it first" in only_error(answer)["detail"]
