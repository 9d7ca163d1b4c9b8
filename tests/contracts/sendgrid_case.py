"""SendGrid's place in the contract suite: a server that answers as its API is documented."""

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
from postrider.transports.sendgrid import SendgridTransport

API_KEY = "SG.canary-0123456789.abcdefghij"


def configuration(url: str) -> Mapping[str, Any]:
    return {
        "api_url": url,
        "api_key": API_KEY,
        "default_sender_email": "orders@shop.test",
        "default_sender_name": "The Shop",
        "default_reply_to_email": "help@shop.test",
        "to": "ada@customer.test",
        "subject": "Your order",
        "text": "{{ delivery.id }} {{ payload | tojson }}",
    }


def succeed(_: Request) -> Answer:
    return reply(202, b"", {"X-Message-Id": "14c5d75ce93.dfd.64b469"})


def refuse(request: Request, text: str) -> Answer:
    errors = [{"field": "from.email", "message": f"{request.headers['authorization']} {text}"}]
    return reply(400, json.dumps({"errors": errors}).encode(), {"Content-Type": "application/json"})


def arrives(message: Message) -> bytes:
    mail = {
        "personalizations": [{"to": [{"email": "ada@customer.test"}]}],
        "from": {"email": "orders@shop.test", "name": "The Shop"},
        "subject": "Your order",
        "content": [{"type": "text/plain", "value": _text(message)}],
        "custom_args": {"delivery_id": str(message.id)},
        "reply_to": {"email": "help@shop.test"},
    }
    return json.dumps(mail, ensure_ascii=False, separators=(",", ":")).encode()


def _text(message: Message) -> str:
    return f"{json.loads(message.body)['delivery']['id']} {payload_of(message.body).decode()}"


@contextmanager
def far_side() -> Iterator[ProviderFarSide]:
    with ExitStack() as stack:
        yield ProviderFarSide(stack, SendgridTransport, configuration, succeed, refuse, (API_KEY,))


CASE = Case("sendgrid", far_side, arrives=arrives)
