"""What an integration would send, before it is saved; the payload's bytes are kept, so the body is read by hand."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from postrider.control.integrations import DEFAULT_TYPE
from postrider.pipeline import exact_json
from postrider.pipeline.preview import preview
from postrider.web.auth import ServicesDep
from postrider.web.openapi import operations

from .content import JSON, check_json
from .fields import One, Shown
from .integrations import PATH, Writer

router = operations("Integrations", prefix=PATH)
_NOTHING = msgspec.Raw(b"")


class PreviewHeader(Shown):
    """What goes beside the body: an HTTP header, or a queue's attribute."""

    name: str
    value: str


class PreviewDocument(Shown):
    """What would be sent, with a mask in the place of every secret."""

    type: str = "integration-preview"
    kind: str
    """`http`, `sqs`, `stomp`, or an installed type's own word; empty when there is only a note."""
    title: str
    """The line that it begins with, such as `POST https://example.com/hook`."""
    headers: list[PreviewHeader]
    body: str
    note: str
    """What is to be known about it."""


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    configuration: dict[str, Any]
    integration_type: str = DEFAULT_TYPE
    payload: msgspec.Raw = _NOTHING


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    data: _Given


_DECODER = msgspec.json.Decoder(_Body)
_DATA: dict[str, Any] = {
    "type": "object",
    "required": ["configuration"],
    "additionalProperties": False,
    "properties": {
        "integration_type": {"type": "string", "default": DEFAULT_TYPE},
        "configuration": {
            "type": "object",
            "description": "As it would be saved, with its secrets.",
            "examples": [{"url": "https://example.com/orders"}],
        },
        "payload": {"description": "Any JSON value, at most 100 levels deep; without one a sample order is taken."},
    },
}
OPERATION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "type": "object",
                    "required": ["data"],
                    "additionalProperties": False,
                    "properties": {"data": _DATA},
                }
            }
        },
    }
}


async def _given(request: Request) -> _Given:
    check_json(request.headers)
    given = exact_json.read(_DECODER.decode, await request.body()).data
    exact_json.check_depth("data.payload", bytes(given.payload))
    return given


@router.post("/preview", openapi_extra=OPERATION, responses={200: {"model": One[PreviewDocument]}})
def preview_integration(
    services: ServicesDep, caller: Writer, given: Annotated[_Given, Depends(_given)]
) -> JSONResponse:
    """Show what an integration would send for an event, without saving or sending anything."""
    shown = preview(
        services,
        caller.tenant_id,
        integration_type=given.integration_type,
        configuration=given.configuration,
        payload=bytes(given.payload) or None,
    )
    document = PreviewDocument(
        kind=shown.kind,
        title=shown.title,
        headers=[PreviewHeader(name=name, value=value) for name, value in shown.headers],
        body=shown.body,
        note=shown.note,
    )
    return JSONResponse({"data": document.model_dump()})
