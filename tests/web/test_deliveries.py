"""Deliveries over HTTP: what is shown, and what people can do."""

from __future__ import annotations

from typing import Any

import pytest
from api import Api, only_error
from servers.receiver import Receiver

from postrider.domain.delivery import DeliveryStatus
from postrider.store import integrations

PATH = "/v2/deliveries"
NOTHING = "00000000-0000-7000-8000-000000000000"
ACTIONS = ["redrive", "cancel", "discard", "undo-discard"]


def test_a_delivery_tells_its_story(either_api: Api, receiver: Receiver) -> None:
    """Every attempt is shown with what the far side said, and a sentence says why it is not there yet."""
    either_api.house.integrate(receiver.url)
    receiver.answer(500, b"out of fish")
    event_id = either_api.publish()
    either_api.house.run_until_idle()

    delivery = either_api.data(f"{PATH}/{either_api.house.only_delivery().id}")

    assert (delivery["type"], delivery["event_id"], delivery["status"]) == ("delivery", str(event_id), "pending")
    assert (delivery["attempt"], delivery["error"]) == (1, "http_500")
    (attempt,) = delivery["attempts"]
    assert (attempt["number"], attempt["verdict"], attempt["decision"]) == (1, "temporary", "retry")
    assert (attempt["status_code"], attempt["response_body"], attempt["late"]) == (500, "out of fish", False)
    assert delivery["explanation"].startswith("Not delivered yet: attempt 2 is due at 2026-11-22T12:00:0")
    assert "Attempt 1 failed: " in delivery["explanation"]


def test_looking_waits_for_nobody(either_api: Api) -> None:
    """Who looks at a delivery does not wait for who is just changing its integration."""
    integration = either_api.house.integrate("http://127.0.0.1:9/")
    either_api.publish()
    either_api.house.fan_out()
    delivery_id, now = either_api.house.only_delivery().id, either_api.house.clock.now()

    with either_api.house.services.database.write() as tx:
        integrations.any_tenant_disable(tx, integration.id, version=1, reason="gone", now=now)
        answer = either_api.get(f"{PATH}/{delivery_id}", timeout=5)

    assert "it is due" in answer.json()["data"]["explanation"]


def test_a_sent_delivery_says_so(api: Api, receiver: Receiver) -> None:
    """What arrived says with which attempt."""
    api.house.integrate(receiver.url)
    api.publish()
    api.house.run_until_idle()

    delivery = api.data(f"{PATH}/{api.house.only_delivery().id}")

    assert delivery["explanation"] == "It arrived with attempt 1."


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (DeliveryStatus.PENDING, "", "Not delivered yet: it is due and waits for its turn."),
        (DeliveryStatus.SENDING, "", "Attempt 0 is under way."),
        (
            DeliveryStatus.DEAD,
            "attempts_exhausted",
            "Not delivered: no attempt is left. It waits to be redriven or discarded.",
        ),
        (
            DeliveryStatus.DEAD,
            "http_410",
            "Not delivered: trying again would not help (http_410). It waits to be redriven or discarded.",
        ),
        (DeliveryStatus.DISCARDED, "old news", "Not delivered: it was discarded (old news)."),
    ],
)
def test_the_reason_is_said(api: Api, status: DeliveryStatus, reason: str, said: str) -> None:
    """Why something was not delivered has an answer."""
    delivery = api.deliver_to_nobody(status, reason=reason)

    assert api.data(f"{PATH}/{delivery.id}")["explanation"] == said


def test_a_held_delivery_says_so(api: Api) -> None:
    """While its integration is off, a delivery is held."""
    delivery = api.deliver_to_nobody(DeliveryStatus.PENDING)
    with api.house.services.database.read() as tx:
        integration = integrations.get(tx, api.house.services.box, delivery.tenant_id, delivery.integration_id)
    assert integration is not None
    api.house.change(integration, enabled=False)

    assert "held, because its integration is switched off" in api.data(f"{PATH}/{delivery.id}")["explanation"]


def test_a_skipped_delivery_says_so(api: Api) -> None:
    """What was published while its integration was off was skipped, and says so."""
    api.house.integrate("http://127.0.0.1:9/", enabled=False)
    api.publish()
    api.house.fan_out()

    delivery = api.data(f"{PATH}/{api.house.only_delivery().id}")

    assert (delivery["status"], delivery["reason"]) == ("skipped", "disabled")
    assert "switched off when the event was published" in delivery["explanation"]


def test_deliveries_are_filtered(either_api: Api) -> None:
    """Every filter takes what it names and nothing else; statuses add up."""
    dead = either_api.deliver_to_nobody(DeliveryStatus.DEAD)
    done = either_api.deliver_to_nobody(DeliveryStatus.DELIVERED)
    # The first integration observes the second event too.
    (waiting,) = either_api.house.deliveries(integration_id=dead.integration_id, event_id=done.event_id)

    def taken(**query: Any) -> set[str]:
        return {row["id"] for row in either_api.get(PATH, params=query).json()["data"]}

    assert taken(status="dead") == {str(dead.id)}
    assert taken(status=["dead", "delivered"]) == {str(dead.id), str(done.id)}
    assert taken(integration_id=str(done.integration_id)) == {str(done.id)}
    assert taken(event_id=str(done.event_id)) == {str(done.id), str(waiting.id)}
    assert taken(event_type="order.paid") == {str(dead.id), str(done.id), str(waiting.id)}
    assert taken(event_type="order.created") == set()
    assert taken(error="http_500") == set()
    assert taken(since="2026-11-22T12:00:01Z") == set()
    assert taken(until="2026-11-22T12:00:01Z", status="pending") == {str(waiting.id)}


