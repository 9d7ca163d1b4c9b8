"""Mitto's place in the contract suite: a server that answers as its API is documented."""

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
from postrider.transports.mitto import MittoTransport

API_KEY = "canary-mitto-0123456789"
SENT = {
    "id": "7d35a5b6-3f5c-4b3a-9d2e-0a1b2c3d4e5f",
    "timestamp": "2026-11-22T12:00:06.3091182Z",
    "responseCode": 0,
    "textLength": 13,
    "responseText": "SMS sent",
    "test": False,
}


def configuration(url: str) -> Mapping[str, Any]:
    return {
        "api_url": url,
        "api_key": API_KEY,
        "sender_name": "Orders",
        "to": "+1 (503) 555-0142",
        "text": "{{ delivery.id }} {{ payload | tojson }}",
    }


def succeed(_: Request) -> Answer:
    return reply(200, json.dumps(SENT).encode(), {"Content-Type": "application/json"})


def refuse(_: Request, text: str) -> Answer:
    body = {**SENT, "responseCode": 8, "responseText": f"Invalid receiver {text}"}
    return reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})


def arrives(message: Message) -> bytes:
    sms = {"from": "Orders", "to": "15035550142", "text": _text(message)}
    return json.dumps(sms, ensure_ascii=False, separators=(",", ":")).encode()


def _text(message: Message) -> str:
    return f"{json.loads(message.body)['delivery']['id']} {payload_of(message.body).decode()}"


@contextmanager
def far_side() -> Iterator[ProviderFarSide]:
    with ExitStack() as stack:
        yield ProviderFarSide(stack, MittoTransport, configuration, succeed, refuse, (API_KEY,))


CASE = Case("mitto", far_side, arrives=arrives)
