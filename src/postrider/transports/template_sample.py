"""The event that templates are tried on: an order, in the shape of Elastic Path's."""

from __future__ import annotations

import json

_MONEY = {"amount": 4490, "currency": "USD", "formatted": "$44.90"}
_TIMES = {"created_at": "2026-11-22T12:00:00.000Z", "updated_at": "2026-11-22T12:00:05.000Z"}
_ADDRESS = {
    "first_name": "Ada",
    "last_name": "Fischer",
    "company_name": "",
    "line_1": "12 Mill Lane",
    "line_2": "",
    "city": "Portland",
    "county": "OR",
    "region": "OR",
    "postcode": "97205",
    "country": "US",
}
_ITEMS = [
    {
        "type": "order_item",
        "id": "3b4be80e-2e4c-4f2f-9a8c-6f1f7c9d2f11",
        "sku": "KETTLE-01",
        "name": "Enamel kettle",
        "quantity": 1,
        "unit_price": {"amount": 3000, "currency": "USD", "includes_tax": True},
        "value": {"amount": 3000, "currency": "USD", "includes_tax": True},
    },
    {
        "type": "order_item",
        "id": "c9f0a1f4-8d3e-4a55-8b8e-1f2a3c4d5e66",
        "sku": "MUG-BLUE",
        "name": "Stoneware mug, blue",
        "quantity": 1,
        "unit_price": {"amount": 1490, "currency": "USD", "includes_tax": True},
        "value": {"amount": 1490, "currency": "USD", "includes_tax": True},
    },
]
_ORDER = {
    "type": "order",
    "id": "8ba75d3f-1f4a-4a1d-9d55-3d6b1c7a9f01",
    "order_number": "10042",
    "external_ref": "A-10042",
    "status": "complete",
    "payment": "paid",
    "shipping": "unfulfilled",
    "anonymized": False,
    "customer": {
        "id": "f45528d8-2b6a-4b3c-8f1e-5a0b9c8d7e6f",
        "name": "Ada Fischer",
        "email": "ada.fischer@example.com",
        "phone": "+15035550142",
    },
    "shipping_address": {**_ADDRESS, "phone_number": "+15035550142", "instructions": ""},
    "billing_address": _ADDRESS,
    "items": _ITEMS,
    "total": _MONEY,
    "links": {},
    "meta": {
        "display_price": {"with_tax": _MONEY, "without_tax": _MONEY, "tax": {**_MONEY, "amount": 0}},
        "timestamps": _TIMES,
    },
    "relationships": {"items": {"data": [{"type": "item", "id": item["id"]} for item in _ITEMS]}},
}

SAMPLE_TYPE = "order.paid"
SAMPLE = json.dumps({"data": _ORDER, "included": {"items": _ITEMS}}, separators=(",", ":")).encode()
"""The payload of the sample event."""

_AROUND = {
    "event": {
        "id": "019ab3c4-6f00-7d4e-8a1b-2c3d4e5f6a7b",
        "type": SAMPLE_TYPE,
        "created_at": "2026-11-22T12:00:05.000Z",
    },
    "integration": {"id": "019ab3c4-5e00-7a2b-9c3d-4e5f6a7b8c9d", "name": "Sample"},
    "delivery": {"id": "019ab3c4-7f00-7c6d-8e9f-0a1b2c3d4e5f", "attempt": 1},
}


def sample_document(payload: bytes | None) -> bytes:
    """Write a templated message's body, with this payload or with the sample's."""
    return b'{"payload":%s,%s' % (SAMPLE if payload is None else payload, json.dumps(_AROUND).encode()[1:])
