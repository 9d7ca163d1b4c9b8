"""Attempts as pages show them: what was sent, what came back, what it means and what was decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from postrider.domain.delivery import Attempt, Delivery, DeliveryStatus
from postrider.domain.exhibit import Exhibit, as_curl
from postrider.domain.retry import Verb
from postrider.pipeline.exhibit import exhibit
from postrider.services import Services
from postrider.web import error_words

from .words import pretty_json

OPENED = 5
"""So many requests are made again for a page of several attempts; each of the others has a page of its own."""
LONGEST_OF_MANY = 32 * 1024
"""Letters of a body shown, where there are several."""
LONGEST_OF_ONE = 512 * 1024


@dataclass(frozen=True, slots=True)
class Sent:
    """A request, made again without its secrets."""

    exhibit: Exhibit
    headers: str
    body: str
    """Laid out, and cut when it is long."""
    cut: bool
    curl: str | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """An attempt with all that a person asks about it."""

    attempt: Attempt
    sent: Sent | None
    """None: it is not shown here, or this type of integration does not show it."""
    opened: bool
    """Whether it was looked for what was sent."""
    headers: str
    """Of the answer."""
    body: str
    meaning: str
    next_at: datetime | None
    """When it was tried again, or will be."""

    @property
    def title(self) -> str:
        """Say in a word or two how it ended."""
        if self.attempt.error:
            return error_words.title(self.attempt.error)
        return f"HTTP {self.attempt.status_code}" if self.attempt.status_code else self.attempt.verdict


def exchanges(
    services: Services, tenant_id: UUID, delivery: Delivery, attempts: Sequence[Attempt], *, last: int, requests: bool
) -> list[Exchange]:
    """Show a delivery's attempts, newest first; what was sent, of the newest `OPENED`, to whom may see `requests`.

    One behind the `last` is not shown: it tells when that was tried again.
    """
    shown: list[Exchange] = []
    after = _due(delivery)
    for attempt in reversed(attempts):
        if attempt.number <= last:
            opened = requests and len(shown) < OPENED
            sent = _sent(services, tenant_id, attempt, longest=LONGEST_OF_MANY) if opened else None
            shown.append(_exchange(attempt, sent, opened=opened, next_at=after))
        after = attempt.started_at
    return shown


def one_exchange(
    services: Services, tenant_id: UUID, delivery: Delivery, attempts: Sequence[Attempt], number: int, *, requests: bool
) -> Exchange | None:
    """Show one of a delivery's attempts, with more of its body; None when there is no such attempt."""
    attempt = next((one for one in attempts if one.number == number), None)
    if attempt is None:
        return None
    later = next((one.started_at for one in attempts if one.number > number), _due(delivery))
    sent = _sent(services, tenant_id, attempt, longest=LONGEST_OF_ONE) if requests else None
    return _exchange(attempt, sent, opened=requests, next_at=later)


def _due(delivery: Delivery) -> datetime | None:
    return delivery.due_at if delivery.status is DeliveryStatus.PENDING else None


def _exchange(attempt: Attempt, sent: Sent | None, *, opened: bool, next_at: datetime | None) -> Exchange:
    return Exchange(
        attempt=attempt,
        sent=sent,
        opened=opened,
        headers=_lines(attempt.response_headers.items()),
        body=pretty_json(attempt.response_body),
        meaning=error_words.meaning(attempt.error) if attempt.error else "",
        next_at=next_at if attempt.decision == Verb.RETRY else None,
    )


def _sent(services: Services, tenant_id: UUID, attempt: Attempt, *, longest: int) -> Sent | None:
    made = exhibit(services, tenant_id, attempt.delivery_id, attempt.number)
    if made is None:
        return None
    cut = len(made.body) > longest
    return Sent(
        exhibit=made,
        headers=_lines(made.headers),
        body=made.body[:longest] if cut else pretty_json(made.body),
        cut=cut,
        curl=None if cut else as_curl(made),
    )


def _lines(headers: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers)
