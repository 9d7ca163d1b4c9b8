"""Event types over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from api import Api, only_error

from postrider.control import event_types
from postrider.domain.catalogue import BUILT_IN

PATH = "/v2/event-types"


def test_the_built_in_ones_are_listed(either_api: Api) -> None:
    """Everybody knows Elastic Path's event types."""
    rows = either_api.data(PATH)

    assert [row["name"] for row in rows] == sorted(BUILT_IN)
    assert all(row["built_in"] and row["type"] == "event-type" for row in rows)


def test_an_added_one_can_be_published(either_api: Api) -> None:
    """A tenant's own event type is published and listed among the others."""
    refused = either_api.post("/v2/events", {"event_type": "fish.caught", "payload": 1})
    added = either_api.post(PATH, {"name": "fish.caught", "description": "A fish."})

    assert (refused.status_code, added.status_code) == (422, 201)
    either_api.publish("fish.caught")
    row = next(row for row in either_api.data(PATH) if row["name"] == "fish.caught")
    assert row == added.json()["data"]
    assert (row["built_in"], row["description"]) == (False, "A fish.")


def test_one_that_another_process_added_is_known_at_once(api: Api) -> None:
    """A name that is not remembered is looked up before it is refused."""
    api.publish()

    event_types.add(api.house.services, api.house.tenant.id, name="fish.caught")

    api.publish("fish.caught")


@pytest.mark.parametrize("name", ["order.paid", "postrider.test", "fish.caught"])
def test_a_known_one_is_a_conflict(api: Api, name: str) -> None:
    """A name is added once, and a built-in one never."""
    api.post(PATH, {"name": "fish.caught"})

    error = only_error(api.post(PATH, {"name": name}))

    assert error["status"] == 409
    assert name in error["detail"]


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({}, "/data/name"),
        ({"name": "fish"}, "/data/name"),
        ({"name": "fish.*"}, "/data/name"),
        ({"name": "fish..caught"}, "/data/name"),
        ({"name": "fish.caught\n"}, "/data/name"),
        ({"name": "f." + "a" * 200}, "/data/name"),
        ({"name": "postrider.mine"}, "/data/name"),
        ({"name": None}, "/data/name"),
        ({"name": "fish.caught", "description": "a\x00"}, "/data/description"),
        ({"name": "fish.caught", "description": "a" * 1_001}, "/data/description"),
        ({"name": "fish.caught", "descripton": ""}, "/data/descripton"),
    ],
)
def test_a_wrong_field_is_named(refusing: Api, data: dict[str, Any], pointer: str) -> None:
    """What is wrong with an event type is answered 422 with the field."""
    error = only_error(refusing.post(PATH, data))

    assert (error["status"], error["source"]) == (422, {"pointer": pointer})
