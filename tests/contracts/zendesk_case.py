"""Zendesk's place in the contract suite: a server that answers as its Tickets API is documented."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from contracts.cases import Case
from contracts.provider_far_side import ProviderFarSide
from servers.answers import Answer, reply
from servers.receiver import Request

from postrider.domain.message import Message, payload_of
from postrider.transports.zendesk import ZendeskTransport

API_TOKEN = 'canary-"token"/zendesk'
FIELD = 360012345678
CREATED = json.dumps({"ticket": {"id": 35436, "subject": "order.paid", "status": "new"}}).encode()


def configuration(url: str) -> Mapping[str, Any]:
    return {
        "url": url,
        "username": "agent@example.com/token",
        "password": API_TOKEN,
        "subject": "{{ event.type }}",
        "text": "{{ payload | tojson }}",
        "fields": {str(FIELD): "{{ delivery.id }}"},
    }


def refuse(_: Request, text: str) -> Answer:
    wrong = {"value": [{"description": f"Subject: {text}", "error": "BlankValue"}]}
    body = {"error": "RecordInvalid", "description": f"Record validation errors {text}", "details": wrong}
    return reply(422, json.dumps(body).encode(), {"Content-Type": "application/json"})


def arrives(message: Message) -> bytes:
    ticket = {
        "subject": "order.paid",
        "comment": {"body": payload_of(message.body).decode()},
        "custom_fields": [{"id": FIELD, "value": str(message.id)}],
    }
    return json.dumps({"ticket": ticket}, ensure_ascii=False, separators=(",", ":")).encode()


@contextmanager
def far_side() -> Iterator[ProviderFarSide]:
    with ExitStack() as stack:
        yield ProviderFarSide(
            stack, ZendeskTransport, configuration, lambda _: reply(201, CREATED), refuse, (API_TOKEN,)
        )


CASE = Case("zendesk", far_side, arrives=arrives)
