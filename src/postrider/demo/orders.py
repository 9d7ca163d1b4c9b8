"""Sample orders and what happens to them, made by chance from a seed: the same seed tells the same story."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from postrider.domain.news import timestamp

OPEN_AT_MOST = 8
"""So many orders are on their way at once."""
_CANCELLED, _REFUNDED = 0.1, 0.08
"""The shares of orders that end otherwise than well."""
_GOODS = (
    ("KETTLE-01", "Enamel kettle", 3_900),
    ("MUG-BLUE", "Stoneware mug, blue", 1_450),
    ("LAMP-07", "Desk lamp", 8_900),
    ("NOTE-A5", "Notebook, A5, dotted", 790),
    ("SOCKS-M", "Wool socks, medium", 1_200),
    ("BLANKET-2", "Merino blanket", 12_900),
)
_PEOPLE = (
    ("Ada Fischer", "ada.fischer@example.com", "12 Mill Lane", "Portland", "OR", "97205"),
    ("Jonas Berg", "jonas.berg@example.com", "48 Harbor Street", "Duluth", "MN", "55802"),
    ("Priya Raman", "priya.raman@example.com", "7 Orchard Road", "Austin", "TX", "78704"),
    ("Tomás Díaz", "tomas.diaz@example.com", "301 Canyon Drive", "Santa Fe", "NM", "87501"),
    ("Mei Tanaka", "mei.tanaka@example.com", "19 Beacon Avenue", "Seattle", "WA", "98108"),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """An event to publish."""

    event_type: str
    payload: bytes


@dataclass(slots=True)
class _Order:
    id: UUID
    number: int
    person: tuple[str, str, str, str, str, str]
    items: list[dict[str, Any]]
    created_at: datetime
    status: str = "incomplete"
    payment: str = "unpaid"
    shipping: str = "unfulfilled"
    ended: bool = field(default=False)


def samples(seed: int, *, now: Callable[[], datetime]) -> Iterator[Sample]:
    """Tell without end what happens to orders: created, paid, fulfilled, now and then cancelled or refunded."""
    # Not for secrets: what customers order.
    chance = random.Random(seed)  # noqa: S311
    number, open_orders = chance.randrange(10_000, 90_000), list[_Order]()
    while True:
        if not open_orders or (len(open_orders) < OPEN_AT_MOST and chance.random() < 1 / 3):
            number += 1
            order = _new(number, chance, now())
            open_orders.append(order)
            yield Sample("order.created", _payload(order, now()))
            continue
        order = chance.choice(open_orders)
        event_type = _go_on(order, chance)
        if order.ended:
            open_orders.remove(order)
        yield Sample(event_type, _payload(order, now()))


def _new(number: int, chance: random.Random, now: datetime) -> _Order:
    items = [
        {"sku": sku, "name": name, "quantity": chance.choice((1, 1, 1, 2, 3)), "unit_price": _money(cents)}
        for sku, name, cents in chance.sample(_GOODS, chance.choice((1, 1, 2, 3)))
    ]
    return _Order(UUID(int=chance.getrandbits(128), version=4), number, chance.choice(_PEOPLE), items, now)


def _go_on(order: _Order, chance: random.Random) -> str:
    """Take an order to its next step; gives the event's type."""
    if order.payment == "unpaid":
        if chance.random() < _CANCELLED:
            order.status, order.ended = "cancelled", True
            return "order.cancelled"
        order.status, order.payment = "processing", "paid"
        return "order.paid"
    order.ended = True
    if chance.random() < _REFUNDED:
        order.payment = "refunded"
        return "order.refunded"
    order.status, order.shipping = "complete", "fulfilled"
    return "order.fulfilled"


def _payload(order: _Order, now: datetime) -> bytes:
    name, email, line, city, county, postcode = order.person
    total = sum(item["unit_price"]["amount"] * item["quantity"] for item in order.items)
    document = {
        "type": "order",
        "id": str(order.id),
        "order_number": str(order.number),
        "status": order.status,
        "payment": order.payment,
        "shipping": order.shipping,
        "customer": {"name": name, "email": email},
        "shipping_address": {"line_1": line, "city": city, "county": county, "postcode": postcode, "country": "US"},
        "items": order.items,
        "total": _money(total),
        "meta": {"timestamps": {"created_at": timestamp(order.created_at), "updated_at": timestamp(now)}},
    }
    return json.dumps({"data": document}, ensure_ascii=False).encode()


def _money(cents: int) -> dict[str, Any]:
    return {"amount": cents, "currency": "USD", "formatted": f"${cents / 100:,.2f}"}
