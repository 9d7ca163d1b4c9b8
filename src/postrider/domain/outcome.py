"""What became of one attempt, as the transport saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

EXCERPT_BYTES = 16 * 1024
"""How much of a far side's answer is kept."""


class Verdict(StrEnum):
    """The four things that an attempt can come to."""

    DELIVERED = "delivered"
    TEMPORARY = "temporary"
    """It failed, and may work later."""
    PERMANENT = "permanent"
    """It failed, and will fail the same way again."""
    UNKNOWN = "unknown"
    """It may or may not have arrived: the worker was lost before it could tell."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The far side's answer, or the lack of one; never holds a secret."""

    verdict: Verdict
    error: str = ""
    """A short stable word for grouping, such as `timeout`, `http_500`, `address_refused`; empty when delivered."""
    detail: str = ""
    """One sentence for people; empty when delivered."""
    status_code: int | None = None
    retry_after: timedelta | None = None
    """How long the far side asked to be left alone."""
    gone: bool = False
    """The far side said that it is gone for good (HTTP 410): the integration is to be disabled."""
    duration: timedelta = timedelta(0)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    response_body: str = ""
    """At most `EXCERPT_BYTES` of the answer, as text, without NUL."""


@dataclass(frozen=True, slots=True)
class Landed:
    """One message that came to an end inside a flight."""

    message_id: UUID
    outcome: Outcome


def excerpt(body: bytes) -> str:
    """Give the answer's first bytes as text that every database takes."""
    # PostgreSQL refuses NUL in text; receivers do send it.
    return body[:EXCERPT_BYTES].decode("utf-8", "replace").replace("\x00", "")
