"""Deliveries: which there are, and one delivery's whole story with what can be done about it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from postrider.domain.delivery import REDRIVABLE, Delivery, DeliveryStatus
from postrider.domain.errors import InvalidInput, NotFound
from postrider.pipeline import redrive
from postrider.services import Services
from postrider.store import deliveries, events, integrations
from postrider.store.engine import Transaction
from postrider.web.api.deliveries import reason_of
from postrider.web.auth import ServicesDep
from postrider.web.explain import explain, target_of

from .choices import integration_choices
from .exchanges import exchanges, one_exchange
from .filters import DeliveryQuery
from .notices import went_well
from .pages import link, show
from .paging import Ways, ways
from .session import DeliveryReader, FormDep, Redriver, Session
from .standings import let_go_by

PAGE = 50
ATTEMPTS = 50
"""So many are shown at a time; who redrives again and again makes thousands."""
SECTION = "/deliveries"
_DISCARDABLE = (DeliveryStatus.DEAD, DeliveryStatus.SKIPPED)
_OVER = (*REDRIVABLE, DeliveryStatus.DELIVERED)

AttemptNumber = Annotated[int | None, Query(ge=1, le=1_000_000_000)]

router = APIRouter()


@router.get(SECTION)
def list_deliveries(
    request: Request, services: ServicesDep, session: DeliveryReader, query: Annotated[DeliveryQuery, Query()]
) -> Response:
    """List deliveries, newest first."""
    with services.database.read() as tx:
        found = deliveries.page(tx, session.tenant_id, query.wanted(), before=query.before, limit=PAGE + 1)
        targets = integrations.heads(tx, session.tenant_id, {one.integration_id for one in found})
        choices = integration_choices(tx, session.tenant_id, chosen=query.integration_id)
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
        ways=ways(SECTION, query, found, shown=PAGE),
    )


@router.get("/deliveries/{delivery_id}")
def show_delivery(
    request: Request,
    services: ServicesDep,
    session: DeliveryReader,
    delivery_id: UUID,
    attempt: AttemptNumber = None,
    before: AttemptNumber = None,
) -> Response:
    """Show a delivery: why it is where it is, and its attempts; or one attempt with more of what was sent."""
    if attempt is not None:
        return _attempt_page(request, services, session, delivery_id, attempt)
    return _page(request, services, session, delivery_id, before=before)


def _page(
    request: Request,
    services: Services,
    session: Session,
    delivery_id: UUID,
    *,
    before: int | None = None,
    status: int = 200,
    **given: Any,
) -> Response:
    tenant_id, own = session.tenant_id, f"{SECTION}/{delivery_id}"
    with services.database.read() as tx:
        delivery = _found(tx, session, delivery_id)
        last = delivery.attempt if before is None else before - 1
        attempts = deliveries.attempts_of(tx, tenant_id, delivery_id, first=last - ATTEMPTS + 1, last=last + 1)
        latest = deliveries.attempts_of(tx, tenant_id, delivery_id, first=delivery.attempt - 1)
        target = target_of(tx, delivery, now=services.clock.now())
        heads = integrations.heads(tx, session.tenant_id, {delivery.integration_id})
        origins = events.heads(tx, session.tenant_id, [delivery.event_id])
        let_go = let_go_by(tx, session.tenant_id, [delivery]).get(delivery.id)
    return show(
        request,
        session,
        "delivery.html",
        section=SECTION,
        status=status,
        delivery=delivery,
        target=heads.get(delivery.integration_id),
        event=origins[0] if origins else None,
        exchanges=exchanges(services, tenant_id, delivery, attempts, last=last, requests=session.sees_requests),
        explanation=explain(services, delivery, target, latest[-1] if latest else None),
        before=before,
        ways=Ways(
            first=link(own) if before else None,
            further=link(own, before=last - ATTEMPTS + 1) if last > ATTEMPTS else None,
        ),
        held_until=target.parked_until,
        let_go=let_go,
        redrivable=target.there and delivery.status in {*REDRIVABLE, DeliveryStatus.PENDING},
        sendable=target.there and delivery.status in _OVER,
        discardable=delivery.status in _DISCARDABLE,
        given={"reason": "", "complaint": "", **given},
    )


def _attempt_page(request: Request, services: Services, session: Session, delivery_id: UUID, number: int) -> Response:
    with services.database.read() as tx:
        delivery = _found(tx, session, delivery_id)
        attempts = deliveries.attempts_of(tx, session.tenant_id, delivery_id, first=number, last=number + 1)
    requests = session.sees_requests
    exchange = one_exchange(services, session.tenant_id, delivery, attempts, number, requests=requests)
    if exchange is None:
        raise NotFound("no such attempt")
    return show(request, session, "attempt.html", section=SECTION, delivery=delivery, exchange=exchange)


def _found(tx: Transaction, session: Session, delivery_id: UUID) -> Delivery:
    delivery = deliveries.get(tx, session.tenant_id, delivery_id)
    if delivery is None:
        raise NotFound("no such delivery")
    return delivery


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
    given = str(form.get("reason", ""))
    try:
        reason = reason_of(given, otherwise="discarded")
    except InvalidInput as error:
        return _page(request, services, session, delivery_id, status=422, reason=given, complaint=error.detail)
    redrive.discard(services, session.tenant_id, delivery_id, reason=reason, by=session.actor)
    return went_well(request, f"{SECTION}/{delivery_id}", "It is discarded. That can be undone.")


@router.post("/deliveries/{delivery_id}/undo-discard")
def undo_discard(request: Request, services: ServicesDep, session: Redriver, delivery_id: UUID) -> Response:
    """Make a discarded delivery a dead letter again."""
    redrive.undo_discard(services, session.tenant_id, delivery_id, by=session.actor)
    return went_well(request, f"{SECTION}/{delivery_id}", "It is a dead letter again.")
