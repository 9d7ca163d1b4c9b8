"""What exactly is sent, checked against files: a change of these bytes is a change for every receiver."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from postrider.domain.delivery import Claimed
from postrider.domain.integration import DeliveryPolicy, Integration
from postrider.domain.message import Dialect, Message, Sender, compose, elide_included
from postrider.domain.signature import sign, signing_secret

GOLDEN = Path(__file__).parent / "golden"
# Now: the standardwebhooks package refuses old timestamps.
NOW = datetime.now(UTC)
THEN = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRET = signing_secret(bytes(range(32)))
SENDER = Sender("b33e328f-31a8-4d57-b0a3-ebf1039b3756", "my-org", "https://postrider.example")
PAYLOAD = (
    '{"data":{"type":"order","id":"1d67160d","total": 1.10,"note":"Grüße \\"quoted\\"\\n"},"included":{"items":[1,2]}}'
)

INTEGRATION = Integration(
    id=UUID("af7bbcc7-f77f-4a8f-abdb-4f039c5c9d81"),
    tenant_id=UUID(SENDER.store_id),
    integration_type="webhook",
    name="Order paid notification",
    description='Fire an event on "order paid"',
    enabled=True,
    observes=("order.paid",),
    configuration={"url": "https://webhook.example/hook", "secret_key": "secret_squirrel"},
    policy=DeliveryPolicy(),
    signing_secret=SECRET,
    version=1,
    created_at=THEN,
    updated_at=THEN,
)
CLAIMED = Claimed(
    delivery_id=UUID("21a361c9-b117-4d16-be2d-5ed2dbdaa95b"),
    tenant_id=INTEGRATION.tenant_id,
    integration_id=INTEGRATION.id,
    integration_version=1,
    event_id=UUID("01a20320-a200-7d8e-91b7-584a2265b1f5"),
    event_type="order.paid",
    payload=PAYLOAD.encode(),
    attempt=3,
    round_start=0,
    lost=0,
    token=UUID(int=1),
    started_at=THEN,
    lease_until=THEN + timedelta(seconds=30),
    published_at=THEN,
)


def composed(
    dialect: Dialect, *, claimed: Claimed = CLAIMED, limit: int | None = None, now: datetime = THEN
) -> Message:
    return compose(claimed, INTEGRATION, SENDER, dialect=dialect, body_limit=limit, now=now)


def as_text(message: Message) -> str:
    return "".join(f"{name}: {value}\n" for name, value in message.headers) + "\n" + message.body.decode() + "\n"


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_bytes_are_those_on_file(dialect: Dialect) -> None:
    """Headers and body of each dialect, to the byte."""
    assert as_text(composed(dialect)) == (GOLDEN / f"{dialect.value}.txt").read_text()


def test_the_webhook_body_is_elastic_paths() -> None:
    """Its members, in its order; `payload` the published bytes, `resources` the same as a JSON string."""
    body = composed(Dialect.ELASTIC_PATH).body

    parsed = json.loads(body)
    assert list(parsed) == [
        "id",
        "triggered_by",
        "attempt",
        "integration",
        "resources",
        "payload",
        "configuration",
        "store_id",
        "org_id",
    ]
    assert parsed["resources"] == PAYLOAD
    assert b'"payload":' + PAYLOAD.encode() + b',"configuration"' in body
    assert SECRET not in body.decode()


def test_the_signature_is_standard_webhooks() -> None:
    """The reference package accepts what is sent."""
    message = composed(Dialect.ELASTIC_PATH, now=NOW)

    assert Webhook(SECRET).verify(message.body, dict(message.headers)) == json.loads(message.body)


def test_no_secret_no_header() -> None:
    """Without a secret key there is no such header, and an empty one in the body, as Elastic Path has it."""
    bare = replace(INTEGRATION, configuration={"url": "https://webhook.example/"})

    message = compose(CLAIMED, bare, SENDER, dialect=Dialect.ELASTIC_PATH, body_limit=None, now=THEN)

    assert "X-MOLTIN-SECRET-KEY" not in dict(message.headers)
    assert json.loads(message.body)["configuration"] == {"secret_key": "", "url": "https://webhook.example/"}


def test_a_queue_message_over_its_limit_goes_without_included() -> None:
    """The included resources give way to Elastic Path's note, and every other byte stays."""
    whole = composed(Dialect.CLOUDEVENTS)
    short = composed(Dialect.CLOUDEVENTS, limit=len(whole.body) - 1)

    assert json.loads(short.body)["data"]["included"] == {"meta": {"includes_elided": True}}
    assert b'"total": 1.10' in short.body
    assert composed(Dialect.CLOUDEVENTS, limit=len(whole.body)).body == whole.body


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ('{"a":1}', '{"a":1}'),
        ("[1]", "[1]"),
        ('"text"', '"text"'),
        ("{}", "{}"),
        ('{"included":[1,[2]],"b":1.10}', '{"included":{"meta":{"includes_elided":true}},"b":1.10}'),
        (
            ' { "b" : "}" , "included" : {"x":"]"} } ',
            ' { "b" : "}" , "included" : {"meta":{"includes_elided":true}} } ',
        ),
        ('{"data":{"included":1}}', '{"data":{"included":1}}'),
        (
            '{"n":' + "1" * 5_000 + ',"included":1}',
            '{"n":' + "1" * 5_000 + ',"included":{"meta":{"includes_elided":true}}}',
        ),
    ],
)
def test_elision_touches_one_member_only(payload: str, expected: str) -> None:
    """Only a top-level member named `included` is replaced."""
    assert elide_included(payload.encode()).decode() == expected


@pytest.mark.parametrize("payload", [b"null", b"1.10", b'"text"', b"[]", b'{"a":{}}', '{"ü":"\\ud800"}'.encode()])
def test_any_json_value_can_be_a_payload(payload: bytes) -> None:
    """Bodies stay valid JSON around any published value."""
    claimed = replace(CLAIMED, payload=payload)

    body = composed(Dialect.ELASTIC_PATH, claimed=claimed).body
    event = composed(Dialect.CLOUDEVENTS, claimed=claimed).body

    assert json.loads(body)["payload"] == json.loads(event)["data"] == json.loads(payload)


def test_a_broken_signing_secret_signs_nothing() -> None:
    """A secret that is not base64 is an error, never an unsigned message."""
    with pytest.raises(ValueError, match="not base64"):
        sign("whsec_%%%", message_id="x", timestamp=1, body=b"")
