"""Mailchimp Transactional's place in the contract suite: a server that answers as its API is documented."""

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
from postrider.transports.mailchimp import MailchimpTransport

API_KEY = "md-canary0123456789abc"


def configuration(url: str) -> Mapping[str, Any]:
    return {
        "api_url": f"{url}/api/1.4",
        "api_key": API_KEY,
        "default_sender_email": "orders@shop.test",
        "default_sender_name": "The Shop",
        "default_reply_to_email": "help@shop.test",
        "to": "ada@customer.test",
        "subject": "Your order",
        "text": "{{ delivery.id }} {{ payload | tojson }}",
    }


def succeed(_: Request) -> Answer:
    row = {
        "email": "ada@customer.test",
        "status": "sent",
        "_id": "abc123abc123abc123abc123abc123",
        "reject_reason": None,
    }
    return reply(200, json.dumps([row]).encode(), {"Content-Type": "application/json"})


def refuse(request: Request, text: str) -> Answer:
    key = json.loads(request.body)["key"]
    body = {"status": "error", "code": -2, "name": "ValidationError", "message": f"You sent {key}. {text}"}
    return reply(500, json.dumps(body).encode(), {"Content-Type": "application/json"})


def arrives(message: Message) -> bytes:
    mail = {
        "from_email": "orders@shop.test",
        "from_name": "The Shop",
        "to": [{"email": "ada@customer.test", "type": "to"}],
        "subject": "Your order",
        "text": _text(message),
        "metadata": {"delivery_id": str(message.id)},
        "headers": {"Reply-To": "help@shop.test"},
    }
    return json.dumps({"key": API_KEY, "message": mail}, ensure_ascii=False, separators=(",", ":")).encode()


def _text(message: Message) -> str:
    return f"{json.loads(message.body)['delivery']['id']} {payload_of(message.body).decode()}"


@contextmanager
def far_side() -> Iterator[ProviderFarSide]:
    with ExitStack() as stack:
        yield ProviderFarSide(stack, MailchimpTransport, configuration, succeed, refuse, (API_KEY,))


CASE = Case("mailchimp", far_side, arrives=arrives)
