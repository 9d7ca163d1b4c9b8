"""Publishing over HTTP: what is taken, what is refused and why, and that bytes stay as they are."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from api import Api, only_error

PATH = "/v2/events"
BIG = 5 * 1024 * 1024


def event(payload: str = "1", **members: Any) -> bytes:
    """Write a request with the payload spelt as given."""
    told = {"type": "event", "event_type": "order.paid", **members}
    return b'{"data":%s,"payload":%s}}' % (json.dumps(told).encode()[:-1], payload.encode())


def payload_of(api: Api, body: bytes) -> bytes:
    """Publish, and give the payload as it is stored."""
    answer = api.post_bytes(PATH, body)
    assert answer.status_code == 202, answer.text
    shown = api.get(f"{PATH}/{answer.json()['data']['id']}").content
    return shown.split(b'"payload":', 1)[1].split(b',"attributes":')[0]


def test_an_event_is_stored_before_it_is_answered(either_api: Api) -> None:
    """The answer names the stored event, and the fan-out was rung for."""
    answer = either_api.post(PATH, {"type": "event", "event_type": "order.paid", "payload": {"a": 1}})

    assert answer.status_code == 202
    data = answer.json()["data"]
    assert data.keys() == {"id", "type", "event_type", "meta"}
    assert data["meta"]["timestamps"]["created_at"] == "2026-11-22T12:00:00Z"
    assert either_api.data(f"{PATH}/{data['id']}")["payload"] == {"a": 1}
    assert either_api.house.ring.fan_outs == 1


def test_a_list_is_answered_in_its_order(either_api: Api) -> None:
    """A list of events gives a list of ids, in the same order, that sort in it too."""
    names = ["order.paid", "order.created", "cart.updated"]

    data = either_api.post(PATH, [{"event_type": name, "payload": None} for name in names]).json()["data"]

    assert [one["event_type"] for one in data] == names
    assert [one["id"] for one in data] == sorted(one["id"] for one in data)


def test_a_thousand_events_go_in_one_request(api: Api) -> None:
    """A thousand is the most, and it is taken."""
    assert len(api.post(PATH, [{"event_type": "order.paid", "payload": 1}] * 1_000).json()["data"]) == 1_000


def test_a_list_is_stored_as_a_whole_or_not_at_all(api: Api) -> None:
    """One wrong event in a list keeps all of it out."""
    answer = api.post(PATH, [{"event_type": "order.paid", "payload": 1}, {"event_type": "order.payed", "payload": 1}])

    assert answer.status_code == 422
    assert api.data(PATH) == []


@pytest.mark.parametrize(
    "payload",
    [
        "1.10", "1e999", "-0", "-0.0", "1E+2", "9" * 5_000, "0.1000000000000000055511151231257827",
        '{"a":1,"a":2}', '{ "b" : [ 1 ,\n2 ] }', '"\\u0041\\ud83d\\ude00\\/"', '"\\u0000"', '"é😀\x7f"',
        "null", "true", '""', "[]", "{}", "[" * 100 + "]" * 100, '{"a":' * 100 + "1" + "}" * 100,
        json.dumps(["[[[[", "}}}]]]", '\\"[['] * 60),
    ],
)  # fmt: skip
def test_a_payload_keeps_its_bytes(api: Api, payload: str) -> None:
    """What was published is what is stored: no number, name or space is written anew."""
    assert payload_of(api, event(payload)) == payload.encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"   ", "empty"),
        (b"{", "not valid JSON"),
        (b"data", "not valid JSON"),
        (event() + b"x", "not valid JSON"),
        (b"\xef\xbb\xbf" + event(), "byte order mark"),
        (event().decode().encode("utf-16"), "not UTF-8"),
        (event('"x"').replace(b"x", b"\xff"), "not UTF-8"),
        (event('"x"').replace(b"x", b"\xed\xa0\x80"), "not UTF-8"),
        *[
            (event(payload), "not valid JSON")
            for payload in (
                "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "1e", "'a'", "[1,]", '{"a":1,}', "{a:1}",
                '"\\x"', '"\n"', '"\x00"', "nul", "[1 2]", "/**/1", '"\\ud800"', '"\\udc00 alone"', "0x1", "\u00a01",
            )
        ],
    ],
)  # fmt: skip
def test_what_is_no_json_is_a_bad_request(refusing: Api, body: bytes, said: str) -> None:
    """A body that is no JSON (RFC 8259), or that no receiver could read, is answered 400 as Elastic Path does."""
    error = only_error(refusing.post_bytes(PATH, body))

    assert error["status"] == 400
    assert said in error["detail"]
    assert refusing.data(PATH) == []


@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        (b"[]", None, "object"),
        (b"{}", "/data", "data: is required"),
        (b'{"data":null}', "/data", "object"),
        (b'{"data":"order.paid"}', "/data", "object"),
        (b'{"data":[]}', "/data", "empty"),
        (b'{"data":[{"event_type":"order.paid","payload":1},3]}', "/data/1", "object"),
        (b'{"data":[%s]}' % b",".join([b"{}"] * 1_001), "/data", "1001"),
        (b'{"data":{"event_type":"order.paid"}}', "/data/payload", "payload: is required"),
        (b'{"data":{"payload":1}}', "/data/event_type", "event_type: is required"),
        (event(event_type=None), "/data/event_type", "required"),
        (event(event_type=""), "/data/event_type", "required"),
        (event(event_type=7), "/data/event_type", "text"),
        (event(event_type=["order.paid"]), "/data/event_type", "text"),
        (event(event_type="order.payed"), "/data/event_type", "did you mean order.paid?"),
        (event(event_type="order.*"), "/data/event_type", "not a known event type"),
        (event(event_type="*"), "/data/event_type", "not a known event type"),
        (event(event_type="ORDER.PAID"), "/data/event_type", "not a known event type"),
        (event(event_type="order.paid\n"), "/data/event_type", "not a known event type"),
        (event(event_type="order.paid\x00"), "/data/event_type", "not a known event type"),
        (event(event_type="x" * 100_000), "/data/event_type", "not a known event type"),
        (event(event_type="postrider.test"), "/data/event_type", "Postrider's own"),
        (event(event_type="postrider.mine"), "/data/event_type", "Postrider's own"),
        (event(type="order"), "/data/type", 'type: must be "event"'),
        (event(idempotency_key=""), "/data/idempotency_key", "1 to 255"),
        (event(idempotency_key="a b"), "/data/idempotency_key", "visible"),
        (event(idempotency_key="a" * 256), "/data/idempotency_key", "1 to 255"),
        (event(idempotency_key="é"), "/data/idempotency_key", "ASCII"),
        (event(idempotency_key=5), "/data/idempotency_key", "1 to 255"),
        (event("[" * 101 + "]" * 101), "/data/payload", "100 levels"),
        (event('{"a":' * 101 + "1" + "}" * 101), "/data/payload", "100 levels"),
        (event("[" * 50 + '{"a":' * 51 + "1" + "}" * 51 + "]" * 50), "/data/payload", "100 levels"),
        (event("[" * 100_000 + "]" * 100_000), "/data", "100 levels"),
    ],
)
def test_a_wrong_field_is_named(refusing: Api, body: bytes, pointer: str | None, said: str) -> None:
    """What is JSON and still wrong is answered 422, with the field and what is wrong with it."""
    error = only_error(refusing.post_bytes(PATH, body))

    assert (error["status"], error["title"]) == (422, "Validation Error")
    assert error.get("source", {}).get("pointer") == pointer
    assert said in error["detail"]
    assert len(error["detail"]) < 300
    assert refusing.data(PATH) == []


def test_the_wrong_event_of_a_list_is_named(refusing: Api) -> None:
    """In a list the field is named with its place."""
    answer = refusing.post(PATH, [{"event_type": "order.paid", "payload": 1}, {"event_type": "nope", "payload": 1}])

    assert only_error(answer)["source"] == {"pointer": "/data/1/event_type"}


def test_integration_news_may_be_published(api: Api) -> None:
    """Elastic Path's own `integration.created` is no reserved name."""
    assert api.post(PATH, {"event_type": "integration.created", "payload": 1}).status_code == 202


