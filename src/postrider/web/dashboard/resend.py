"""Editing what did not arrive, and sending it again as an event of its own."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from postrider.domain.access import Permission
from postrider.domain.delivery import DeliveryStatus
from postrider.domain.errors import Conflict, InvalidInput, NotFound
from postrider.pipeline.resend import resend
from postrider.services import Services
from postrider.store import deliveries, events, integrations
from postrider.web.auth import ServicesDep

from .json_fields import LONGEST, read_payload
from .notices import went_well
from .pages import show
from .session import FormDep, Session, signed_in
from .words import pretty_json

SECTION = "/deliveries"
_LET_GO = (DeliveryStatus.DEAD, DeliveryStatus.SKIPPED)

# Its payload is looked at, so that being allowed to redrive is not enough.
Editor = Annotated[
    Session,
    Depends(signed_in(Permission.DELIVERIES_READ, Permission.EVENTS_READ, Permission.DELIVERIES_REDRIVE)),
]
router = APIRouter()


@router.get("/deliveries/{delivery_id}/resend")
def ask(request: Request, services: ServicesDep, session: Editor, delivery_id: UUID) -> Response:
    """Show the payload, to be edited."""
    return _form(request, services, session, delivery_id)


@router.post("/deliveries/{delivery_id}/resend")
def send(request: Request, services: ServicesDep, session: Editor, form: FormDep, delivery_id: UUID) -> Response:
    """Send the edited payload."""
    text, discard = str(form.get("payload", "")), form.get("discard_original") == "yes"
    try:
        payload = read_payload("payload", text)
        event = resend(
            services, session.tenant_id, delivery_id, payload=payload, discard_original=discard, by=session.actor
        )
    except (InvalidInput, Conflict) as error:
        status = 422 if isinstance(error, InvalidInput) else 409
        given = {"payload": text, "discard": discard, "complaint": error.detail}
        return _form(request, services, session, delivery_id, status=status, **given)
    return went_well(request, f"/events/{event.id}", "It is sent again, as an event of its own.")


def _form(
    request: Request, services: Services, session: Session, delivery_id: UUID, *, status: int = 200, **given: Any
) -> Response:
    with services.database.read() as tx:
        delivery = deliveries.get(tx, session.tenant_id, delivery_id)
        event = events.get(tx, session.tenant_id, delivery.event_id) if delivery else None
        if delivery is None or event is None:
            raise NotFound("no such delivery")
        heads = integrations.heads(tx, session.tenant_id, {delivery.integration_id})
    too_large = len(event.payload) > LONGEST
    defaults = {
        "payload": "" if too_large else pretty_json(event.payload),
        "discard": delivery.status in _LET_GO,
        "complaint": "",
    }
    return show(
        request,
        session,
        "resend.html",
        section=SECTION,
        status=status,
        delivery=delivery,
        event=event,
        target=heads.get(delivery.integration_id),
        may_discard=delivery.status in _LET_GO,
        too_large=too_large,
        given={**defaults, **given},
    )
