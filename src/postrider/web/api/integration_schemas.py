"""What the integrations' part of the OpenAPI document says of bodies and answers; the checks stand in `control`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from postrider.control import given, policies
from postrider.control.event_types import RESERVED
from postrider.control.texts import LONGEST_NAME
from postrider.domain.breaker import State
from postrider.domain.catalogue import BUILT_IN
from postrider.domain.integration import DeliveryPolicy
from postrider.web.integration_state import IntegrationState

from .fields import EVENT_TYPE_SCHEMA

_ID = {"type": "string", "format": "uuid"}
_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "format": "date-time"}
_MOMENT_OR_NONE = {"type": ["string", "null"], "format": "date-time"}


def _whole(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Describe an object that always has all of its members."""
    return {"type": "object", "required": list(properties), "properties": properties, **more}


_CREATED = _whole({"timestamps": _whole({"created_at": _MOMENT})})

DELIVERY: dict[str, Any] = {
    "type": "object",
    "description": "How hard to try; only what is given changes.",
    "additionalProperties": False,
    "properties": {
        "timeout_seconds": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": policies.LONGEST_TIMEOUT,
            "default": int(DeliveryPolicy().timeout.total_seconds()),
            "description": "For a whole attempt.",
        },
        "retry_waits": {
            "type": "array",
            "maxItems": policies.MOST_WAITS,
            "items": {"type": "number", "minimum": policies.SHORTEST_WAIT, "maximum": policies.LONGEST_WAIT},
            "description": "Seconds to wait after each failed attempt; when they are used up the delivery is dead.",
        },
        "success_statuses": {
            "type": "array",
            "minItems": 1,
            "maxItems": policies.MOST_STATUSES,
            "items": {
                "oneOf": [
                    {"type": "integer", "minimum": policies.LOWEST_STATUS, "maximum": policies.HIGHEST_STATUS},
                    {"type": "string", "pattern": "^[23][0-9]{2}-[23][0-9]{2}$"},
                ]
            },
            "description": "Statuses such as 200, or ranges such as `200-299`, that mean delivered.",
            "default": ["200-299"],
        },
        "max_in_flight": {
            "type": "integer",
            "minimum": 1,
            "maximum": policies.MOST_IN_FLIGHT,
            "default": DeliveryPolicy().max_in_flight,
            "description": "How many attempts may be under way at once.",
        },
        "rate_limit": {
            "type": ["number", "null"],
            "minimum": policies.LOWEST_RATE,
            "maximum": policies.HIGHEST_RATE,
            "description": "Attempts a second, over all workers; null: as fast as the endpoint answers.",
        },
    },
}

HEALTH = _whole(
    {
        "state": {"type": "string", "enum": [state.value for state in IntegrationState]},
        "failures_in_row": {"type": "integer"},
        "failing_since": _MOMENT_OR_NONE,
        "breaker": _whole(
            {
                "state": {"type": "string", "enum": [state.value for state in State]},
                "since": _MOMENT_OR_NONE,
                "failed_probes": {"type": "integer"},
                "next_probe_at": _MOMENT_OR_NONE,
            },
            description="Opens after ten failures in a row that speak of the endpoint; then one delivery at a time "
            "is let through, as a probe, until one arrives.",
        ),
        "last_success_at": _MOMENT_OR_NONE,
        "last_failure_at": _MOMENT_OR_NONE,
        "last_error": {"type": "string", "description": "The last failure's word; empty without one."},
    },
    readOnly=True,
    description="How its deliveries have been going.",
)

_WRITABLE: dict[str, Any] = {
    "type": {"type": "string", "enum": ["integration"]},
    "name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": r"\S"},
    "description": {"type": "string", "maxLength": given.LONGEST_DESCRIPTION},
    "enabled": {"type": "boolean", "default": False},
    "integration_type": {
        "type": "string",
        "default": "webhook",
        "description": "The way out: `webhook`, `aws_sqs`, `stomp`, or one that was installed beside them.",
        "examples": ["webhook"],
    },
    "observes": {
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/components/schemas/EventTypePattern"},
        "description": "Event types, patterns such as `order.*`, or `*`.",
        "examples": [["order.paid", "cart.*"]],
    },
    "configuration": {
        "type": "object",
        "description": "What it holds depends on `integration_type`. Given, it replaces what was there; a secret that "
        "is given back masked, as it was shown, stays; but one that the caller cannot see only while the fields stay "
        "that say where it is sent.",
        "examples": [{"url": "https://example.com/orders", "secret_key": "known to the receiver"}],
    },
    "delivery": {"$ref": "#/components/schemas/DeliveryPolicy"},
}