@pytest.mark.parametrize(
    ("headers", "header"),
    [
        ({"Content-Type": ""}, "Content-Type"),
        ({"Content-Type": "text/plain"}, "Content-Type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "Content-Type"),
        ({"Content-Type": "application/jsonp"}, "Content-Type"),
        ({"Content-Type": "application/json; charset=utf-16"}, "Content-Type"),
        ({"Content-Type": "application/json; charset=latin-1"}, "Content-Type"),
        ({"Content-Encoding": "gzip"}, "Content-Encoding"),
        ({"Content-Encoding": "identity, gzip"}, "Content-Encoding"),
    ],
)
def test_other_media_types_are_refused(refusing: Api, headers: dict[str, str], header: str) -> None:
    """Only UTF-8 JSON without a coding is understood; all else is 415."""
    error = only_error(refusing.post_bytes(PATH, event(), headers=headers))

    assert (error["status"], error["source"]) == (415, {"header": header})


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": 'Application/JSON;Charset="UTF-8"'},
        {"Content-Type": "application/json; version=2"},
        {"Content-Encoding": "identity"},
    ],
)
def test_json_may_be_told_at_length(api: Api, headers: dict[str, str]) -> None:
    """Media types compare without case, and parameters that change nothing are no hindrance."""
    assert api.post_bytes(PATH, event(), headers=headers).status_code == 202


