"""The orders of the demo: a story that a seed tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from postrider.demo.orders import OPEN_AT_MOST, samples
from postrider.domain.catalogue import BUILT_IN

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
FIRST_OF = {"order.created"}
AFTER: dict[str, set[str]] = {
    "order.created": {"order.paid", "order.cancelled"},
    "order.paid": {"order.fulfilled", "order.refunded"},
}


def told(seed: int, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Give the types and the orders of the first events."""
    first = islice(samples(seed, now=lambda: NOON), count)
    return [(one.event_type, json.loads(one.payload)["data"]) for one in first]


def test_a_seed_tells_one_story() -> None:
    """The same events come of the same seed, others of another."""
    assert told(1, 200) == told(1, 200)
    assert told(1, 200) != told(2, 200)


def test_orders_go_their_way() -> None:
    """Each is created first, then paid or cancelled, then fulfilled or refunded, and nothing comes after an end."""
    allowed: dict[str, set[str]] = {}
    for event_type, order in told(3, 2_000):
        assert event_type in allowed.get(order["id"], FIRST_OF)
        allowed[order["id"]] = AFTER.get(event_type, set())

    assert sum(1 for following in allowed.values() if following) <= OPEN_AT_MOST


def test_all_kinds_of_events_come_and_are_known() -> None:
    """Every type that the demo publishes is in the catalogue, and each comes now and then."""
    types = {event_type for event_type, _ in told(4, 500)}

    assert types == {"order.created", "order.paid", "order.fulfilled", "order.cancelled", "order.refunded"}
    assert types <= BUILT_IN


def test_totals_are_the_sums_of_their_items() -> None:
    """What looks like an order adds up."""
    for _, order in told(5, 200):
        amounts = [item["unit_price"]["amount"] * item["quantity"] for item in order["items"]]
        assert order["total"]["amount"] == sum(amounts)
