"""Events: finding one, what became of it at each integration, and delivering it anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from postrider.domain.access import Permission
from postrider.domain.delivery import DeliveryStatus
from postrider.domain.errors import InvalidInput, NotFound
from postrider.pipeline import redrive
from postrider.services import Services
from postrider.store import deliveries, events, integrations, standings
from postrider.store.deliveries import DeliveryFilter
from postrider.store.engine import Transaction
from postrider.store.events import EventFilter, EventHead
from postrider.web.auth import ServicesDep

from .filters import EventQuery
from .notices import went_well
from .pages import link, show
from .paging import ways_behind
from .session import EventReader, FormDep, Session, signed_in
from .standings import standings_of
from .words import pretty_json

PAGE = 50
STANDINGS = 100
CHOICES = 500
SECTION = "/events"
LONGEST_SHOWN = 512 * 1024
"""Bytes of a payload that are laid out; more are shown as they are, cut."""
_NOT_FOUND = "Nothing has this id: no event, and no delivery. It may be mistyped, or forgotten after its time."
_NO_ID = "An id looks like 01932c3e-7a4b-7c3d-9e2f-1a2b3c4d5e6f."

Replayer = Annotated[Session, Depends(signed_in(Permission.EVENTS_READ, Permission.DELIVERIES_REDRIVE))]
router = APIRouter()


@dataclass(frozen=True, slots=True)
class _Rows:
    """A part of a list."""

    heads: list[EventHead]
    goes_on_before: UUID | None
    looked_back_to: datetime | None = None
    """Of a search that has not looked at everything: where it stopped."""


@router.get(SECTION)
def list_events(
    request: Request,
    services: ServicesDep,
    session: EventReader,
    query: Annotated[EventQuery, Query()],
    id: Annotated[str, Query()] = "",  # noqa: A002 - the field's name
) -> Response:
    """List events, newest first; an id leads to its page."""
    to = _page_of(services, session, id.strip()) if id.strip() else None
    if to is not None:
        return went_well(request, to)
    complaint = (_NOT_FOUND if _uuid(id) else _NO_ID) if id.strip() else ""
    with services.database.read() as tx:
        rows = _rows(tx, session, query)
        stand = _statuses(tx, session, rows.heads)
    return show(
        request,
        session,
        "events.html",
        section=SECTION,
        status=422 if complaint else 200,
        query=query,
        asked_id=id,
        complaint=complaint,
        rows=rows,
        statuses=stand,
        ways=ways_behind(SECTION, query, rows.goes_on_before),
        api=services.options.public_url,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def _page_of(services: Services, session: Session, given: str) -> str | None:
    """Tell whose id this is: an event's or a delivery's, which receivers know as the webhook-id."""
    wanted = _uuid(given)
    if wanted is None:
        return None
    with services.database.read() as tx:
        if events.heads(tx, session.tenant_id, [wanted]):
            return f"{SECTION}/{wanted}"
        if session.may("deliveries:read") and deliveries.get(tx, session.tenant_id, wanted) is not None:
            return f"/deliveries/{wanted}"
    return None


def _rows(tx: Transaction, session: Session, query: EventQuery) -> _Rows:
    if query.text is not None:
        return _search(tx, session, query, query.text)
    wanted = EventFilter(query.event_type, query.since, query.until)
    found = events.page(tx, session.tenant_id, wanted, before=query.before, limit=PAGE + 1)
    return _Rows(found[:PAGE], found[PAGE - 1].id if len(found) > PAGE else None)


def _search(tx: Transaction, session: Session, query: EventQuery, text: str) -> _Rows:
    found = events.search(
        tx,
        session.tenant_id,
        text=text,
        event_type=query.event_type,
        since=query.since,
        until=query.until,
        before=query.before,
        limit=PAGE,
    )
    if found.goes_on_before is None:
        return _Rows(found.heads, None)
    last = events.heads(tx, session.tenant_id, [found.goes_on_before])
    return _Rows(found.heads, found.goes_on_before, last[0].created_at if last else None)


def _statuses(
    tx: Transaction, session: Session, heads: list[EventHead]
) -> dict[UUID, tuple[DeliveryStatus, ...]] | None:
    """Tell how the events stand, to whom may know it."""
    if not session.may("deliveries:read"):
        return None
    return standings.statuses_of_each(tx, session.tenant_id, [head.id for head in heads])


@router.get("/events/{event_id}")
def show_event(request: Request, services: ServicesDep, session: EventReader, event_id: UUID) -> Response:
    """Show an event: its payload, and how it stands with each integration."""
    return _page(request, services, session, event_id)


def _page(
    request: Request, services: Services, session: Session, event_id: UUID, *, status: int = 200, complaint: str = ""
) -> Response:
    with services.database.read() as tx:
        event = events.get(tx, session.tenant_id, event_id)
        if event is None:
            raise NotFound("no such event")
        its = []
        if session.may("deliveries:read"):
            wanted = DeliveryFilter(event_id=event_id)
            its = deliveries.page(tx, session.tenant_id, wanted, before=None, limit=STANDINGS + 1)
        lines = standings_of(services, tx, session.tenant_id, its[:STANDINGS])
        waits = events.waits(tx, session.tenant_id, event_id)
        choices = integrations.head_list(tx, session.tenant_id, limit=CHOICES)
        targets = integrations.heads(tx, session.tenant_id, {event.target_id} if event.target_id else set())
    cut = len(event.payload) > LONGEST_SHOWN
    return show(
        request,
        session,
        "event.html",
        section=SECTION,
        status=status,
        event=event,
        payload=event.payload[:LONGEST_SHOWN].decode("utf-8", "ignore") if cut else pretty_json(event.payload),
        payload_size=len(event.payload),
        cut=cut,
        lines=lines,
        more=link("/deliveries", event_id=event_id) if len(its) > STANDINGS else None,
        waits=waits,
        choices=choices,
        target=targets.get(event.target_id) if event.target_id else None,
        complaint=complaint,
    )


@router.post("/events/{event_id}/replay")
def replay_event(request: Request, services: ServicesDep, session: Replayer, form: FormDep, event_id: UUID) -> Response:
    """Deliver an event anew: to all that observe it, or to one integration."""
    given = str(form.get("integration_id", ""))
    try:
        integration_id = _target(services, session, given)
    except InvalidInput as error:
        return _page(request, services, session, event_id, status=422, complaint=error.detail)
    redrive.replay(services, session.tenant_id, event_id, integration_id=integration_id, by=session.actor)
    return went_well(request, f"{SECTION}/{event_id}", "It is delivered anew, as new deliveries.")


def _target(services: Services, session: Session, given: str) -> UUID | None:
    if not given:
        return None
    wanted = _uuid(given)
    with services.database.read() as tx:
        if wanted is None or not integrations.known(tx, session.tenant_id, wanted):
            raise InvalidInput("integration_id", "There is no such integration.")
    return wanted
