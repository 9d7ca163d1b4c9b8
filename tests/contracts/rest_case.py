"""The REST transport's place in the contract suite: an API that takes what it gets."""

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
from postrider.transports.rest import RestTransport

TOKEN = 'canary-"token"/1'


def configuration(url: str) -> Mapping[str, Any]:
    return {
        "url": f"{url}/api",
        "path": "/deliveries/{{ delivery.id }}",
        "method": "PUT",
        "body": '{"id":"{{ delivery.id }}","payload":{{ payload | tojson }}}',
        "token": TOKEN,
    }


def refuse(request: Request, text: str) -> Answer:
    return reply(500, request.body + text.encode(), {"X-Echo": request.headers["authorization"]})


def arrives(message: Message) -> bytes:
    delivery = json.loads(message.body)["delivery"]
    return b'{"id":"%s","payload":%s}' % (delivery["id"].encode(), payload_of(message.body))


@contextmanager
def far_side() -> Iterator[ProviderFarSide]:
    with ExitStack() as stack:
        yield ProviderFarSide(stack, RestTransport, configuration, lambda _: reply(204), refuse, (TOKEN,))


CASE = Case("rest", far_side, arrives=arrives)
