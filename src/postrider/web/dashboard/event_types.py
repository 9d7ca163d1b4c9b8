"""Event types: the catalogue, who observes what, and a tenant's own."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.responses import Response

from postrider.control import event_types
from postrider.control.event_types import KnownTypes
from postrider.domain.access import Permission
from postrider.domain.errors import Conflict, InvalidInput
from postrider.web.auth import ServicesDep

from . import form_errors
from .filters import PageFilter
from .notices import went_well
from .pages import show
from .session import EventReader, FormDep, Session, signed_in

SECTION = "/event-types"
Adder = Annotated[Session, Depends(signed_in(Permission.EVENTS_READ, Permission.EVENTS_PUBLISH))]

router = APIRouter()


class EventTypeQuery(PageFilter):
    """Which event types are wanted."""

    text: str | None = Field(None, max_length=200)
    observed: Literal["yes", "no"] | None = None

    def takes(self, name: str, observers: int | None) -> bool:
        """Tell whether a type is wanted; None: how many observe it is not for this reader."""
        if self.text is not None and self.text.strip().lower() not in name.lower():
            return False
        return self.observed is None or observers is None or (observers > 0) == (self.observed == "yes")


@router.get(SECTION)
def list_event_types(
    request: Request, services: ServicesDep, session: EventReader, query: Annotated[EventTypeQuery, Query()]
) -> Response:
    """List the event types by name, the tenant's own first."""
    known = event_types.list_all(services, session.tenant_id)
    named = [one.name for one in known] if session.may(Permission.INTEGRATIONS_READ) else []
    observers = event_types.observer_counts(services, session.tenant_id, named)
    found = [one for one in known if query.takes(one.name, observers.get(one.name))]
    return show(
        request,
        session,
        "event_types.html",
        section=SECTION,
        query=query,
        own=[one for one in found if one.own is not None],
        built_in=[one for one in found if one.own is None],
        observers=observers,
        public_url=services.options.public_url,
    )


@router.get("/event-types/new")
def ask(request: Request, session: Adder) -> Response:
    """Show the form for a new event type."""
    return _form(request, session)


@router.post(SECTION)
def add_event_type(request: Request, services: ServicesDep, session: Adder, form: FormDep) -> Response:
    """Add an event type to the tenant's own."""
    name, description = str(form.get("name", "")).strip(), str(form.get("description", ""))
    try:
        event_types.add(services, session.tenant_id, name=name, description=description, by=session.actor)
    except (InvalidInput, Conflict) as error:
        return _form(request, session, name=name, description=description, error=error)
    known: KnownTypes = request.app.state.known_types
    known.look_up(session.tenant_id)
    return went_well(request, SECTION, f"{name} is there now. It can be published and observed.")


def _form(
    request: Request,
    session: Session,
    *,
    name: str = "",
    description: str = "",
    error: InvalidInput | Conflict | None = None,
) -> Response:
    return show(
        request,
        session,
        "event_type_form.html",
        section=SECTION,
        status=form_errors.status(error),
        given={"name": name, "description": description},
        errors=form_errors.at_field(error, otherwise="name") if error else {},
    )
