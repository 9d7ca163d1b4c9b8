"""What exactly is sent: the bytes and headers of one attempt, per dialect."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from .delivery import Claimed
from .exhibit import MASK, cut_short
from .integration import Integration
from .signature import signatures, still_signing

USER_AGENT = "Postrider/1 (+webhooks)"
SECRET_HEADER = "X-MOLTIN-SECRET-KEY"  # noqa: S105 - its name
SIGNATURE_HEADER = "webhook-signature"
ELIDED = b'{"meta":{"includes_elided":true}}'


# `json.dumps` would make one for each call.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Dialect(StrEnum):
    """The forms that a message can take."""

    ELASTIC_PATH = "elastic_path"
    """Elastic Path's webhook body, with Standard Webhooks headers beside its own."""
    CLOUDEVENTS = "cloudevents"
    """A CloudEvents 1.0 structured JSON document, as Elastic Path puts on queues."""
    TEMPLATED = "templated"
    """One JSON document of all that a transport's templates may speak of; what they make of it is what is sent."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: the tenant's ids as the far side knows them, and where Postrider stands."""

    store_id: str
    org_id: str
    public_url: str


@dataclass(frozen=True, slots=True)
class Message:
    """The bytes of one attempt."""

    id: UUID
    """The delivery's id: the same over retries and redrives."""
    event_type: str
    integration_id: UUID
    attempt: int
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    """What goes beside the body: HTTP headers, or a queue's message attributes."""


def compose(
    claimed: Claimed,
    integration: Integration,
    sender: Sender,
    *,
    dialect: Dialect,
    body_limit: int | None,
    now: datetime,
) -> Message:
    """Make the message of a claimed delivery.

    A CloudEvents body over `body_limit` bytes goes without its included resources, as Elastic Path does;
    what is still too large then is the transport's to refuse. Raises ValueError for an integration whose secrets could
    not be read: it would go out unsigned.
    """
    if integration.secrets_unreadable:
        raise ValueError("the integration's secrets could not be read")
    if dialect is Dialect.ELASTIC_PATH:
        body = _elastic_path_body(claimed, integration, sender)
        headers = _webhook_headers(claimed, integration, body, now=now)
    elif dialect is Dialect.TEMPLATED:
        body, headers = _templated(claimed, integration), ()
    else:
        body = _cloudevent(claimed, sender, claimed.payload)
        if body_limit is not None and len(body) > body_limit:
            body = _cloudevent(claimed, sender, elide_included(claimed.payload))
        headers = (("content-type", "application/cloudevents+json"),)
    return Message(claimed.delivery_id, claimed.event_type, integration.id, claimed.attempt, body, headers)


def _elastic_path_body(claimed: Claimed, integration: Integration, sender: Sender) -> bytes:
    payload = claimed.payload
    return b"".join(
        (
            b'{"id":"%s","triggered_by":%s,"attempt":%d,"integration":'
            % (str(claimed.delivery_id).encode(), _text_json(claimed.event_type), claimed.attempt),
            _integration_json(
                str(integration.id), integration.integration_type, integration.name, integration.description
            ),
            b',"resources":',
            _json(payload.decode()),
            b',"payload":',
            payload,
            _configuration_member(integration, integration.configuration.get("secret_key") or ""),
            b',"store_id":%s,"org_id":%s}' % (_text_json(sender.store_id), _text_json(sender.org_id)),
        )
    )


def _configuration_member(integration: Integration, secret_key: str) -> bytes:
    url = integration.configuration.get("url", "")
    return b',"configuration":' + _json({"secret_key": secret_key, "url": url})


def concealed(message: Message, integration: Integration) -> Message:
    """Give a message in Elastic Path's form as it may be shown: its secret key masked, its signatures cut short."""
    shown = {SECRET_HEADER: lambda _: MASK, SIGNATURE_HEADER: cut_short}
    headers = tuple((name, shown[name](value) if name in shown else value) for name, value in message.headers)
    secret_key = integration.configuration.get("secret_key")
    if not secret_key:
        return replace(message, headers=headers)
    # The payload, which may hold such a member too, stands before it.
    before, found, after = message.body.rpartition(_configuration_member(integration, secret_key))
    body = before + _configuration_member(integration, MASK) + after if found else message.body
    return replace(message, headers=headers, body=body)