def test_deliveries_are_listed_in_pages(either_api: Api) -> None:
    """Following `next` keeps the filters and shows each delivery once, newest first."""
    for _ in range(3):
        either_api.house.integrate("http://127.0.0.1:9/")
    either_api.publish()
    either_api.house.fan_out()
    seen: list[str] = []
    following: str | None = f"{PATH}?page[limit]=2&status=pending&status=dead"

    while following:
        page = either_api.get(following).json()
        seen += [row["id"] for row in page["data"]]
        following = page["links"]["next"]

    assert seen == [str(one.id) for one in either_api.house.deliveries()[::-1]]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"status": "lost"}, "status.0"),
        ({"integration_id": "x"}, "integration_id"),
        ({"event_id": "1"}, "event_id"),
        ({"error": "a\x00"}, "error"),
        ({"error": ""}, "error"),
        ({"state": "dead"}, "state"),
    ],
)
def test_a_wrong_filter_is_named(refusing: Api, query: dict[str, str], parameter: str) -> None:
    """A filter without meaning is answered 422, never ignored."""
    error = only_error(refusing.get(PATH, params=query))

    assert (error["status"], error["source"]) == (422, {"parameter": parameter})


@pytest.mark.parametrize("delivery_id", [NOTHING, "x"])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), *(("POST", f"/{action}") for action in ACTIONS)])
def test_an_unknown_delivery_is_not_found(refusing: Api, delivery_id: str, method: str, rest: str) -> None:
    """What is not there is 404."""
    error = only_error(refusing.call(method, f"{PATH}/{delivery_id}{rest}"))

    assert (error["status"], error["detail"]) == (404, "The resource could not be found")


@pytest.mark.parametrize(
    ("status", "action", "data", "after"),
    [
        (DeliveryStatus.DEAD, "redrive", None, "pending"),
        (DeliveryStatus.DISCARDED, "redrive", None, "pending"),
        (DeliveryStatus.DELIVERED, "redrive", {"force": True}, "pending"),
        (DeliveryStatus.PENDING, "cancel", None, "discarded"),
        (DeliveryStatus.DEAD, "discard", {"reason": "old news"}, "discarded"),
        (DeliveryStatus.DISCARDED, "undo-discard", None, "dead"),
    ],
)
def test_people_move_deliveries(
    either_api: Api, status: DeliveryStatus, action: str, data: dict[str, Any] | None, after: str
) -> None:
    """Each action takes a delivery where it belongs, and the answer shows it."""
    delivery = either_api.deliver_to_nobody(status)

    answer = either_api.post(f"{PATH}/{delivery.id}/{action}", data)

    assert answer.status_code == 200
    assert answer.json()["data"]["status"] == after
    assert either_api.data(f"{PATH}/{delivery.id}")["status"] == after


@pytest.mark.parametrize(
    ("action", "data", "reason"),
    [
        ("discard", {"reason": " old news "}, "old news"),
        ("discard", {}, "discarded"),
        ("discard", None, "discarded"),
    ],
)
def test_the_reason_is_kept(api: Api, action: str, data: dict[str, Any] | None, reason: str) -> None:
    """Who lets a delivery go can say why."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)

    api.post(f"{PATH}/{delivery.id}/{action}", data)

    assert api.data(f"{PATH}/{delivery.id}")["reason"] == reason


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (DeliveryStatus.SENDING, "redrive"),
        (DeliveryStatus.DELIVERED, "redrive"),
        (DeliveryStatus.DEAD, "cancel"),
        (DeliveryStatus.SENDING, "cancel"),
        (DeliveryStatus.PENDING, "discard"),
        (DeliveryStatus.DELIVERED, "discard"),
        (DeliveryStatus.DEAD, "undo-discard"),
    ],
)
def test_what_does_not_fit_is_a_conflict(api: Api, status: DeliveryStatus, action: str) -> None:
    """An action that its status does not allow is 409, says so, and changes nothing."""
    delivery = api.deliver_to_nobody(status)

    error = only_error(api.post(f"{PATH}/{delivery.id}/{action}"))

    assert error["status"] == 409
    assert status.value in error["detail"]
    assert api.data(f"{PATH}/{delivery.id}")["status"] == status.value


@pytest.mark.parametrize(
    ("action", "data", "pointer"),
    [
        ("redrive", {"force": "yes"}, "/data/force"),
        ("redrive", {"forced": True}, "/data/forced"),
        ("discard", {"reason": "a" * 1_001}, "/data/reason"),
        ("discard", {"reason": "a\x00"}, "/data/reason"),
        ("cancel", {"reason": 3}, "/data/reason"),
        ("cancel", {"because": "x"}, "/data/because"),
    ],
)
def test_a_wrong_field_is_named(refusing: Api, action: str, data: dict[str, Any], pointer: str) -> None:
    """What is wrong with an action is answered 422 with the field."""
    error = only_error(refusing.post(f"{PATH}/{NOTHING}/{action}", data))

    assert (error["status"], error["source"]) == (422, {"pointer": pointer})


def test_a_redriven_delivery_arrives(either_api: Api, receiver: Receiver) -> None:
    """A dead letter that is redriven goes out again under its own id."""
    either_api.house.integrate(receiver.url)
    receiver.answer(410)
    either_api.publish()
    either_api.house.run_until_idle()
    receiver.answer(200)
    dead = either_api.house.only_delivery() if len(either_api.house.deliveries()) == 1 else None
    assert dead is not None
    either_api.post(f"/v2/integrations/{dead.integration_id}/enable")

    either_api.post(f"{PATH}/{dead.id}/redrive")
    either_api.house.run_until_idle()

    assert either_api.data(f"{PATH}/{dead.id}")["status"] == "delivered"
    first, second = receiver.wait_for(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(dead.id)
