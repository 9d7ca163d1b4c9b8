"""An event: what happened, as it was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class EventOrigin(StrEnum):
    """Who brought the event in."""

    PUBLISHED = "published"
    REPLAY = "replay"
    TEST = "test"
    EDITED = "edited"
    """Sent again by a person, with another payload."""
    POSTRIDER = "postrider"


@dataclass(frozen=True, slots=True)
class Event:
    """Published once, never changed."""

    id: UUID
    tenant_id: UUID
    event_type: str
    payload: bytes
    """The exact JSON bytes that were published: what is stored is what is sent."""
    created_at: datetime
    origin: EventOrigin = EventOrigin.PUBLISHED
    origin_event_id: UUID | None = None
    """The event that this one repeats, when it was edited and sent again."""
    target_id: UUID | None = None
    """The only integration that gets it (a test, or an edited dead letter); None: all that observe it."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """CloudEvents attributes that came with it: source, subject, time, dataschema and extensions."""
