"""Twilio's place in the contract suite: a server that answers as its Messages API is documented."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import quote_plus

from contracts.cases import Case
from contracts.provider_far_side import ProviderFarSide
from servers.answers import Answer, reply
from servers.receiver import Request

from postrider.domain.message import Message, payload_of
from postrider.transports.twilio import TwilioTransport

ACCOUNT_SID = "AC" + "0a" * 16
AUTH_TOKEN = "canary0123456789abcdef0123456789"
CREATED = json.dumps({"sid": "SM" + "b1" * 16, "status": "queued", "error_code": None, "error_message": None}).encode()


def configuration(url: str) -> Mapping[str, Any]:
    return {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "default_phone_number": "+15005550006",
        "to": "+15035550142",
        "text": "{{ delivery.id }} {{ payload | tojson }}",
        "api_url": url,
    }


def refuse(_: Request, text: str) -> Answer:
    body = {"code": 21211, "message": f"The 'To' number is not valid. {text}", "more_info": "", "status": 400}
    return reply(400, json.dumps(body).encode(), {"Content-Type": "application/json"})


def arrives(message: Message) -> bytes:
    text = f"{json.loads(message.body)['delivery']['id']} {payload_of(message.body).decode()}"
    return f"To=%2B15035550142&From=%2B15005550006&Body={quote_plus(text)}".encode()


@contextmanager
def far_side() -> Iterator[ProviderFarSide]:
    with ExitStack() as stack:
        yield ProviderFarSide(
            stack, TwilioTransport, configuration, lambda _: reply(201, CREATED), refuse, (AUTH_TOKEN,)
        )


CASE = Case("twilio", far_side, arrives=arrives)
