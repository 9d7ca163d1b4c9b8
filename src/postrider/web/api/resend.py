"""Sending a delivery's event again with another payload, whose bytes are kept: so the body is read by hand."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import Depends, Request
from starlette.responses import Response

from postrider.domain.errors import InvalidInput
from postrider.pipeline import exact_json
from postrider.pipeline.resend import resend
from postrider.web.auth import ServicesDep
from postrider.web.openapi import answers, operations

from .content import JSON, check_json
from .deliveries import Redriver
from .events import EventDocument, document
from .fields import One

router = operations("Deliveries")
_NOTHING = msgspec.Raw(b"")


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    payload: msgspec.Raw = _NOTHING
    discard_original: bool = False


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    data: _Given


_DECODER = msgspec.json.Decoder(_Body)
_GIVEN: dict[str, Any] = {
    "type": "object",
    "required": ["payload"],
    "additionalProperties": False,
    "properties": {
        "payload": {"description": "Any JSON value, at most 100 levels deep; its bytes are kept as they are."},
        "discard_original": {
            "type": "boolean",
            "default": False,
            "description": "Also discard the delivery, with the reason `resent`.",
        },
    },
}
OPERATION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "At most 5 MiB.",
        "content": {
            JSON: {
                "schema": {
                    "type": "object",
                    "required": ["data"],
                    "additionalProperties": False,
                    "properties": {"data": _GIVEN},
                }
            }
        },
    }
}


async def _given(request: Request) -> _Given:
    check_json(request.headers)
    given = exact_json.read(_DECODER.decode, await request.body()).data
    payload = bytes(given.payload)
    if not payload:
        raise InvalidInput("data.payload", "payload: is required; it can be any JSON value, null too")
    exact_json.check_depth("data.payload", payload)
    return given


@router.post(
    "/v2/deliveries/{delivery_id}/resend",
    status_code=202,
    openapi_extra=OPERATION,
    responses={202: {"model": One[EventDocument]}, **answers(409)},
)
def resend_delivery(
    services: ServicesDep, caller: Redriver, delivery_id: UUID, given: Annotated[_Given, Depends(_given)]
) -> Response:
    """Send the event of a delivery again with another payload, as a new event that its integration alone gets."""
    event = resend(
        services,
        caller.tenant_id,
        delivery_id,
        payload=bytes(given.payload),
        discard_original=given.discard_original,
        by=caller.actor,
    )
    return Response(msgspec.json.encode({"data": document(event)}), 202, media_type="application/json")
