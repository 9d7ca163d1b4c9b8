"""The event types that a tenant may publish and observe."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Request
from pydantic import Field

from postrider.control import event_types
from postrider.control.event_types import KnownTypes, Listed
from postrider.domain.access import Caller, Permission
from postrider.web.auth import ServicesDep, require
from postrider.web.openapi import answers, operations

from .fields import EVENT_TYPE_SCHEMA, Body, Given, Meta, One, Shown, Text
from .strict_json import StrictJsonRoute

router = operations("Event types", route_class=StrictJsonRoute)


class EventTypeDocument(Shown):
    """An event type."""

    id: str
    """Its name."""
    type: Literal["event-type"] = "event-type"
    name: str
    description: str
    built_in: bool
    meta: Meta | None
    """Only of a tenant's own."""


class EventTypes(Shown):
    """All event types, by name."""

    data: list[EventTypeDocument]


class NewEventType(Given):
    """An event type to add."""

    type: Literal["event-type"] = "event-type"
    name: Annotated[str, Field(json_schema_extra=EVENT_TYPE_SCHEMA)]
    description: Text = ""


@router.get("/v2/event-types")
def list_event_types(
    services: ServicesDep, caller: Annotated[Caller, Depends(require(Permission.EVENTS_READ))]
) -> EventTypes:
    """List the built-in event types and the tenant's own, by name."""
    return EventTypes(data=[_document(one) for one in event_types.list_all(services, caller.tenant_id)])


@router.post("/v2/event-types", status_code=201, responses=answers(409))
def add_event_type(
    request: Request,
    services: ServicesDep,
    caller: Annotated[Caller, Depends(require(Permission.EVENTS_PUBLISH))],
    body: Body[NewEventType],
) -> One[EventTypeDocument]:
    """Add an event type to the tenant's own."""
    given = body.data
    added = event_types.add(services, caller.tenant_id, name=given.name, description=given.description, by=caller.actor)
    _remember(request.app.state.known_types, caller.tenant_id)
    return One(data=_document(Listed(added.name, added.description, added)))


def _remember(known: KnownTypes, tenant_id: UUID) -> None:
    known.look_up(tenant_id)


def _document(one: Listed) -> EventTypeDocument:
    meta = None if one.own is None else Meta.at(one.own.created_at)
    return EventTypeDocument(
        id=one.name, name=one.name, description=one.description, built_in=one.own is None, meta=meta
    )
