"""A test event on its way to one integration: the whole exchange, as it comes about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from postrider.control import integrations, trials
from postrider.domain.access import Permission
from postrider.domain.delivery import Attempt, Delivery, DeliveryStatus
from postrider.domain.errors import InvalidInput, NotFound
from postrider.domain.event import Event, EventOrigin
from postrider.domain.integration import Integration
from postrider.services import Services
from postrider.store import deliveries, events
from postrider.store import integrations as stored
from postrider.store.deliveries import DeliveryFilter
from postrider.store.integrations import IntegrationHead
from postrider.web.auth import ServicesDep
from postrider.web.explain import Explanation, explain, target_of

from . import form_errors
from .exchanges import one_exchange
from .integration_form import SECTION
from .notices import went_well
from .pages import show
from .session import FormDep, IntegrationWriter, Session, signed_in

UNDER_WAY = frozenset({DeliveryStatus.PENDING, DeliveryStatus.SENDING})
Onlooker = Annotated[Session, Depends(signed_in(Permission.INTEGRATIONS_READ, Permission.DELIVERIES_READ))]

router = APIRouter()


@router.post("/integrations/{integration_id:uuid}/test")
def send_test(
    request: Request, services: ServicesDep, session: IntegrationWriter, integration_id: UUID, form: FormDep
) -> Response:
    """Send a test event to this integration alone; ask who gets it where that has to be said."""
    integration, who = integrations.get(services, session.tenant_id, integration_id), form.get("recipient")
    if who is None and integration.enabled and trials.asks_recipient(services, integration):
        return _ask_recipient(request, session, integration)
    recipient = str(who or "").strip()
    try:
        test = trials.send(services, session.tenant_id, integration_id, recipient=recipient, by=session.actor)
    except InvalidInput as error:
        return _ask_recipient(request, session, integration, recipient=recipient, error=error)
    if session.may("deliveries:read"):
        return went_well(request, f"{SECTION}/{integration_id}/test/{test.id}")
    return went_well(request, f"{SECTION}/{integration_id}", "A test event is on its way.")


def _ask_recipient(
    request: Request,
    session: Session,
    integration: Integration,
    *,
    recipient: str = "",
    error: InvalidInput | None = None,
) -> Response:
    return show(
        request,
        session,
        "trial_form.html",
        section=SECTION,
        status=form_errors.status(error),
        integration=integration,
        recipient=recipient,
        errors=form_errors.at_only_field(error, "recipient") if error else {},
    )


@router.get("/integrations/{integration_id:uuid}/test/{event_id:uuid}")
def show_test(
    request: Request, services: ServicesDep, session: Onlooker, integration_id: UUID, event_id: UUID
) -> Response:
    """Show what was sent and what was answered, as far as it has come."""
    trial = _trial(services, session.tenant_id, integration_id, event_id)
    last = None
    if trial.delivery and trial.attempts:
        number = trial.attempts[-1].number
        last = one_exchange(services, session.tenant_id, trial.delivery, trial.attempts, number, requests=True)
    return show(
        request,
        session,
        "trial.html",
        section=SECTION,
        event=trial.event,
        target=trial.target,
        delivery=trial.delivery,
        explanation=trial.explanation,
        last=last,
        earlier=trial.attempts[-2::-1],
        under_way=trial.delivery is None or trial.delivery.status in UNDER_WAY,
    )


@dataclass(frozen=True, slots=True)
class _Trial:
    event: Event
    target: IntegrationHead
    delivery: Delivery | None
    """None: not fanned out yet."""
    explanation: Explanation
    attempts: list[Attempt]


def _trial(services: Services, tenant_id: UUID, integration_id: UUID, event_id: UUID) -> _Trial:
    with services.database.read() as tx:
        event = events.get(tx, tenant_id, event_id)
        target = stored.heads(tx, tenant_id, [integration_id]).get(integration_id)
        if event is None or target is None or (event.origin, event.target_id) != (EventOrigin.TEST, integration_id):
            raise NotFound("no such test")
        found = deliveries.page(tx, tenant_id, DeliveryFilter(event_id=event_id), before=None, limit=1)
        if not found:
            return _Trial(event, target, None, ("It is on its way to the workers.",), [])
        attempts = deliveries.attempts_of(tx, tenant_id, found[0].id)
        standing = target_of(tx, found[0], now=services.clock.now())
    said = explain(services, found[0], standing, attempts[-1] if attempts else None)
    return _Trial(event, target, found[0], said, attempts)
