"""How `POST /v2/events` is described in the OpenAPI document, written by hand because it is read by hand."""

from __future__ import annotations

from typing import Any

from .cloudevents import LONGEST_VALUE
from .content import CLOUDEVENT, CLOUDEVENTS, JSON
from .publishing import MOST_EVENTS

_PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_ATTRIBUTE = {"type": "string", "minLength": 1, "maxLength": LONGEST_VALUE, "pattern": _PRINTABLE}
_EVENT = {
    "type": "object",
    "required": ["event_type", "payload"],
    "properties": {
        "type": {"const": "event"},
        "event_type": {"$ref": "#/components/schemas/EventTypeName"},
        "payload": {"description": "Any JSON value, at most 100 levels deep; its bytes are kept as they are."},
        "idempotency_key": {"type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
}
_CLOUDEVENT = {
    "type": "object",
    "required": ["specversion", "type", "source", "id"],
    "properties": {
        "specversion": {"const": "1.0"},
        "type": {"$ref": "#/components/schemas/EventTypeName"},
        "source": _ATTRIBUTE,
        "id": _ATTRIBUTE,
        "subject": {"type": ["string", "null"], "maxLength": LONGEST_VALUE, "pattern": _PRINTABLE},
        "time": {"type": ["string", "null"], "format": "date-time"},
        "datacontenttype": {
            "type": ["string", "null"],
            "pattern": r"^(application/json|[A-Za-z0-9.-]+/[A-Za-z0-9.-]+\+json)(; ?charset=utf-8)?$",
            "examples": ["application/json"],
        },
        "data": {"description": "Any JSON value."},
    },
    "propertyNames": {"pattern": "^[a-z0-9]{1,64}$"},
    "additionalProperties": {
        "type": ["string", "integer", "boolean", "null"],
        "maxLength": LONGEST_VALUE,
        "pattern": _PRINTABLE,
    },
}
_PUBLISHED = {
    "type": "object",
    "required": ["id", "type", "event_type", "meta"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "type": {"const": "event"},
        "event_type": {"type": "string"},
        "meta": {
            "type": "object",
            "required": ["timestamps"],
            "properties": {
                "timestamps": {
                    "type": "object",
                    "required": ["created_at"],
                    "properties": {"created_at": {"type": "string", "format": "date-time"}},
                }
            },
        },
    },
}


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema, "minItems": 1, "maxItems": MOST_EVENTS}


def _data(schema: dict[str, Any]) -> dict[str, Any]:
    either = {"oneOf": [schema, _list_of(schema)]}
    return {"type": "object", "required": ["data"], "properties": {"data": either}}


OPERATION: dict[str, Any] = {
    "security": [{"ApiKey": []}],
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Stands for the whole request, for 24 hours; not together with `idempotency_key`.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        }
    ],
    "requestBody": {
        "required": True,
        "description": "At most 5 MiB. A CloudEvent can also come in binary mode: its attributes as `ce-` headers.",
        "content": {
            JSON: {"schema": _data(_EVENT)},
            CLOUDEVENT: {"schema": _CLOUDEVENT},
            CLOUDEVENTS: {"schema": _list_of(_CLOUDEVENT)},
        },
    },
    "responses": {
        "202": {"description": "Stored: committed to the database.", "content": {JSON: {"schema": _data(_PUBLISHED)}}}
    },
}
