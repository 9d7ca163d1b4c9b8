"""What is sent in every scenario: order events of about one kilobyte, and the message that comes of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from postrider.domain.delivery import Claimed
from postrider.domain.integration import DeliveryPolicy, Integration
from postrider.domain.message import Dialect, Message, Sender, compose

EVENT_TYPE = "order.paid"
PAYLOAD_BYTES = 1024
SECRET_KEY = "a-shared-secret-of-the-receiver"  # noqa: S105 - it protects nothing
_SOME_ID = UUID("01988f2e-7a40-7000-8000-000000000000")
_SENT = b'"sent_ns":"'
_SENT_DIGITS = 19


def payload(number: int) -> bytes:
    """Make the JSON of an order, of the same size for every number."""
    return _ORDER % (number, 0)


def publish_request(numbers: range, *, sent_ns: int) -> bytes:
    """Make the body that publishes these orders, a list when they are several; each says when it was sent."""
    events = b",".join([_EVENT % (number, sent_ns) for number in numbers])
    return b'{"data":[%s]}' % events if len(numbers) > 1 else b'{"data":%s}' % events


def sent_ns(data: bytes, start: int, end: int) -> int:
    """Find the moment of sending, of the monotonic clock, between two places of a delivered body; 0 when there is none.

    Where an order stands as text in a text, the quotation marks are escaped: that is not found.
    """
    at = data.find(_SENT, start, end)
    if at < 0:
        return 0
    at += len(_SENT)
    return int(data[at : at + _SENT_DIGITS])


def integration_data(url: str) -> dict[str, object]:
    """Describe an integration that gets everything by webhook."""
    return integration_of("webhook", {"url": url, "secret_key": SECRET_KEY})


def integration_of(integration_type: str, configuration: Mapping[str, object]) -> dict[str, object]:
    """Describe an integration that gets everything."""
    return {
        "type": "integration",
        "name": "postrider bench",
        "enabled": True,
        "integration_type": integration_type,
        "observes": [EVENT_TYPE],
        "configuration": configuration,
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
        published_at=now,
    )


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _order() -> bytes:
    """Make what every order is made of by `%`: its number and the moment of its sending are to be filled in."""
    number, sent = "0" * 12, "0" * _SENT_DIGITS
    order = {
        "data": {
            "type": "order",
            "id": f"order-{number}",
            "status": "complete",
            "payment": "paid",
            "meta": {"display_price": {"with_tax": {"amount": 12345, "currency": "EUR", "formatted": "123.45 €"}}},
            "sent_ns": sent,
            "note": "",
        }
    }
    short = len(_encode(order))
    order["data"]["note"] = "x" * (PAYLOAD_BYTES - short)
    blank = _encode(order).replace(b"order-" + number.encode(), b"order-%012d")
    return blank.replace(_SENT + sent.encode(), _SENT + b"%%0%dd" % _SENT_DIGITS)


_ORDER = _order()
_EVENT = b'{"type":"event","event_type":"%s","payload":%s}' % (EVENT_TYPE.encode(), _ORDER)
