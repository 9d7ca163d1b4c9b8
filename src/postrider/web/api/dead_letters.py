"""Dead letters: the deliveries that were given up, until a person sends them again or lets them go."""

from __future__ import annotations

from typing import Annotated, Self
from uuid import UUID

from fastapi import Query, Request
from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.store import deliveries
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind
from postrider.web.auth import ServicesDep
from postrider.web.openapi import operations

from .deliveries import DeliveryDocument, Reader, Redriver, reason_of
from .fields import Body, EventTypeName, Given, Moment, One, Text, Word
from .jobs import JobDocument
from .paging import Listed, PageQuery, listed
from .strict_json import StrictJsonRoute

MOST_IDS = 1_000
SLOWEST, FASTEST = 0.01, 10_000.0

router = operations("Dead letters", route_class=StrictJsonRoute)


class _Which(Given):
    integration_id: UUID | None = Field(None, description="Only those of this integration.")
    event_id: UUID | None = Field(None, description="Only those of this event.")
    event_type: EventTypeName | None = Field(None, description="Only those of this event type.")
    error: Word | None = Field(
        None, description="Only those whose last attempt ended with this error word, such as `http_500`."
    )
    since: Moment | None = Field(None, description="Only those made at this moment or later.")
    until: Moment | None = Field(None, description="Only those made before this moment.")


class DeadLetterFilter(_Which):
    """Which dead letters; an empty filter takes all."""

    def to_filter(self, ids: tuple[UUID, ...] = ()) -> DeliveryFilter:
        return DeliveryFilter(statuses=(DeliveryStatus.DEAD,), ids=ids, **self.model_dump())


class DeadLetterQuery(_Which, PageQuery):
    """Which dead letters are wanted."""

    def to_filter(self) -> DeliveryFilter:
        which = self.model_dump(include=set(_Which.model_fields))
        return DeliveryFilter(statuses=(DeliveryStatus.DEAD,), **which)


_EITHER: JsonDict = {
    "oneOf": [
        {"required": ["ids"], "properties": {"ids": {"type": "array"}}},
        {"required": ["filter"], "properties": {"filter": {"type": "object"}}},
    ]
}


class Discard(Given):
    """Which dead letters are let go: `ids`, or all that a `filter` takes."""

    model_config = ConfigDict(json_schema_extra=_EITHER)

    ids: list[UUID] | None = Field(None, min_length=1, max_length=MOST_IDS)
    filter: DeadLetterFilter | None = None
    reason: Text = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or filter; an empty filter takes all dead letters")
        return self

    def wanted(self) -> DeliveryFilter:
        if self.filter is not None:
            return self.filter.to_filter()
        return DeadLetterFilter().to_filter(tuple(self.ids or ()))


class Redrive(Discard):
    """Which dead letters are sent again, and how fast."""

    rate: float | None = Field(None, ge=SLOWEST, le=FASTEST, strict=False)
    """Deliveries a second; without: all at once."""


@router.get("/v2/dead-letters")
def list_dead_letters(
    request: Request, services: ServicesDep, caller: Reader, query: Annotated[DeadLetterQuery, Query()]
) -> Listed[DeliveryDocument]:
    """List dead letters, newest first."""
    with services.database.read() as tx:
        rows = deliveries.page(tx, caller.tenant_id, query.to_filter(), before=query.cursor, limit=query.fetch)
    return listed(request, query, rows, DeliveryDocument.of)


@router.post("/v2/dead-letters/redrive", status_code=202)
def redrive_dead_letters(services: ServicesDep, caller: Redriver, body: Body[Redrive]) -> One[JobDocument]:
    """Send dead letters again, as a job whose progress can be watched."""
    job = redrive.start_job(
        services,
        caller.tenant_id,
        kind=JobKind.REDRIVE,
        wanted=body.data.wanted(),
        rate=body.data.rate,
        reason=reason_of(body.data.reason, otherwise="redriven"),
        by=caller.actor,
    )
    return One(data=JobDocument.of(job))


@router.post("/v2/dead-letters/discard", status_code=202)
def discard_dead_letters(services: ServicesDep, caller: Redriver, body: Body[Discard]) -> One[JobDocument]:
    """Let dead letters go, as a job whose progress can be watched."""
    job = redrive.start_job(
        services,
        caller.tenant_id,
        kind=JobKind.DISCARD,
        wanted=body.data.wanted(),
        rate=None,
        reason=reason_of(body.data.reason, otherwise="discarded"),
        by=caller.actor,
    )
    return One(data=JobDocument.of(job))
