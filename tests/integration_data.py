"""What tests of integrations give, and how they look at what was published."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from postrider.domain.event import Event
from postrider.services import Services
from postrider.store import events
from postrider.store.events import EventFilter

URL = "https://example.com/orders"
SECRET_KEY = "squirrel-1234"
SQS = {
    "url": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
    "aws_access_key_id": "ASIAJLVYNHUWCPKOPSYQ",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLpUSJ",
    "region": "eu-west-1",
}
STOMP = {
    "addresses": ["stomp+ssl://mq-1.example.com:61614"],
    "destination": "/queue/orders",
    "username": "user",
    "password": "correct horse CDKn",
}
ABSENT = object()


def wanted(**changes: Any) -> dict[str, Any]:
    """Make the `data` of a webhook, with members changed, added or (ABSENT) left out."""
    data = {
        "type": "integration",
        "name": "Orders",
        "enabled": True,
        "observes": ["order.paid"],
        "configuration": {"url": URL, "secret_key": SECRET_KEY},
        **changes,
    }
    return {name: value for name, value in data.items() if value is not ABSENT}


def published(services: Services, tenant: UUID) -> list[Event]:
    """List a tenant's events, oldest first."""
    with services.database.read() as tx:
        heads = events.page(tx, tenant, EventFilter(), before=None, limit=100)[::-1]
        return [event for head in heads if (event := events.get(tx, tenant, head.id)) is not None]


def told(services: Services, tenant: UUID) -> list[tuple[str, Any]]:
    """List the types and the data of a tenant's events, oldest first."""
    return [(event.event_type, json.loads(event.payload)["data"]) for event in published(services, tenant)]
