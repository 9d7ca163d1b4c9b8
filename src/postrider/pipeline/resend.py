"""Sending an edited payload to where an event did not arrive: as a new event, for that integration alone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from postrider.domain.access import POSTRIDER, Actor
from postrider.domain.audit import Action, shown
from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.domain.errors import Conflict, NotFound
from postrider.domain.event import Event, EventOrigin
from postrider.services import Change, Services
from postrider.store import deliveries, events, integrations

from . import exact_json

RESENT = "resent"
"""Why the first delivery was let go."""
_LET_GO = (DeliveryStatus.DEAD, DeliveryStatus.SKIPPED, DeliveryStatus.PENDING)


def resend(
    services: Services,
    tenant_id: UUID,
    delivery_id: UUID,
    *,
    payload: bytes,
    discard_original: bool = False,
    by: Actor = POSTRIDER,
) -> Event:
    """Publish a new event with another payload, which only the delivery's integration gets.

    The delivery stays as it is; with `discard_original` it is discarded. Raises NotFound, InvalidInput for a payload
    that is none, and Conflict when the integration was deleted or is switched off, or when what is to be discarded is
    under way or has arrived.
    """
    kept = exact_json.check("payload", payload)
    now = services.clock.now()
    with services.change(by) as change:
        delivery = deliveries.get(change.tx, tenant_id, delivery_id)
        first = events.get(change.tx, tenant_id, delivery.event_id) if delivery else None
        if delivery is None or first is None:
            raise NotFound("no such delivery")
        _check_target(change, delivery, now)
        event = Event(
            id=services.ids.new(),
            tenant_id=tenant_id,
            event_type=first.event_type,
            payload=kept,
            created_at=now,
            origin=EventOrigin.EDITED,
            origin_event_id=first.id,
            target_id=delivery.integration_id,
            attributes=first.attributes,
        )
        events.add(change.tx, [event])
        told = {"origin_event_id": first.id, "delivery_id": delivery_id, "integration_id": delivery.integration_id}
        changes = tuple(shown(name, None, str(value)) for name, value in told.items())
        change.record(tenant_id, Action.EVENT_RESENT, event.id, changes)
        if discard_original:
            _discard(change, delivery, now)
    services.ring.fan_out()
    return event


def _check_target(change: Change, delivery: Delivery, now: datetime) -> None:
    target = integrations.observer(change.tx, delivery.tenant_id, delivery.integration_id, now=now)
    if target is None:
        raise Conflict("its integration was deleted: there is nowhere to send it")
    if not target.enabled:
        raise Conflict("its integration is disabled, so the event would be skipped; enable it first")


def _discard(change: Change, delivery: Delivery, now: datetime) -> None:
    to = DeliveryStatus.DISCARDED
    if not deliveries.move(
        change.tx, delivery.tenant_id, delivery.id, to=to, from_statuses=_LET_GO, reason=RESENT, now=now
    ):
        wanted = " or ".join(status.value for status in _LET_GO)
        raise Conflict(f"the delivery is {delivery.status.value}; only one that is {wanted} can be discarded")
    changes = (shown("status", delivery.status.value, to.value),)
    change.record(delivery.tenant_id, Action.DELIVERY_DISCARDED, delivery.id, changes)
