"""Salesforce's place in the contract suite: a server that lets in and answers as its REST API is documented."""

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
from postrider.transports.salesforce import SalesforceTransport

SECRETS = ("canary-consumer/secret", 'canary-"password"', "canary5ecurityT0ken")
ACCESS_TOKEN = "00Dcanary!ARQAQacces5Token"
LOGIN = "/services/oauth2/token"
PUBLISHED = json.dumps(
    {
        "id": "e01xx0000000001AAA",
        "success": True,
        "errors": [
            {"statusCode": "OPERATION_ENQUEUED", "message": "08ff6a91-ef9f-4e4c-9a4c-1a4d3c4e5f60", "fields": []}
        ],
    }
).encode()


def configuration(url: str) -> Mapping[str, Any]:
    return {
        "url": url,
        "consumer_key": "3MVG9consumer",
        "consumer_secret": SECRETS[0],
        "username": "publisher@example.com",
        "password": SECRETS[1],
        "security_token": SECRETS[2],
        "event": "Order_Paid__e",
        "fields": {"Delivery__c": "{{ delivery.id }}", "Payload__c": "{{ payload | tojson }}"},
    }


def let_in(request: Request, *, token: str = ACCESS_TOKEN) -> Answer:
    """Give a token for this very server."""
    instance = f"http://{request.headers['host']}"
    body = {"access_token": token, "instance_url": instance, "token_type": "Bearer", "issued_at": "1700000000000"}
    return reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})


def publish(request: Request) -> Answer:
    return let_in(request) if request.path == LOGIN else reply(201, PUBLISHED)


def refuse(request: Request, text: str) -> Answer:
    if request.path == LOGIN:
        return let_in(request)
    told = f"{text} {request.headers['authorization']}"
    body = [{"message": told, "errorCode": "INVALID_FIELD", "fields": ["Payload__c"]}]
    return reply(400, json.dumps(body).encode(), {"X-Echo": request.headers["authorization"]})


def arrives(message: Message) -> bytes:
    fields = {"Delivery__c": str(message.id), "Payload__c": payload_of(message.body).decode()}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


class SalesforceFarSide(ProviderFarSide):
    """A far side at whose door one knocks first."""

    def received(self) -> list[bytes]:
        return [request.body for request in self.receiver.requests if request.path != LOGIN]


@contextmanager
def far_side() -> Iterator[SalesforceFarSide]:
    with ExitStack() as stack:
        yield SalesforceFarSide(stack, SalesforceTransport, configuration, publish, refuse, (*SECRETS, ACCESS_TOKEN))


CASE = Case("salesforce", far_side, arrives=arrives)
