"""A delivery: the duty to bring one event to one integration, and which status may follow which."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"
    DISCARDED = "discarded"
    SKIPPED = "skipped"


FOLLOWS: dict[DeliveryStatus, frozenset[DeliveryStatus]] = {
    DeliveryStatus.PENDING: frozenset({DeliveryStatus.SENDING, DeliveryStatus.DISCARDED}),
    DeliveryStatus.SENDING: frozenset(
        {DeliveryStatus.DELIVERED, DeliveryStatus.PENDING, DeliveryStatus.DEAD, DeliveryStatus.DISCARDED}
    ),
    DeliveryStatus.DELIVERED: frozenset({DeliveryStatus.PENDING}),
    DeliveryStatus.DEAD: frozenset({DeliveryStatus.PENDING, DeliveryStatus.DISCARDED}),
    DeliveryStatus.DISCARDED: frozenset({DeliveryStatus.PENDING, DeliveryStatus.DEAD}),
    DeliveryStatus.SKIPPED: frozenset({DeliveryStatus.PENDING, DeliveryStatus.DISCARDED}),
}
"""The statuses that may follow each one; every statement that changes a status asks here."""

REDRIVABLE = (DeliveryStatus.DEAD, DeliveryStatus.DISCARDED, DeliveryStatus.SKIPPED)
"""What a redrive takes back without being forced to."""

LOST_ALONE = 2
"""A delivery whose lease ran out this often is claimed alone, so that it takes no others along."""
LOST_LIMIT = 5
"""A delivery whose lease ran out this often is buried: it seems to kill its workers."""


def before(status: DeliveryStatus) -> tuple[DeliveryStatus, ...]:
    """List the statuses that the given one may follow."""
    return tuple(earlier for earlier, later in FOLLOWS.items() if status in later)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one integration."""

    id: UUID
    tenant_id: UUID
    event_id: UUID
    integration_id: UUID
    event_type: str
    status: DeliveryStatus
    due_at: datetime | None
    """When it is to be tried; only while pending."""
    attempt: int
    """The number of the last attempt begun; 0 before the first."""
    round_start: int
    """The attempt number after which the retry budget counts; moved up by a redrive."""
    lost: int
    """How often a worker was lost while it held this delivery, in this round."""
    reason: str
    """Why it is dead, discarded or skipped; empty otherwise."""
    error: str
    """The last attempt's error word; empty when it had none."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this worker holds until its lease ends, with what it takes to send it."""

    delivery_id: UUID
    tenant_id: UUID
    integration_id: UUID
    integration_version: int
    event_id: UUID
    event_type: str
    payload: bytes = field(repr=False)
    attempt: int
    round_start: int
    lost: int
    token: UUID
    """Proof of this claim: a settle without it changes nothing."""
    started_at: datetime
    lease_until: datetime
    published_at: datetime
    """When its event was published, or replayed."""
    probe: bool = False
    """It shows whether a parked integration is back; no other is let through until `lease_until`."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, as it is told afterwards."""

    id: UUID
    delivery_id: UUID
    tenant_id: UUID
    integration_id: UUID
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
    """The outcome came after the lease had ended: the delivery had moved on without it."""
    created_at: datetime