INTEGRATION = _whole(
    {
        "id": _ID,
        **_WRITABLE,
        "disabled_reason": {
            "type": "string",
            "readOnly": True,
            "description": "Why Postrider switched it off: `gone` (the endpoint answered 410) or `failing` (it did "
            "nothing but fail for five days).",
        },
        "signing_secret": {
            "type": "string",
            "readOnly": True,
            "description": "In clear only when it was made: in the answers to creating and to rotate-secret.",
        },
        "old_signing_secrets": {
            "type": "array",
            "readOnly": True,
            "description": "Replaced ones that still sign beside the new one, newest first; never they themselves.",
            "items": _whole({"valid_until": _MOMENT}),
        },
        "health": {"$ref": "#/components/schemas/IntegrationHealth"},
        "links": _whole({"self": {"type": "string", "format": "uri"}}),
        "meta": _whole({"timestamps": _whole({"created_at": _MOMENT, "updated_at": _MOMENT})}),
    },
    description="A tenant's wish to be told.",
)

_LINKS = {"type": "object", "additionalProperties": _TEXT}
JOB = _whole(
    {"id": _ID, "type": {"type": "string", "enum": ["integration-job"]}},
    description="A delivery, in Elastic Path's words.",
)
LOG = _whole(
    {
        "id": _ID,
        "type": {"type": "string", "enum": ["integration-log"]},
        "succeeded": {"type": "boolean"},
        "attempt": {"type": "integer"},
        "processing_time": {"type": "number", "description": "Seconds."},
        "body": {"type": "string", "description": "The beginning of the far side's answer."},
        "status_code": {"type": "integer", "description": "The far side's HTTP status; 0 when there was none."},
        "error_detail": {"type": "string", "description": "Empty when it succeeded."},
        "relationships": _whole(
            {
                "integration": _whole({"data": {"$ref": "#/components/schemas/IntegrationReference"}}),
                "job": _whole({"data": {"$ref": "#/components/schemas/IntegrationJob"}}),
            }
        ),
        "meta": _CREATED,
    },
    description="An attempt, in Elastic Path's words.",
)
GONE = _whole({"type": {"type": "string", "enum": ["integration"]}, "id": _ID}, description="Which integration.")
TEST_EVENT = _whole(
    {
        "id": _ID,
        "type": {"type": "string", "enum": ["event"]},
        "event_type": _TEXT,
        "links": _whole({"self": _TEXT, "deliveries": _TEXT}),
        "meta": _CREATED,
    },
    description="An event that one integration alone gets.",
)
_EVENT_TYPE = {
    "anyOf": [
        {"type": "string", "enum": sorted(name for name in BUILT_IN if not name.startswith(RESERVED))},
        {"type": "string", **EVENT_TYPE_SCHEMA},
    ],
    "description": "One that is built in, or that was added to the tenant's own.",
    "examples": ["order.paid"],
}
_EVENT_TYPE_PATTERN = {
    "anyOf": [
        {"type": "string", "enum": ["*", *sorted({f"{name.partition('.')[0]}.*" for name in BUILT_IN})]},
        {"type": "string", "enum": sorted(BUILT_IN)},
        {"type": "string", "description": "One of the tenant's own, or the first words of some and `.*`."},
    ],
    "examples": ["order.paid"],
}
COMPONENTS = {
    "EventTypeName": _EVENT_TYPE,
    "EventTypePattern": _EVENT_TYPE_PATTERN,
    "DeliveryPolicy": DELIVERY,
    "Integration": INTEGRATION,
    "IntegrationHealth": HEALTH,
    "IntegrationJob": JOB,
    "IntegrationLog": LOG,
    "IntegrationReference": GONE,
    "TestEvent": TEST_EVENT,
}
"""The schemas by the names that clients know them by."""


def body(*, required: Sequence[str]) -> dict[str, Any]:
    """Describe a request's body."""
    data = {"type": "object", "required": list(required), "properties": _WRITABLE}
    return {"requestBody": {"required": True, **_content(_whole({"data": data}))}}


def one(name: str, *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that holds one thing."""
    return _answer(status, {"data": {"$ref": f"#/components/schemas/{name}"}})


def several(name: str, *, total: bool = False) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that holds a page of things."""
    results = {"results": _whole({"total": {"type": "integer"}})} if total else {}
    items = {"$ref": f"#/components/schemas/{name}"}
    return _answer(200, {"data": {"type": "array", "items": items}, "links": _LINKS, **results})


def _answer(status: int, properties: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": "Success.", **_content(_whole(properties))}}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}
