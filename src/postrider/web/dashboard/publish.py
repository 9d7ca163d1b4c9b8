"""Publishing an event by hand."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from postrider.control import event_types
from postrider.control.event_types import RESERVED, KnownTypes
from postrider.domain.errors import InvalidInput
from postrider.pipeline.publish import NewEvent, Published, Publishing
from postrider.pipeline.publish import Publisher as PublisherThread
from postrider.services import Services
from postrider.web import metrics
from postrider.web.api.published import why_refused
from postrider.web.auth import ServicesDep

from .json_fields import read_payload
from .notices import went_well
from .pages import show
from .session import FormDep, Publisher, Session

SECTION = "/events"
PATH = "/events/publish"
FIRST_TYPE = "order.paid"
SAMPLE = """{
  "data": {
    "type": "order",
    "id": "b1f7a1f0-8a1c-4a5e-9c59-5d5f2f0c7a11",
    "status": "complete",
    "payment": "paid",
    "customer": {"name": "Ada Example", "email": "ada@example.com"},
    "meta": {"display_price": {"with_tax": {"amount": 4998, "currency": "USD", "formatted": "$49.98"}}}
  }
}
"""

router = APIRouter()


@router.get(PATH)
def ask(request: Request, services: ServicesDep, session: Publisher) -> Response:
    """Show the form, with a sample in it."""
    return _form(request, services, session, event_type=FIRST_TYPE, payload=SAMPLE)


@router.post(PATH)
def publish(request: Request, services: ServicesDep, session: Publisher, form: FormDep) -> Response:
    """Publish what the form holds."""
    name, text = str(form.get("event_type", "")).strip(), str(form.get("payload", ""))
    try:
        _check_type(request.app.state.known_types, session, name)
        stored = _publish(request, session, NewEvent(name, read_payload("payload", text)))
    except InvalidInput as error:
        complaints = {error.pointer: error.detail}
        return _form(request, services, session, status=422, event_type=name, payload=text, complaints=complaints)
    to = f"{SECTION}/{stored.id}" if session.may("events:read") else PATH
    return went_well(request, to, f"It is published: {stored.event_type}, {stored.id}.")


def _publish(request: Request, session: Session, event: NewEvent) -> Published:
    publisher: PublisherThread = request.app.state.publisher
    (stored,) = publisher.submit(Publishing(session.tenant_id, (event,), None, b"")).result()
    metrics.PUBLISHED.inc()
    return stored


def _check_type(known: KnownTypes, session: Session, name: str) -> None:
    now_known = known.look_up(session.tenant_id)
    if name.startswith(RESERVED) or name not in now_known:
        raise InvalidInput("event_type", f"event_type: {why_refused(name, now_known)}")


def _form(
    request: Request,
    services: Services,
    session: Session,
    *,
    status: int = 200,
    complaints: dict[str, str] | None = None,
    **given: Any,
) -> Response:
    known = event_types.list_all(services, session.tenant_id)
    names = [one.name for one in known if not one.name.startswith(RESERVED)]
    return show(
        request,
        session,
        "publish.html",
        section=SECTION,
        status=status,
        names=names,
        complaints=complaints or {},
        given=given,
    )
