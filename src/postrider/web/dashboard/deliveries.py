"""Deliveries: which there are, and one delivery's whole story with what can be done about it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from postrider.domain.delivery import REDRIVABLE, DeliveryStatus
from postrider.domain.errors import NotFound
from postrider.pipeline import redrive
from postrider.store import deliveries, events, integrations
from postrider.web.api.deliveries import reason_of
from postrider.web.auth import ServicesDep
from postrider.web.explain import explain, target_of

from .filters import DeliveryQuery
from .notices import went_well
from .pages import link, show
from .session import DeliveryReader, FormDep, Redriver

PAGE = 50
CHOICES = 500
SECTION = "/deliveries"
_DISCARDABLE = (DeliveryStatus.DEAD, DeliveryStatus.SKIPPED)

router = APIRouter()


@router.get(SECTION)
def list_deliveries(
    request: Request, services: ServicesDep, session: DeliveryReader, query: Annotated[DeliveryQuery, Query()]
) -> Response:
    """List deliveries, newest first."""
    with services.database.read() as tx:
        found = deliveries.page(tx, session.tenant_id, query.wanted(), before=query.before, limit=PAGE + 1)
        targets = integrations.heads(tx, session.tenant_id, {one.integration_id for one in found})
        choices = integrations.head_list(tx, session.tenant_id, limit=CHOICES)
    return show(
        request,
        session,
        "deliveries.html",
        section=SECTION,
        query=query,
        rows=found[:PAGE],
        targets=targets,
        choices=choices,
        statuses=list(DeliveryStatus),
        newest=link(SECTION, **query.told()) if query.before else None,
        older=link(SECTION, **query.told(), before=found[PAGE - 1].id) if len(found) > PAGE else None,
    )


@router.get("/deliveries/{delivery_id}")
def show_delivery(request: Request, services: ServicesDep, session: DeliveryReader, delivery_id: UUID) -> Response:
    """Show a delivery: why it is where it is, and every attempt."""
    with services.database.read() as tx:
        delivery = deliveries.get(tx, session.tenant_id, delivery_id)
        if delivery is None:
            raise NotFound("no such delivery")
        attempts = deliveries.attempts_of(tx, session.tenant_id, delivery_id)
        target = target_of(tx, delivery, now=services.clock.now())
        heads = integrations.heads(tx, session.tenant_id, {delivery.integration_id})
        event = events.get(tx, session.tenant_id, delivery.event_id)
    return show(
        request,
        session,
        "delivery.html",
        section=SECTION,
        delivery=delivery,
        target=heads.get(delivery.integration_id),
        event=event,
        attempts=attempts[::-1],
        explanation=explain(services, delivery, target, attempts[-1] if attempts else None),
        redrivable=delivery.status in {*REDRIVABLE, DeliveryStatus.PENDING},
        discardable=delivery.status in _DISCARDABLE,
    )


@router.post("/deliveries/{delivery_id}/redrive")
def redrive_delivery(
    request: Request, services: ServicesDep, session: Redriver, form: FormDep, delivery_id: UUID
) -> Response:
    """Send a delivery again."""
    force = form.get("force") == "yes"
    redrive.redrive(services, session.tenant_id, delivery_id, force=force, by=session.actor)
    return went_well(request, f"{SECTION}/{delivery_id}", "It is on its way again.")


@router.post("/deliveries/{delivery_id}/cancel")
def cancel_delivery(request: Request, services: ServicesDep, session: Redriver, delivery_id: UUID) -> Response:
    """Discard a delivery that is still pending."""
    redrive.cancel(services, session.tenant_id, delivery_id, reason="cancelled", by=session.actor)
    return went_well(request, f"{SECTION}/{delivery_id}", "It is cancelled: it will not be sent.")


@router.post("/deliveries/{delivery_id}/discard")
def discard_delivery(
    request: Request, services: ServicesDep, session: Redriver, form: FormDep, delivery_id: UUID
) -> Response:
    """Give up a dead or skipped delivery."""
    reason = reason_of(str(form.get("reason", "")), otherwise="discarded")
    redrive.discard(services, session.tenant_id, delivery_id, reason=reason, by=session.actor)
    return went_well(request, f"{SECTION}/{delivery_id}", "It is discarded. That can be undone.")


@router.post("/deliveries/{delivery_id}/undo-discard")
def undo_discard(request: Request, services: ServicesDep, session: Redriver, delivery_id: UUID) -> Response:
    """Make a discarded delivery a dead letter again."""
    redrive.undo_discard(services, session.tenant_id, delivery_id, by=session.actor)
    return went_well(request, f"{SECTION}/{delivery_id}", "It is a dead letter again.")
