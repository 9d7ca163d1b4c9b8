"""Looking at events, and having them delivered anew."""

from __future__ import annotations

from typing import Any

import pytest
from api import Api, only_error
from servers.receiver import Receiver

PATH = "/v2/events"
NOTHING = "00000000-0000-7000-8000-000000000000"


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("number", ["0.5", "1795867200", "-1", "1e9"])
def test_a_number_is_no_moment(refusing: Api, number: str) -> None:
    """A number was taken for seconds, or milliseconds, since 1970, and the list was cut there without a word."""
    error = only_error(refusing.get(f"{PATH}?until={number}"))

    assert (error["status"], error["source"]) == (422, {"parameter": "until"})
    assert "RFC 3339" in error["detail"]


def test_an_event_is_shown_whole(either_api: Api) -> None:
    """An event shows its payload, its origin and what came with it."""
    event_id = either_api.publish(payload={"a": [1, None]})

    event = either_api.data(f"{PATH}/{event_id}")

    assert event == {
        "id": str(event_id),
        "type": "event",
        "event_type": "order.paid",
        "payload": {"a": [1, None]},
        "attributes": {},
        "origin": "published",
        "origin_event_id": None,
        "target_id": None,
        "meta": {"timestamps": {"created_at": "2026-11-22T12:00:00Z"}},
    }


def test_events_are_listed_newest_first_in_pages(either_api: Api) -> None:
    """Following `next` from page to page shows every event once, and what comes meanwhile disturbs nothing."""
    published = [str(either_api.publish("order.paid" if number % 2 else "order.created")) for number in range(7)]
    seen: list[str] = []
    following: str | None = f"{PATH}?page[limit]=2&event_type=order.created"

    while following:
        page = either_api.get(following).json()
        seen += ids(page["data"])
        following = page["links"]["next"]
        either_api.publish("order.created")

    assert seen == published[::-2]


def test_a_full_last_page_has_no_next(api: Api) -> None:
    """`next` is null when nothing is left, also when the page is just full."""
    for _ in range(2):
        api.publish()

    assert api.get(f"{PATH}?page[limit]=2").json()["links"] == {"next": None}


def test_events_are_filtered_by_time(either_api: Api) -> None:
    """`since` is the first moment shown, `until` the first that is not."""
    either_api.publish()
    either_api.house.clock.move(minutes=1)
    second = either_api.publish()
    either_api.house.clock.move(minutes=1)
    either_api.publish()

    query = {"since": "2026-11-22T12:01:00Z", "until": "2026-11-22T13:02:00+01:00"}

    assert ids(either_api.get(PATH, params=query).json()["data"]) == [str(second)]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"page[limit]": "0"}, "page[limit]"),
        ({"page[limit]": "101"}, "page[limit]"),
        ({"page[limit]": "many"}, "page[limit]"),
        ({"page[cursor]": "x"}, "page[cursor]"),
        ({"event_type": "order"}, "event_type"),
        ({"event_type": "order.paid\x00"}, "event_type"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-22T12:00:00"}, "since"),
        ({"until": "9999-12-31T23:59:59-14:00"}, "until"),
        ({"event-type": "order.paid"}, "event-type"),
        ({"page[offset]": "3"}, "page[offset]"),
    ],
)
@pytest.mark.parametrize("path", [PATH, "/v2/deliveries", "/v2/dead-letters"])
def test_a_wrong_parameter_is_named(refusing: Api, path: str, query: dict[str, str], parameter: str) -> None:
    """A filter that is misspelt or has no meaning is answered 422, never ignored."""
    error = only_error(refusing.get(path, params=query))

    assert (error["status"], error["source"]) == (422, {"parameter": parameter})
    assert parameter in error["detail"]


@pytest.mark.parametrize("event_id", [NOTHING, "x", "%00", "1"])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/deliveries"), ("POST", "/replay")])
def test_an_unknown_event_is_not_found(refusing: Api, event_id: str, method: str, rest: str) -> None:
    """What is not there is 404, also when its id cannot be one."""
    error = only_error(refusing.call(method, f"{PATH}/{event_id}{rest}"))

    assert (error["status"], error["detail"]) == (404, "The resource could not be found")


def test_an_event_shows_its_deliveries(either_api: Api) -> None:
    """One delivery for each integration that observes the event."""
    wanted = {str(either_api.house.integrate("http://127.0.0.1:9/").id) for _ in range(2)}
    event_id = either_api.publish()
    either_api.house.fan_out()

    rows = either_api.data(f"{PATH}/{event_id}/deliveries")

    assert {row["integration_id"] for row in rows} == wanted
    assert {(row["type"], row["event_id"], row["status"], row["attempt"]) for row in rows} == {
        ("delivery", str(event_id), "pending", 0)
    }


def test_a_replay_delivers_anew(either_api: Api, receiver: Receiver) -> None:
    """A replayed event arrives again, as a new delivery with a new id."""
    either_api.house.integrate(receiver.url)
    event_id = either_api.publish()
    either_api.house.run_until_idle()

    answer = either_api.post(f"{PATH}/{event_id}/replay")
    either_api.house.run_until_idle()

    assert answer.status_code == 202
    assert answer.json()["data"]["id"] == str(event_id)
    first, second = receiver.wait_for(2)
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


def test_a_replay_can_be_for_one(either_api: Api) -> None:
    """With an integration's id only that one gets the event anew."""
    one, _other = (either_api.house.integrate("http://127.0.0.1:9/") for _ in range(2))
    event_id = either_api.publish()
    either_api.house.fan_out()

    answer = either_api.post(f"{PATH}/{event_id}/replay", {"integration_id": str(one.id)})

    assert answer.status_code == 202
    rows = either_api.data(f"{PATH}/{event_id}/deliveries")
    assert sorted(row["integration_id"] == str(one.id) for row in rows) == [False, True, True]


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"integration_id": NOTHING}, "/data/integration_id"),
        ({"integration_id": "x"}, "/data/integration_id"),
        ({"integration": NOTHING}, "/data/integration"),
        ([], "/data"),
    ],
)
def test_a_wrong_replay_is_named(api: Api, data: Any, pointer: str) -> None:
    """A replay to nobody is refused with the field."""
    error = only_error(api.post(f"{PATH}/{api.publish()}/replay", data))

    assert (error["status"], error["source"]) == (422, {"pointer": pointer})


def test_a_replay_waits_for_the_fan_out(api: Api) -> None:
    """An event that is still being fanned out cannot be replayed yet."""
    assert only_error(api.post(f"{PATH}/{api.publish()}/replay"))["status"] == 409
