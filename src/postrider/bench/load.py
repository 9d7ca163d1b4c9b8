"""What is sent in every scenario: order events of about one kilobyte, and the message that comes of one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from postrider.domain.delivery import Claimed
from postrider.domain.integration import DeliveryPolicy, Integration
from postrider.domain.message import Dialect, Message, Sender, compose

EVENT_TYPE = "order.paid"
PAYLOAD_BYTES = 1024
SECRET_KEY = "a-shared-secret-of-the-receiver"  # noqa: S105 - it protects nothing
_SOME_ID = UUID("01988f2e-7a40-7000-8000-000000000000")


def payload(number: int) -> bytes:
    """Make the JSON of an order, of the same size for every number."""
    order = {
        "data": {
            "type": "order",
            "id": f"order-{number:012d}",
            "status": "complete",
            "payment": "paid",
            "meta": {"display_price": {"with_tax": {"amount": 12345, "currency": "EUR", "formatted": "123.45 €"}}},
            "note": "",
        }
    }
    short = len(_encode(order))
    order["data"]["note"] = "x" * (PAYLOAD_BYTES - short)
    return _encode(order)


def integration_data(url: str) -> dict[str, object]:
    """Describe the integration that gets everything."""
    return {
        "type": "integration",
        "name": "postrider bench",
        "enabled": True,
        "integration_type": "webhook",
        "observes": [EVENT_TYPE],
        "configuration": {"url": url, "secret_key": SECRET_KEY},
    }


def sample_message(url: str) -> Message:
    """Compose what goes out for one event: the bytes and headers that the bare loop posts."""
    now = datetime.now(UTC)
    integration = Integration(
        id=_SOME_ID,
        tenant_id=_SOME_ID,
        integration_type="webhook",
        name="postrider bench",
        description="",
        enabled=True,
        observes=(EVENT_TYPE,),
        configuration={"url": url, "secret_key": SECRET_KEY},
        policy=DeliveryPolicy(),
        signing_secret="whsec_" + "A" * 32,
        version=1,
        created_at=now,
        updated_at=now,
    )
    return compose(
        _claimed(now),
        integration,
        Sender(str(_SOME_ID), "", url),
        dialect=Dialect.ELASTIC_PATH,
        body_limit=None,
        now=now,
    )


def _claimed(now: datetime) -> Claimed:
    return Claimed(
        delivery_id=_SOME_ID,
        tenant_id=_SOME_ID,
        integration_id=_SOME_ID,
        integration_version=1,
        event_id=_SOME_ID,
        event_type=EVENT_TYPE,
        payload=payload(0),
        attempt=1,
        round_start=0,
        lost=0,
        token=_SOME_ID,
        started_at=now,
        lease_until=now + timedelta(seconds=30),
    )


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
