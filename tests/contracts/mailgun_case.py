"""Mailgun's place in the contract suite: a server that answers as its API is documented."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlencode

from contracts.cases import Case
from contracts.provider_far_side import ProviderFarSide
from servers.answers import Answer, reply
from servers.receiver import Request

from postrider.domain.message import Message, payload_of
from postrider.transports.mailgun import MailgunTransport

API_KEY = "key-canary0123456789abcdef"


def configuration(url: str) -> Mapping[str, Any]:
    return {
        "api_url": url,
        "api_key": API_KEY,
        "domain": "mg.shop.test",
        "sender_email": "orders@mg.shop.test",
        "sender_name": 'The "Zoë" Shop',
        "to": "ada@customer.test",
        "subject": "Your order",
        "text": "{{ delivery.id }} {{ payload | tojson }}",
    }


def succeed(_: Request) -> Answer:
    body = {"id": "<20261122120006.1.AB12@mg.shop.test>", "message": "Queued. Thank you."}
    return reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})


def refuse(request: Request, text: str) -> Answer:
    body = {"message": f"to parameter is not a valid address. {request.headers['authorization']} {text}"}
    return reply(400, json.dumps(body).encode(), {"Content-Type": "application/json"})


def arrives(message: Message) -> bytes:
    fields = {
        "from": '"The \\"Zoë\\" Shop" <orders@mg.shop.test>',
        "to": "ada@customer.test",
        "subject": "Your order",
        "text": _text(message),
        "v:delivery_id": str(message.id),
    }
    return urlencode(fields).encode()


def _text(message: Message) -> str:
    return f"{json.loads(message.body)['delivery']['id']} {payload_of(message.body).decode()}"


@contextmanager
def far_side() -> Iterator[ProviderFarSide]:
    with ExitStack() as stack:
        yield ProviderFarSide(stack, MailgunTransport, configuration, succeed, refuse, (API_KEY,))


CASE = Case("mailgun", far_side, arrives=arrives)
