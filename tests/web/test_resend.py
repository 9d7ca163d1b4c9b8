"""Editing and sending again over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from api import Api, only_error

from postrider.domain.delivery import DeliveryStatus

NOTHING = "00000000-0000-7000-8000-000000000000"


def path(delivery_id: object) -> str:
    return f"/v2/deliveries/{delivery_id}/resend"


def test_an_edited_event_is_stored_byte_for_byte(either_api: Api) -> None:
    """It is answered as events are, and both it and its delivery say what they repeat."""
    letter = either_api.deliver_to_nobody(DeliveryStatus.DEAD)

    answer = either_api.post_bytes(path(letter.id), b'{"data":{"payload":{"total":1.10,"total":1e400}}}')

    assert answer.status_code == 202
    made = either_api.get(f"/v2/events/{answer.json()['data']['id']}")
    assert b'"payload":{"total":1.10,"total":1e400}' in made.content
    assert made.content == answer.content
    told = answer.json()["data"]
    assert (told["origin"], told["origin_event_id"], told["target_id"]) == (
        "edited", str(letter.event_id), str(letter.integration_id)
    )  # fmt: skip
    either_api.house.fan_out()
    (delivery,) = either_api.data(f"/v2/events/{told['id']}/deliveries")
    detail = either_api.data(f"/v2/deliveries/{delivery['id']}")
    assert (detail["origin"], detail["origin_event_id"]) == ("edited", str(letter.event_id))
    assert [(one["origin"], one["origin_event_id"]) for one in either_api.data("/v2/events?event_type=order.paid")] == [
        ("edited", str(letter.event_id)), ("published", None)
    ]  # fmt: skip
    assert either_api.data(f"/v2/deliveries/{letter.id}")["status"] == "dead"


def test_the_first_is_discarded_when_asked(api: Api) -> None:
    """And says why."""
    letter = api.deliver_to_nobody(DeliveryStatus.DEAD)

    api.post(path(letter.id), {"payload": None, "discard_original": True})

    after = api.data(f"/v2/deliveries/{letter.id}")
    assert (after["status"], after["reason"]) == ("discarded", "resent")
    assert "edited and sent again" in after["explanation"]


def test_what_does_not_fit_is_a_conflict(api: Api) -> None:
    """What arrived is not discarded."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DELIVERED)

    assert only_error(api.post(path(delivery.id), {"payload": 1, "discard_original": True}))["status"] == 409


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({}, "/data/payload"),
        ({"payload": 1, "discard_original": "yes"}, "/data/discard_original"),
        ({"payload": 1, "discard": True}, "/data/discard"),
        ([], "/data"),
    ],
)
def test_a_wrong_field_is_named(refusing: Api, data: Any, pointer: str) -> None:
    """What is wrong is answered 422 with the field."""
    error = only_error(refusing.post(path(NOTHING), data))

    assert (error["status"], error["source"]) == (422, {"pointer": pointer})


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"data":{"payload":NaN}}', "application/json", 400),
        (b'{"data":{"payload":' + b"[" * 101 + b"]" * 101 + b"}}", "application/json", 422),
        (b'{"data":{"payload":1}}', "text/plain", 415),
        (b'{"data":{"payload":1}}', "application/json; charset=latin-1", 415),
    ],
)
def test_what_is_no_json_is_refused(refusing: Api, body: bytes, content_type: str, status: int) -> None:
    """By the same rules as publishing."""
    answer = refusing.post_bytes(path(NOTHING), body, headers={"Content-Type": content_type})

    assert only_error(answer)["status"] == status