def test_members_that_are_not_known_are_left_alone(api: Api) -> None:
    """What was read can be sent back, as Elastic Path's clients do."""
    assert api.post_bytes(PATH, event(id="mine", meta={"a": [1]})).status_code == 202


def test_a_body_may_have_five_mebibytes(api: Api) -> None:
    """The limit itself is taken."""
    head = event('""')
    body = head.replace(b'""', b'"%s"' % (b"a" * (BIG - len(head))))

    assert len(body) == BIG
    assert api.post_bytes(PATH, body).status_code == 202


def chunks(size: int) -> Iterator[bytes]:
    for _ in range(0, size, 65_536):
        yield b" " * 65_536


@pytest.mark.parametrize("path", [PATH, "/v2/event-types", "/v2/integrations"])
def test_a_larger_body_is_refused(refusing: Api, path: str) -> None:
    """One byte more is 413, said by the length or found on the way."""
    told = refusing.post_bytes(path, b" " * (BIG + 1))
    chunked = refusing.post_bytes(path, chunks(BIG + 65_536))

    for answer in (told, chunked):
        error = only_error(answer)
        assert (error["status"], error["title"]) == (413, "Payload Too Large")
        assert "5 MiB" in error["detail"]


def test_an_announced_body_over_the_limit_is_not_waited_for(refusing: Api) -> None:
    """A length over the limit is answered before a byte of the body came."""
    with socket.create_connection(("127.0.0.1", refusing.port), timeout=20) as wire:
        wire.sendall(
            b"POST /v2/events HTTP/1.1\r\nHost: postrider\r\nAuthorization: Bearer %s\r\n"
            b"Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n" % refusing.key.encode()
        )

        assert wire.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_a_key_gives_the_first_answer_again(either_api: Api) -> None:
    """The same request under the same Idempotency-Key makes one event."""
    headers = {"Idempotency-Key": "order-1"}

    first, second = (either_api.post_bytes(PATH, event(), headers=headers) for _ in range(2))

    assert second.status_code == 202
    assert second.json() == first.json()
    assert len(either_api.data(PATH)) == 1


def test_a_key_for_another_body_is_a_conflict(either_api: Api) -> None:
    """The same key for another body is 409, and stores nothing."""
    either_api.post_bytes(PATH, event("1"), headers={"Idempotency-Key": "order-1"})

    error = only_error(either_api.post_bytes(PATH, event("2"), headers={"Idempotency-Key": "order-1"}))

    assert error["status"] == 409
    assert "order-1" in error["detail"]
    assert len(either_api.data(PATH)) == 1


def test_a_key_in_an_event_is_for_that_event(either_api: Api) -> None:
    """In a list the events that were published before give their first ids, the others are new."""
    first = either_api.publish(payload=1, idempotency_key="a")

    data = either_api.post(
        PATH,
        [
            {"type": "event", "event_type": "order.paid", "payload": 1, "idempotency_key": "a"},
            {"type": "event", "event_type": "order.paid", "payload": 1, "idempotency_key": "b"},
        ],
    ).json()["data"]

    assert data[0]["id"] == str(first)
    assert data[1]["id"] != str(first)
    assert len(either_api.data(PATH)) == 2


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "é"])
def test_a_wrong_key_header_is_named(refusing: Api, key: str) -> None:
    """A key is 1 to 255 visible characters."""
    answer = refusing.post_bytes(PATH, event(), headers={"Idempotency-Key": key.encode()})

    assert only_error(answer)["source"] == {"header": "Idempotency-Key"}


def test_keys_come_from_one_place(refusing: Api) -> None:
    """A header and an event's own key together are refused."""
    answer = refusing.post_bytes(PATH, event(idempotency_key="a"), headers={"Idempotency-Key": "b"})

    assert only_error(answer)["source"] == {"header": "Idempotency-Key"}


def test_a_key_twice_in_a_list_is_refused(refusing: Api) -> None:
    """Two events of one request cannot be the same one."""
    one = {"event_type": "order.paid", "payload": 1, "idempotency_key": "a"}

    error = only_error(refusing.post(PATH, [one, {**one, "idempotency_key": "b"}, one]))

    assert error["source"] == {"pointer": "/data/2/idempotency_key"}
    assert "event 0" in error["detail"]


def test_a_stopping_publisher_says_come_again(api: Api) -> None:
    """While nothing can be stored the answer is 503 with a time to come again, and nothing is stored."""
    api.publisher.stop()

    answer = api.post_bytes(PATH, event())

    assert only_error(answer)["status"] == 503
    assert answer.headers["retry-after"] == "1"
    assert api.data(PATH) == []
