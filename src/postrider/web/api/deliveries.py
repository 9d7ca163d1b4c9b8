"""Deliveries: what became of each, and what people can do about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import Field, StrictBool

from postrider.control.texts import LONGEST_REASON, short_text
from postrider.domain.access import Caller, Permission
from postrider.domain.delivery import Attempt, Delivery, DeliveryStatus
from postrider.domain.errors import NotFound
from postrider.pipeline import redrive
from postrider.store import deliveries, events
from postrider.store.deliveries import DeliveryFilter
from postrider.web.auth import ServicesDep, require
from postrider.web.errors import NOT_FOUND
from postrider.web.explain import explain, in_utc, target_of
from postrider.web.openapi import answers, operations

from .fields import Body, Changed, ChangingMeta, EventTypeName, Given, Moment, One, Shown, Text, Word
from .paging import Listed, PageQuery, listed
from .strict_json import StrictJsonRoute

router = operations("Deliveries", route_class=StrictJsonRoute)
Reader = Annotated[Caller, Depends(require(Permission.DELIVERIES_READ))]
Redriver = Annotated[Caller, Depends(require(Permission.DELIVERIES_REDRIVE))]


class DeliveryQuery(PageQuery):
    """Which deliveries are wanted."""

    integration_id: UUID | None = Field(None, description="Only those of this integration.")
    event_id: UUID | None = Field(None, description="Only those of this event.")
    event_type: EventTypeName | None = Field(None, description="Only those of this event type.")
    status: list[DeliveryStatus] = Field(default_factory=list, description="Only those in one of these statuses.")
    error: Word | None = Field(
        None, description="Only those whose last attempt ended with this error word, such as `http_500`."
    )
    since: Moment | None = Field(None, description="Only those made at this moment or later.")
    until: Moment | None = Field(None, description="Only those made before this moment.")

    def to_filter(self) -> DeliveryFilter:
        return DeliveryFilter(
            statuses=tuple(self.status),
            integration_id=self.integration_id,
            event_id=self.event_id,
            event_type=self.event_type,
            error=self.error,
            since=self.since,
            until=self.until,
        )


class DeliveryDocument(Shown):
    """The duty to bring one event to one integration."""

    id: UUID
    type: Literal["delivery"] = "delivery"
    event_id: UUID
    integration_id: UUID
    event_type: str
    status: DeliveryStatus
    due_at: datetime | None
    """When it is to be tried; only while pending."""
    attempt: int
    """The number of the last attempt begun; 0 before the first."""
    reason: str
    """Why it is dead, discarded or skipped."""
    error: str
    """The last attempt's error word."""
    meta: ChangingMeta

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        timestamps = Changed(created_at=delivery.created_at, updated_at=delivery.updated_at)
        return cls(
            id=delivery.id,
            event_id=delivery.event_id,
            integration_id=delivery.integration_id,
            event_type=delivery.event_type,
            status=delivery.status,
            due_at=delivery.due_at,
            attempt=delivery.attempt,
            reason=delivery.reason,
            error=delivery.error,
            meta=ChangingMeta(timestamps=timestamps),
        )


class AttemptDocument(Shown):
    """One try."""

    id: UUID
    number: int
    started_at: datetime
    duration_ms: float
    verdict: str
    decision: str
    error: str
    detail: str
    status_code: int | None
    response_headers: dict[str, str]
    response_body: str
    late: bool
    """Its outcome came after the delivery had moved on without it."""

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        return cls.model_validate(attempt, from_attributes=True)


class DeliveryDetail(DeliveryDocument):
    """A delivery with its whole story."""

    origin: str = ""
    """Where its event comes from: `edited` when it was sent again with another payload."""
    origin_event_id: UUID | None = None
    """The event that its event repeats with another payload."""
    explanation: str = ""
    """Why it is where it is, for people."""
    attempts: list[AttemptDocument] = Field(default_factory=list)


class Force(Given):
    """How a delivery is sent again."""

    force: StrictBool = False
    """Also when it was delivered."""


class Why(Given):
    """Why a person ends a delivery."""

    reason: Text = ""


@router.get("/v2/deliveries")
def list_deliveries(
    request: Request, services: ServicesDep, caller: Reader, query: Annotated[DeliveryQuery, Query()]
) -> Listed[DeliveryDocument]:
    """List deliveries, newest first."""
    with services.database.read() as tx:
        rows = deliveries.page(tx, caller.tenant_id, query.to_filter(), before=query.cursor, limit=query.fetch)
    return listed(request, query, rows, DeliveryDocument.of)


@router.get("/v2/deliveries/{delivery_id}")
def get_delivery(services: ServicesDep, caller: Reader, delivery_id: UUID) -> One[DeliveryDetail]:
    """Read a delivery with every attempt, and why it is where it is."""
    with services.database.read() as tx:
        delivery = deliveries.get(tx, caller.tenant_id, delivery_id)
        if delivery is None:
            raise NotFound(NOT_FOUND)
        attempts = deliveries.attempts_of(tx, caller.tenant_id, delivery_id)
        target = target_of(tx, delivery, now=services.clock.now())
        heads = events.heads(tx, caller.tenant_id, [delivery.event_id])
    detail = DeliveryDetail.of(delivery)
    detail.explanation = in_utc(explain(services, delivery, target, attempts[-1] if attempts else None))
    for event in heads:
        detail.origin, detail.origin_event_id = event.origin.value, event.origin_event_id
    detail.attempts = [AttemptDocument.of(attempt) for attempt in attempts]
    return One(data=detail)


@router.post("/v2/deliveries/{delivery_id}/redrive", responses=answers(409))
def redrive_delivery(
    services: ServicesDep, caller: Redriver, delivery_id: UUID, body: Body[Force] | None = None
) -> One[DeliveryDocument]:
    """Send a dead, discarded or skipped delivery again; with `force` a delivered one too."""
    force = body is not None and body.data.force
    return _one(redrive.redrive(services, caller.tenant_id, delivery_id, force=force, by=caller.actor))


@router.post("/v2/deliveries/{delivery_id}/cancel", responses=answers(409))
def cancel_delivery(
    services: ServicesDep, caller: Redriver, delivery_id: UUID, body: Body[Why] | None = None
) -> One[DeliveryDocument]:
    """Discard a delivery that is still pending."""
    reason = reason_of(body.data.reason if body else "", otherwise="cancelled")
    return _one(redrive.cancel(services, caller.tenant_id, delivery_id, reason=reason, by=caller.actor))


@router.post("/v2/deliveries/{delivery_id}/discard", responses=answers(409))
def discard_delivery(
    services: ServicesDep, caller: Redriver, delivery_id: UUID, body: Body[Why] | None = None
) -> One[DeliveryDocument]:
    """Give up a dead or skipped delivery."""
    reason = reason_of(body.data.reason if body else "", otherwise="discarded")
    return _one(redrive.discard(services, caller.tenant_id, delivery_id, reason=reason, by=caller.actor))


@router.post("/v2/deliveries/{delivery_id}/undo-discard", responses=answers(409))
def undo_discard(services: ServicesDep, caller: Redriver, delivery_id: UUID) -> One[DeliveryDocument]:
    """Make a discarded delivery a dead letter again."""
    return _one(redrive.undo_discard(services, caller.tenant_id, delivery_id, by=caller.actor))


def reason_of(given: str, *, otherwise: str) -> str:
    """Check the reason that a caller gave; without one the word for what was done."""
    return short_text("data.reason", given, longest=LONGEST_REASON, empty=True) or otherwise


def _one(delivery: Delivery) -> One[DeliveryDocument]:
    return One(data=DeliveryDocument.of(delivery))