@lru_cache(maxsize=512)
def _integration_json(integration_id: str, integration_type: str, name: str, description: str) -> bytes:
    """Tell of an integration: the same in all its messages."""
    return _json({"id": integration_id, "integration_type": integration_type, "name": name, "description": description})


def _webhook_headers(
    claimed: Claimed, integration: Integration, body: bytes, *, now: datetime
) -> tuple[tuple[str, str], ...]:
    message_id, timestamp = str(claimed.delivery_id), int(now.timestamp())
    old = [one.secret for one in still_signing(integration.retired_secrets, now=now)]
    headers = [
        ("Content-Type", "application/json"),
        ("User-Agent", USER_AGENT),
        ("X-MOLTIN-INTEGRATION-TRIGGER", claimed.event_type),
        ("webhook-id", message_id),
        ("webhook-timestamp", str(timestamp)),
        (
            SIGNATURE_HEADER,
            signatures([integration.signing_secret, *old], message_id=message_id, timestamp=timestamp, body=body),
        ),
    ]
    secret_key = integration.configuration.get("secret_key")
    if secret_key:
        headers.append((SECRET_HEADER, secret_key))
    return tuple(headers)


def _cloudevent(claimed: Claimed, sender: Sender, data: bytes) -> bytes:
    return b'{"data":%s,"datacontenttype":"application/json","id":"%s","integrationid":"%s","source":%s,%s}' % (
        data,
        str(claimed.delivery_id).encode(),
        str(claimed.integration_id).encode(),
        _text_json(sender.public_url),
        b'"specversion":"1.0","storeid":%s,"type":%s' % (_text_json(sender.store_id), _text_json(claimed.event_type)),
    )


def _templated(claimed: Claimed, integration: Integration) -> bytes:
    published = claimed.published_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return b'{"payload":%s,"event":%s,"integration":%s,"delivery":%s}' % (
        claimed.payload,
        _json({"id": str(claimed.event_id), "type": claimed.event_type, "created_at": published}),
        _json({"id": str(integration.id), "name": integration.name}),
        _json({"id": str(claimed.delivery_id), "attempt": claimed.attempt}),
    )


def payload_of(templated: bytes) -> bytes:
    """Give the payload of a templated message's body, as it was published; ValueError when there is none."""
    text = templated.decode()
    span = _member_span(text, "payload")
    if span is None:
        raise ValueError("there is no payload in it")
    return text[span[0] : span[1]].encode()


def elide_included(payload: bytes) -> bytes:
    """Put Elastic Path's note in the place of a JSON object's `included` member; keep all other bytes."""
    text = payload.decode()
    span = _member_span(text, "included")
    if span is None:
        return payload
    return text[: span[0]].encode() + ELIDED + text[span[1] :].encode()


def _member_span(text: str, name: str) -> tuple[int, int] | None:
    """Find where the value of a top-level member of a valid JSON object begins and ends."""
    # Numbers stay text: Python refuses to read one of more than 4,300 digits.
    decoder, at = json.JSONDecoder(parse_int=str), _skip(text, 0)
    if text[at] != "{":
        return None
    at = _skip(text, at + 1)
    while text[at] == '"':
        key, at = decoder.raw_decode(text, at)
        begin = _skip(text, _skip(text, at) + 1)
        _, end = decoder.raw_decode(text, begin)
        if key == name:
            return begin, end
        at = _skip(text, _skip(text, end) + 1) if text[_skip(text, end)] == "," else _skip(text, end)
    return None


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


@lru_cache(maxsize=1024)
def _text_json(text: str) -> bytes:
    """Write what many messages repeat: event types, tenants, our own address; never a secret, which this would keep."""
    return _json(text)


def _json(value: object) -> bytes:
    return _ENCODER.encode(value).encode()
