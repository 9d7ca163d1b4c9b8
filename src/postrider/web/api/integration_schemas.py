"""What the integrations' part of the OpenAPI document says of bodies and answers; the checks stand in `control`."""

from __future__ import annotations

from typing import Any

from postrider.domain.breaker import State
from postrider.domain.integration import DeliveryPolicy

_ID = {"type": "string", "format": "uuid"}
_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "format": "date-time"}
_MOMENT_OR_NONE = {"type": ["string", "null"], "format": "date-time"}
_CREATED = {"type": "object", "properties": {"timestamps": {"type": "object", "properties": {"created_at": _MOMENT}}}}

DELIVERY: dict[str, Any] = {
    "type": "object",
    "description": "How hard to try; only what is given changes.",
    "additionalProperties": False,
    "properties": {
        "timeout_seconds": {"type": "number", "exclusiveMinimum": 0, "maximum": 60, "default": 10},
        "retry_waits": {
            "type": "array",
            "maxItems": 30,
            "items": {"type": "number", "minimum": 1, "maximum": 604_800},
            "description": "Seconds to wait after each failed attempt; when they are used up the delivery is dead.",
        },
        "success_statuses": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": {"oneOf": [{"type": "integer", "minimum": 200, "maximum": 399}, {"type": "string"}]},
            "default": ["200-299"],
        },
        "max_in_flight": {"type": "integer", "minimum": 1, "maximum": 1_000, "default": DeliveryPolicy().max_in_flight},
        "rate_limit": {
            "type": ["number", "null"],
            "minimum": 0.001,
            "maximum": 10_000,
            "description": "Attempts a second, over all workers; null: as fast as the endpoint answers.",
        },
    },
}

HEALTH: dict[str, Any] = {
    "type": "object",
    "readOnly": True,
    "properties": {
        "state": {"type": "string", "enum": ["healthy", "failing", "parked", "disabled"]},
        "failures_in_row": {"type": "integer"},
        "failing_since": _MOMENT_OR_NONE,
        "breaker": {
            "type": "object",
            "description": "Opens after ten failures in a row that speak of the endpoint; then one delivery at a time "
            "is let through, as a probe, until one arrives.",
            "properties": {
                "state": {"type": "string", "enum": [state.value for state in State]},
                "since": _MOMENT_OR_NONE,
                "failed_probes": {"type": "integer"},
                "next_probe_at": _MOMENT_OR_NONE,
            },
        },
        "last_success_at": _MOMENT_OR_NONE,
        "last_failure_at": _MOMENT_OR_NONE,
        "last_error": _TEXT,
    },
}

_WRITABLE: dict[str, Any] = {
    "type": {"type": "string", "enum": ["integration"]},
    "name": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": {"type": "string", "maxLength": 2_000},
    "enabled": {"type": "boolean", "default": False},
    "integration_type": {"type": "string", "default": "webhook", "examples": ["webhook", "aws_sqs", "stomp"]},
    "observes": {
        "type": "array",
        "minItems": 1,
        "items": _TEXT,
        "description": "Event types, patterns such as `order.*`, or `*`.",
        "examples": [["order.paid", "cart.*"]],
    },
    "configuration": {
        "type": "object",
        "description": "What it holds depends on `integration_type`. Given, it replaces what was there; a secret that "
        "is given back masked, as it was shown, stays.",
        "examples": [{"url": "https://example.com/orders", "secret_key": "known to the receiver"}],
    },
    "delivery": DELIVERY,
}

INTEGRATION: dict[str, Any] = {
    "type": "object",
    "properties": {
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
        "health": HEALTH,
        "links": {"type": "object", "properties": {"self": {"type": "string", "format": "uri"}}},
        "meta": {
            "type": "object",
            "properties": {
                "timestamps": {"type": "object", "properties": {"created_at": _MOMENT, "updated_at": _MOMENT}}
            },
        },
    },
}

_LINKS = {"type": "object", "additionalProperties": _TEXT}
LOG: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": _ID,
        "type": {"type": "string", "enum": ["integration-log"]},
        "succeeded": {"type": "boolean"},
        "attempt": {"type": "integer"},
        "processing_time": {"type": "number", "description": "Seconds."},
        "body": {"type": "string", "description": "The beginning of the far side's answer."},
        "status_code": {"type": "integer", "description": "The far side's HTTP status; 0 when there was none."},
        "error_detail": {"type": "string", "description": "Empty when it succeeded."},
        "relationships": {"type": "object"},
        "meta": _CREATED,
    },
}
JOB: dict[str, Any] = {
    "type": "object",
    "properties": {"id": _ID, "type": {"type": "string", "enum": ["integration-job"]}},
}
GONE: dict[str, Any] = {
    "type": "object",
    "properties": {"type": {"type": "string", "enum": ["integration"]}, "id": _ID},
}
TEST_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": _ID,
        "type": {"type": "string", "enum": ["event"]},
        "event_type": _TEXT,
        "links": _LINKS,
        "meta": _CREATED,
    },
}


def body(*, required: list[str]) -> dict[str, Any]:
    """Describe a request's body."""
    data = {"type": "object", "required": required, "properties": _WRITABLE}
    return {"requestBody": _content({"type": "object", "required": ["data"], "properties": {"data": data}})}


def one(schema: dict[str, Any], *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that holds one thing."""
    return _answer(status, {"data": schema})


def several(schema: dict[str, Any], *, total: bool = False) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that holds a page of things."""
    results = {"results": {"type": "object", "properties": {"total": {"type": "integer"}}}} if total else {}
    return _answer(200, {"data": {"type": "array", "items": schema}, "links": _LINKS, **results})


def _answer(status: int, properties: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": "Success.", **_content({"type": "object", "properties": properties})}}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}
