"""CloudEvents 1.0 in their three modes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api import Api, only_error

PATH = "/v2/events"
ONE = {"Content-Type": "application/cloudevents+json"}
MANY = {"Content-Type": "application/cloudevents-batch+json"}
BINARY = {"ce-specversion": "1.0", "ce-type": "order.paid", "ce-source": "https://shop.test", "ce-id": "1"}


def document(**members: Any) -> dict[str, Any]:
    """Write a CloudEvent; a member given as None is left out."""
    whole = {
        "specversion": "1.0",
        "type": "order.paid",
        "source": "https://shop.test",
        "id": "1",
        "data": {},
        **members,
    }
    return {name: value for name, value in whole.items() if value is not None}


def body(**members: Any) -> bytes:
    return json.dumps(document(**members)).encode()


def stored(api: Api) -> dict[str, Any]:
    """Read the only event."""
    (head,) = api.data(PATH)
    event: dict[str, Any] = api.data(f"{PATH}/{head['id']}")
    return event


def test_a_structured_event_is_stored(either_api: Api) -> None:
    """The type is the event type, the data the payload, and the other attributes stay with it as text."""
    given = body(data={"a": 1}, subject="s", time="2026-01-31T12:00:00.5+02:00", store="é", n=-7, b=True)

    answer = either_api.post_bytes(PATH, given, headers=ONE)

    assert answer.status_code == 202
    event = stored(either_api)
    assert (event["event_type"], event["payload"]) == ("order.paid", {"a": 1})
    assert event["attributes"] == {
        "source": "https://shop.test",
        "id": "1",
        "subject": "s",
        "time": "2026-01-31T12:00:00.5+02:00",
        "store": "é",
        "n": "-7",
        "b": "true",
    }


def test_structured_data_keeps_its_bytes(api: Api) -> None:
    """The data is cut out of the document as it was written."""
    api.post_bytes(PATH, body(data=0).replace(b'"data": 0', b'"data": {"a" : 1.10, "a":1e999}'), headers=ONE)

    (head,) = api.data(PATH)
    assert b'"payload":{"a" : 1.10, "a":1e999},' in api.get(f"{PATH}/{head['id']}").content


def test_a_batch_is_stored_in_order(either_api: Api) -> None:
    """A batch is a list: all or none, answered in order."""
    given = [document(id="1"), document(id="2", type="order.created")]

    data = either_api.post_bytes(PATH, json.dumps(given).encode(), headers=MANY).json()["data"]

    assert [one["event_type"] for one in data] == ["order.paid", "order.created"]


def test_a_binary_event_is_stored(either_api: Api) -> None:
    """Attributes come as headers, percent-encoded; the body is the data, byte for byte."""
    headers = {**BINARY, "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80", "ce-myextension": '"quo\\"ted"'}

    answer = either_api.post_bytes(PATH, b' {"a": 1.10} ', headers=headers)

    assert answer.status_code == 202
    assert stored(either_api)["attributes"] == {
        "source": "https://shop.test",
        "id": "1",
        "subject": "Euro € 😀",
        "myextension": 'quo"ted',
    }
    assert b'"payload":{"a": 1.10},' in either_api.get(f"{PATH}/{answer.json()['data']['id']}").content


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "application/vnd.order+json"])
def test_binary_data_may_be_any_json(api: Api, media_type: str) -> None:
    """Every `+json` type is JSON."""
    assert api.post_bytes(PATH, b"1", headers={**BINARY, "Content-Type": media_type}).status_code == 202


@pytest.mark.parametrize("given", [document(data=None), {**document(), "data": None}, document(subject=None)])
def test_no_data_is_null(api: Api, given: dict[str, Any]) -> None:
    """An event without data is one all the same; null attributes are none."""
    given["data"] = None
    given["comment"] = None

    assert api.post_bytes(PATH, json.dumps(given).encode(), headers=ONE).status_code == 202
    assert stored(api)["payload"] is None
    assert "comment" not in stored(api)["attributes"]


def test_absent_data_is_null(api: Api) -> None:
    """Data can be left out in both modes."""
    structured = api.post_bytes(PATH, body(data=None), headers=ONE)
    binary = api.call("POST", PATH, headers={**BINARY, "ce-id": "2"})

    assert (structured.status_code, binary.status_code) == (202, 202)
    assert [api.data(f"{PATH}/{head['id']}")["payload"] for head in api.data(PATH)] == [None, None]


def test_source_and_id_are_the_key(either_api: Api) -> None:
    """The same source and id are the same event, in whatever mode they come; another source is another event."""
    first = either_api.post_bytes(PATH, body(data=[1]).replace(b"[1]", b"1"), headers=ONE)
    again = either_api.post_bytes(PATH, b"1", headers=BINARY)
    other = either_api.post_bytes(PATH, b"1", headers={**BINARY, "ce-source": "https://other.test"})

    assert again.json() == first.json()
    assert other.json() != first.json()


def test_source_and_id_are_not_run_together(api: Api) -> None:
    """What ends one and begins the other belongs to the key."""
    api.post_bytes(PATH, body(source="a", id="bc"), headers=ONE)
    api.post_bytes(PATH, body(source="ab", id="c"), headers=ONE)

    assert len(api.data(PATH)) == 2


def test_another_event_under_the_same_id_is_a_conflict(api: Api) -> None:
    """A source that uses an id twice hears of it."""
    api.post_bytes(PATH, body(data={"a": 1}), headers=ONE)

    assert only_error(api.post_bytes(PATH, body(data={"a": 2}), headers=ONE))["status"] == 409


def test_the_same_event_twice_in_a_batch_is_refused(refusing: Api) -> None:
    """Two events of one request cannot be the same one."""
    answer = refusing.post_bytes(PATH, json.dumps([document(), document()]).encode(), headers=MANY)

    assert only_error(answer)["source"] == {"pointer": "/1/id"}


@pytest.mark.parametrize(
    ("members", "pointer", "said"),
    [
        ({"type": None}, "/type", "type"),
        ({"source": None}, "/source", "source"),
        ({"id": None}, "/id", "id"),
        ({"id": ""}, "/id", "id"),
        ({"specversion": None, "id": None}, "/specversion", "specversion, id"),
        ({"specversion": "0.3"}, "/specversion", "1.0"),
        ({"specversion": 1}, "/specversion", "1.0"),
        ({"type": "order.payed"}, "/type", "did you mean order.paid?"),
        ({"type": "postrider.test"}, "/type", "Postrider's own"),
        ({"subject": {"a": 1}}, "/subject", "text"),
        ({"subject": 1.5}, "/subject", "whole number"),
        ({"subject": ["a"]}, "/subject", "text"),
        ({"subject": "a\x00"}, "/subject", "control"),
        ({"subject": "a" * 2_049}, "/subject", "2048"),
        ({"time": "yesterday"}, "/time", "RFC 3339"),
        ({"time": "2026-01-31 12:00:00Z"}, "/time", "RFC 3339"),
        ({"My-Name": "a"}, "/My-Name", "lower-case"),
        ({"data": json.loads("[" * 101 + "]" * 101)}, "/data", "100 levels"),
    ],
)
def test_a_wrong_attribute_is_named(refusing: Api, members: dict[str, Any], pointer: str, said: str) -> None:
    """What is missing or wrong is answered 422 with its name; in a batch with its place."""
    single = only_error(refusing.post_bytes(PATH, body(**members), headers=ONE))
    batch = [document(id="9"), document(**members)]
    listed = only_error(refusing.post_bytes(PATH, json.dumps(batch).encode(), headers=MANY))

    assert (single["status"], single["source"]) == (422, {"pointer": pointer})
    assert (listed["status"], listed["source"]) == (422, {"pointer": f"/1{pointer}"})
    assert said in single["detail"]
    assert refusing.data(PATH) == []


@pytest.mark.parametrize(
    ("headers", "header"),
    [
        ({"ce-id": ""}, "ce-id"),
        ({"ce-specversion": "0.3"}, "ce-specversion"),
        ({"ce-type": "order.payed"}, "ce-type"),
        ({"ce-my-name": "a"}, "ce-my-name"),
        ({"ce-subject": "%ff"}, "ce-subject"),
        ({"ce-subject": "%00"}, "ce-subject"),
    ],
)
def test_a_wrong_header_is_named(refusing: Api, headers: dict[str, str], header: str) -> None:
    """In binary mode the header is named."""
    error = only_error(refusing.post_bytes(PATH, b"1", headers={**BINARY, **headers}))

    assert (error["status"], error["source"]) == (422, {"header": header})


@pytest.mark.parametrize("name", sorted(BINARY))
def test_a_missing_header_is_named(refusing: Api, name: str) -> None:
    """Any `ce-` header makes it a CloudEvent, which needs the four."""
    headers = {other: value for other, value in BINARY.items() if other != name}

    error = only_error(refusing.post_bytes(PATH, b"1", headers=headers))

    assert (error["status"], error["source"]) == (422, {"header": name})


@pytest.mark.parametrize(
    ("given", "headers"),
    [
        (body(datacontenttype="text/xml"), ONE),
        (body(datacontenttype="application/json; charset=utf-16"), ONE),
        (body(data=None, data_base64="AA=="), ONE),
        (b"<a/>", {**BINARY, "Content-Type": "text/xml"}),
        (b"{}", {**ONE, "Content-Type": "application/cloudevents+avro"}),
        (b"{}", {"Content-Type": "application/cloudevents+json; charset=utf-16"}),
    ],
)
def test_data_that_is_no_json_is_refused(refusing: Api, given: bytes, headers: dict[str, str]) -> None:
    """Only JSON data can be delivered as JSON: all else is 415."""
    assert only_error(refusing.post_bytes(PATH, given, headers=headers))["status"] == 415


@pytest.mark.parametrize(
    ("given", "headers", "status"),
    [
        (b"", ONE, 400),
        (b"{", ONE, 400),
        (b"[]", ONE, 422),
        (b"{}", MANY, 422),
        (b"[]", MANY, 422),
        (b"[3]", MANY, 422),
        (b"{bad", BINARY, 400),
        (b"\xff", BINARY, 400),
    ],
)
def test_a_wrong_body_is_refused(refusing: Api, given: bytes, headers: dict[str, str], status: int) -> None:
    """What is no JSON is 400; what has another shape is 422."""
    assert only_error(refusing.post_bytes(PATH, given, headers=headers))["status"] == status


def test_an_idempotency_key_has_no_place_beside_source_and_id(refusing: Api) -> None:
    """CloudEvents bring their own key."""
    answer = refusing.post_bytes(PATH, body(), headers={**ONE, "Idempotency-Key": "a"})

    assert only_error(answer)["source"] == {"header": "Idempotency-Key"}
