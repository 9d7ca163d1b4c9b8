"""Telegram's place in the contract suite: a server that answers as its Bot API is documented."""

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
from postrider.transports.telegram import TelegramTransport

BOT_TOKEN = "110201543:AAHcanary-bZFH_GSL"
CHAT = "-1001234567890"
SENT = json.dumps({"ok": True, "result": {"message_id": 7, "date": 1790000000, "text": "…"}}).encode()


def configuration(url: str) -> Mapping[str, Any]:
    return {
        "bot_token": BOT_TOKEN,
        "chat_id": CHAT,
        "text": "{{ delivery.id }} {{ payload | tojson }}",
        "api_url": url,
    }


def refuse(request: Request, text: str) -> Answer:
    body = {"ok": False, "error_code": 400, "description": f"Bad Request: {request.path} {text}"}
    return reply(400, json.dumps(body).encode())


def arrives(message: Message) -> bytes:
    text = f"{json.loads(message.body)['delivery']['id']} {payload_of(message.body).decode()}"
    return json.dumps({"chat_id": CHAT, "text": text}, ensure_ascii=False, separators=(",", ":")).encode()


@contextmanager
def far_side() -> Iterator[ProviderFarSide]:
    with ExitStack() as stack:
        yield ProviderFarSide(stack, TelegramTransport, configuration, lambda _: reply(200, SENT), refuse, (BOT_TOKEN,))


CASE = Case("telegram", far_side, arrives=arrives)
