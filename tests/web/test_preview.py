"""A preview over HTTP: what would be sent, without saving or sending it."""

from __future__ import annotations

from typing import Any

import pytest
from api import Api, only_error
from integration_data import SECRET_KEY, SQS, STOMP, URL

from postrider.domain.exhibit import MASK

PATH = "/v2/integrations/preview"
TWILIO = {
    "account_sid": "AC" + "0a" * 16,
    "auth_token": "canary0123456789abcdef0123456789",
    "default_phone_number": "+15005550006",
}


def preview(api: Api, **data: Any) -> dict[str, Any]:
    answer = api.post(PATH, data)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()["data"]
    return shown


def test_a_sample_order_fills_the_templates(either_api: Api) -> None:
    """Without a payload an order is taken; what is shown is the request, its secrets masked."""
    shown = preview(
        either_api,
        integration_type="twilio",
        configuration={**TWILIO, "text": "Order {{ payload.data.id }} of {{ payload.data.customer.name }}"},
    )

    sid = TWILIO["account_sid"]
    assert shown["title"] == f"POST https://api.twilio.com/2010-04-01/Accounts/{sid}/Messages.json"
    assert shown["body"] == (
        "To=%2B15035550142&From=%2B15005550006&Body=Order+8ba75d3f-1f4a-4a1d-9d55-3d6b1c7a9f01+of+Ada+Fischer"
    )
    assert {"name": "Authorization", "value": f"Basic {MASK}"} in shown["headers"]
    assert TWILIO["auth_token"] not in repr(shown)
    assert either_api.data("/v2/integrations") == []


def test_a_payload_is_taken_as_it_is(api: Api) -> None:
    """A payload of one's own fills the templates in the place of the sample, its numbers as they were written."""
    answer = api.post_bytes(
        PATH,
        b'{"data":{"integration_type":"rest","payload":{"n":1.10},"configuration":{"url":"https://api.example.com",'
        b'"path":"/n/{{ payload.n }}","method":"PUT"}}}',
    )

    shown = answer.json()["data"]
    assert (shown["title"], shown["body"]) == ("PUT https://api.example.com/n/1.10", '{"n":1.10}')


@pytest.mark.parametrize(
    ("integration_type", "configuration", "kind"),
    [("webhook", {"url": URL, "secret_key": SECRET_KEY}, "http"), ("aws_sqs", SQS, "sqs"), ("stomp", STOMP, "stomp")],
)
def test_every_type_has_a_preview(api: Api, integration_type: str, configuration: dict[str, Any], kind: str) -> None:
    """Types without templates show the sample order as they send it."""
    shown = preview(api, integration_type=integration_type, configuration=configuration)

    assert shown["kind"] == kind
    assert "Enamel kettle" in shown["body"]
    for secret in (SECRET_KEY, SQS["aws_secret_access_key"], STOMP["password"]):
        assert secret not in repr(shown)


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({}, "/data/configuration"),
        ({"configuration": []}, "/data/configuration"),
        ({"configuration": {}}, "/data/configuration/url"),
        ({"configuration": {}, "integration_type": "pigeon"}, "/data/integration_type"),
        ({"configuration": {}, "name": "x"}, "/data/name"),
        ({"configuration": {**TWILIO, "to": "{{ a }}"}, "integration_type": "twilio"}, "/data/configuration/to"),
        ({"configuration": TWILIO, "integration_type": "twilio", "payload": {}}, "/data/configuration/to"),
        (
            {"configuration": {**TWILIO, "auth_token": "*" * 28 + "6789"}, "integration_type": "twilio"},
            "/data/configuration/auth_token",
        ),
    ],
)
def test_what_could_not_be_saved_is_refused(refusing: Api, data: dict[str, Any], pointer: str) -> None:
    """A wrong field is named, and so is a template that the payload does not fill."""
    assert only_error(refusing.post(PATH, data))["source"]["pointer"] == pointer
