"""The one question after each fault: is every accepted event accounted for, and is the account true?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from faults.landing import Arrival, Landing
from faults.load import EVENT_TYPE, Load
from faults.matrix import Figures

_EVENTS = "SELECT id, payload FROM events WHERE event_type = %s"
_DELIVERIES = "SELECT id, event_id, status FROM deliveries WHERE event_type = %s"
# The errors are those of attempts that may have arrived though no answer came back.
_UNKNOWN = """
SELECT count(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery_id
WHERE d.event_type = %s AND (a.verdict = 'unknown' OR a.late OR a.error IN
    ('timeout', 'connection_reset', 'connection_closed', 'bad_response', 'internal_error'))
"""


class Audited(Protocol):
    """What an audit looks at."""

    @property
    def landing(self) -> Landing: ...

    @property
    def load(self) -> Load: ...

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database itself, past all code of ours."""


Observers = Callable[[str], int]
"""Tells from an event's id how many integrations observe it."""


def _one(_: str) -> int:
    return 1


@dataclass(frozen=True, slots=True)
class Account:
    """What was accepted beside what is stored and what came."""

    events: int
    statuses: Counter[str]
    lost: int
    foreign: int
    duplicates: int
    unknown: int

    def figures(
        self,
        *,
        dead: int = 0,
        held: int = 0,
        broken: Iterable[str] = (),
        recovery: float | None = None,
        publish_p99: float | None = None,
        note: str = "",
    ) -> Figures:
        """Judge the account; `dead` and `held` are how many deliveries must have ended, or wait, so."""
        waiting = self.statuses["pending"] + self.statuses["sending"]
        found = [
            *([f"{self.lost} lost"] if self.lost else []),
            *([f"{self.foreign} came or are stored that nobody published"] if self.foreign else []),
            *([f"{waiting} pending, {held} of them held"] if waiting != held else []),
            *([f"{self.statuses['dead']} dead, not {dead}"] if self.statuses["dead"] != dead else []),
            *(
                [f"{self.duplicates} duplicates of {self.unknown} unknown attempts"]
                if self.duplicates > self.unknown
                else []
            ),
            *broken,
        ]
        return Figures(
            events=self.events,
            lost=self.lost,
            duplicates=self.duplicates,
            unknown=self.unknown,
            recovery=recovery,
            publish_p99=publish_p99,
            note=note,
            broken=tuple(found),
        )


def audit(world: Audited, *, integrations: Observers = _one, arrivals: Sequence[Arrival] | None = None) -> Account:
    """Compare what was accepted with what is stored and with the receiver's log.

    `integrations` tells how many observe an event. An event whose answer was lost on the way may be stored though it
    was not accepted: then it is owed like any other. `arrivals` stands for the log of the world's receiver.
    """
    came = world.landing.arrivals() if arrivals is None else arrivals
    stored = stored_events(world)
    rows = [(_id(one), _id(event), status) for one, event, status in world.sql(_DELIVERIES, EVENT_TYPE)]
    return Account(
        events=len(world.load.accepted),
        statuses=Counter(status for _, _, status in rows),
        lost=_lost(world.load.accepted, stored, rows, came, integrations=integrations),
        foreign=_foreign(world.load.offered, stored, rows, came),
        duplicates=_duplicates(came),
        unknown=world.sql(_UNKNOWN, EVENT_TYPE)[0][0],
    )


def stored_events(world: Audited) -> dict[str, str]:
    """Tell the hashes of the payloads that are stored, by the events' ids."""
    return {_id(event_id): hashlib.sha256(payload).hexdigest() for event_id, payload in world.sql(_EVENTS, EVENT_TYPE)}


def _id(value: object) -> str:
    """Write an id as the API does; SQLite keeps it without its dashes."""
    return str(UUID(str(value)))


def _lost(
    accepted: dict[str, str],
    stored: dict[str, str],
    rows: Sequence[tuple[str, str, str]],
    came: Sequence[Arrival],
    *,
    integrations: Observers,
) -> int:
    """Count accepted events that are not stored as they were, duties that do not exist, and deliveries that did not."""
    not_stored = sum(stored.get(event_id) != digest for event_id, digest in accepted.items())
    duties = Counter(event_id for _, event_id, _ in rows)
    without_duty = sum(abs(integrations(event_id) - duties[event_id]) for event_id in {*stored, *accepted})
    arrived = {(arrival.message_id, arrival.payload_hash) for arrival in came if arrival.status < 300}
    not_arrived = sum(
        status == "delivered" and (message_id, stored.get(event_id, "")) not in arrived
        for message_id, event_id, status in rows
    )
    return not_stored + without_duty + not_arrived


def _foreign(
    offered: set[str], stored: dict[str, str], rows: Sequence[tuple[str, str, str]], came: Sequence[Arrival]
) -> int:
    """Count what nobody published, in the log and in the database, and what came with another's bytes."""
    owed = {message_id: stored.get(event_id, "") for message_id, event_id, _ in rows}
    strange = sum(owed.get(arrival.message_id) != arrival.payload_hash for arrival in came)
    return strange + sum(digest not in offered for digest in stored.values())


def _duplicates(came: Sequence[Arrival]) -> int:
    taken = [arrival.message_id for arrival in came if arrival.status < 300]
    return len(taken) - len(set(taken))
