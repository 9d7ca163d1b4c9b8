"""What lists can be narrowed by: read from a page's address, where a form leaves empty what nobody filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from postrider.domain.delivery import DeliveryStatus
from postrider.store.deliveries import DeliveryFilter
from postrider.web.api.fields import EventTypeName, Word


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too far away") from None


When = Annotated[datetime, AfterValidator(_in_utc)]
"""A moment as a browser's date field writes it, in UTC, or with an offset of its own."""


class PageFilter(BaseModel):
    """A list's query: nothing but known fields, empty ones left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    before: UUID | None = None
    """The page begins behind this row."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_empty(cls, given: Any) -> Any:
        # What is not known may be a list: it was given more than once.
        return {name: value for name, value in given.items() if value != "" and value is not None}

    def told(self) -> dict[str, Any]:
        """Give what narrows the list, for the addresses of its other pages."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"before"})

    def narrows(self) -> bool:
        """Tell whether anything is left out of the list."""
        return bool(self.told())


class DeliveryQuery(PageFilter):
    """Which deliveries are wanted."""

    status: DeliveryStatus | None = None
    integration_id: UUID | None = None
    event_id: UUID | None = None
    event_type: EventTypeName | None = None
    error: Word | None = None
    since: When | None = None
    until: When | None = None

    def wanted(self) -> DeliveryFilter:
        statuses = () if self.status is None else (self.status,)
        which = self.model_dump(exclude={"before", "status"})
        return DeliveryFilter(statuses=statuses, **which)


class LetterQuery(PageFilter):
    """Which dead letters are wanted."""

    integration_id: UUID | None = None
    error: Word | None = None
    no_error: bool | None = None
    """Only those whose last attempt ended without an error word, or that had no attempt."""
    event_type: EventTypeName | None = None
    since: When | None = None
    until: When | None = None

    def wanted(self, ids: tuple[UUID, ...] = ()) -> DeliveryFilter:
        error = "" if self.no_error else self.error
        which = self.model_dump(exclude={"before", "error", "no_error"})
        return DeliveryFilter(statuses=(DeliveryStatus.DEAD,), error=error, ids=ids, **which)


class EventQuery(PageFilter):
    """Which events are wanted."""

    event_type: EventTypeName | None = None
    text: str | None = Field(None, max_length=200)
    since: When | None = None
    until: When | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.since >= self.until:
            raise ValueError("since: must lie before until")
        return self
