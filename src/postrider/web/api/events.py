"""Looking at events, and having one delivered anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import Depends, Query, Request
from pydantic import Field
from starlette.responses import Response

from postrider.domain.access import Caller, Permission
from postrider.domain.errors import InvalidInput, NotFound
from postrider.domain.event import Event
from postrider.pipeline import redrive
from postrider.store import deliveries, events, integrations
from postrider.store.deliveries import DeliveryFilter
from postrider.store.events import EventFilter
from postrider.web.auth import ServicesDep, require
from postrider.web.errors import NOT_FOUND
from postrider.web.openapi import answers, operations

from .deliveries import DeliveryDocument
from .fields import Body, EventTypeName, Given, Meta, Moment, One, Shown
from .paging import Listed, PageDep, PageQuery, listed
from .strict_json import StrictJsonRoute

router = operations("Events", route_class=StrictJsonRoute)
Reader = Annotated[Caller, Depends(require(Permission.EVENTS_READ))]


class EventQuery(PageQuery):
    """Which events are wanted."""

    event_type: EventTypeName | None = Field(None, description="Only those of this event type.")
    since: Moment | None = Field(None, description="Only those made at this moment or later.")
    until: Moment | None = Field(None, description="Only those made before this moment.")

    def to_filter(self) -> EventFilter:
        return EventFilter(self.event_type, self.since, self.until)


class EventHead(Shown):
    """An event without its payload."""

    id: UUID
    type: Literal["event"] = "event"
    event_type: str
    origin: str
    """`published`, `replay`, `test`, `edited`, or `postrider` for Postrider's own news."""
    origin_event_id: UUID | None
    """The event that this one repeats with another payload."""
    meta: Meta


class EventDocument(EventHead):
    """An event as it was published."""

    payload: Any
    """The JSON value, byte for byte as it was published."""
    attributes: dict[str, str]
    """The CloudEvents attributes that came with it."""
    target_id: UUID | None
    """The only integration that gets it; null: all that observe it."""


class Replay(Given):
    """To whom an event is delivered anew; without: to all that observe it by now."""

    integration_id: UUID | None = None


@router.get("/v2/events")
def list_events(
    request: Request, services: ServicesDep, caller: Reader, query: Annotated[EventQuery, Query()]
) -> Listed[EventHead]:
    """List events, newest first."""
    with services.database.read() as tx:
        rows = events.page(tx, caller.tenant_id, query.to_filter(), before=query.cursor, limit=query.fetch)
    return listed(request, query, rows, _head)


@router.get("/v2/events/{event_id}", responses={200: {"model": One[EventDocument]}})
def get_event(services: ServicesDep, caller: Reader, event_id: UUID) -> Response:
    """Read an event with its payload."""
    with services.database.read() as tx:
        event = events.get(tx, caller.tenant_id, event_id)
    if event is None:
        raise NotFound(NOT_FOUND)
    return Response(msgspec.json.encode({"data": document(event)}), media_type="application/json")


@router.get("/v2/events/{event_id}/deliveries")
def list_deliveries_of_event(
    request: Request,
    services: ServicesDep,
    caller: Annotated[Caller, Depends(require(Permission.DELIVERIES_READ))],
    event_id: UUID,
    page: PageDep,
) -> Listed[DeliveryDocument]:
    """List what an event has to bring to whom, and how that stands; newest first."""
    with services.database.read() as tx:
        if not events.heads(tx, caller.tenant_id, [event_id]):
            raise NotFound(NOT_FOUND)
        wanted = DeliveryFilter(event_id=event_id)
        rows = deliveries.page(tx, caller.tenant_id, wanted, before=page.cursor, limit=page.fetch)
    return listed(request, page, rows, DeliveryDocument.of)


@router.post("/v2/events/{event_id}/replay", status_code=202, responses=answers(409))
def replay_event(
    services: ServicesDep,
    caller: Annotated[Caller, Depends(require(Permission.DELIVERIES_REDRIVE))],
    event_id: UUID,
    body: Body[Replay] | None = None,
) -> One[EventHead]:
    """Deliver an event anew, as new deliveries with new ids."""
    integration_id = body.data.integration_id if body else None
    with services.database.read() as tx:
        found = events.heads(tx, caller.tenant_id, [event_id])
        if not found:
            raise NotFound(NOT_FOUND)
        if integration_id is not None and not integrations.known(tx, caller.tenant_id, integration_id):
            raise InvalidInput("data.integration_id", "integration_id: there is no such integration")
    redrive.replay(services, caller.tenant_id, event_id, integration_id=integration_id, by=caller.actor)
    return One(data=_head(found[0]))


def _head(event: events.EventHead) -> EventHead:
    return EventHead(
        id=event.id,
        event_type=event.event_type,
        origin=event.origin.value,
        origin_event_id=event.origin_event_id,
        meta=Meta.at(event.created_at),
    )


def document(event: Event) -> Mapping[str, Any]:
    """Show an event as `EventDocument` says, its payload byte for byte."""
    return {
        "id": event.id,
        "type": "event",
        "event_type": event.event_type,
        "payload": msgspec.Raw(event.payload),
        "attributes": event.attributes,
        "origin": event.origin.value,
        "origin_event_id": event.origin_event_id,
        "target_id": event.target_id,
        "meta": {"timestamps": {"created_at": event.created_at}},
    }
