"""The audit of the fault matrix finds what it is there to find."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from faults.audit import audit
from faults.landing import Arrival, Landing
from faults.load import EVENT_TYPE, Load
from sqlalchemy import insert, text

from postrider.store.engine import Database
from postrider.store.tables import attempts, deliveries, events

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PAYLOAD = b'{"total": 1.10}'
HASH = hashlib.sha256(PAYLOAD).hexdigest()
TENANT, INTEGRATION, EVENT, DELIVERY = (UUID(int=number) for number in range(1, 5))
ARRIVAL = Arrival(str(DELIVERY), HASH, 200, 0.0)


@dataclass
class Books:
    """What an audit looks at: one event, owed to one integration, as far as a test wants it."""

    database: Database
    load: Load = field(default_factory=lambda: Load(1, "no key"))

    @property
    def landing(self) -> Landing:
        raise AssertionError("the tests give the arrivals themselves")

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.read() as tx:
            return [tuple(found) for found in tx.execute(text(statement.replace("%s", ":v0")), {"v0": values[0]})]

    def accept(self) -> None:
        self.load.offered.add(HASH)
        self.load.accepted[str(EVENT)] = HASH

    def store(self, payload: bytes = PAYLOAD) -> None:
        row = {"id": EVENT, "tenant_id": TENANT, "event_type": EVENT_TYPE, "payload": payload}
        self._insert(events, {**row, "origin": "api", "created_at": NOW})

    def owe(self, status: str = "delivered") -> None:
        row = {"id": DELIVERY, "tenant_id": TENANT, "event_id": EVENT, "integration_id": INTEGRATION}
        self._insert(
            deliveries, {**row, "event_type": EVENT_TYPE, "status": status, "created_at": NOW, "updated_at": NOW}
        )

    def lose_an_attempt(self) -> None:
        row = {"id": uuid4(), "delivery_id": DELIVERY, "tenant_id": TENANT, "integration_id": INTEGRATION, "number": 1}
        told = {"verdict": "unknown", "decision": "retry", "error": "worker_lost", "detail": "", "late": False}
        answer = {"duration_ms": 1.0, "response_headers": {}, "response_body": ""}
        self._insert(attempts, {**row, **told, **answer, "started_at": NOW, "created_at": NOW})

    def _insert(self, table: Any, row: dict[str, Any]) -> None:
        with self.database.write() as tx:
            tx.execute(insert(table), [row])


@pytest.fixture
def books(sqlite: Database) -> Books:
    """Open books with one event that was accepted."""
    opened = Books(sqlite)
    opened.accept()
    return opened


def broken(books: Books, came: Sequence[Arrival], **expected: int) -> tuple[str, ...]:
    return audit(books, arrivals=came).figures(**expected).broken  # type: ignore[arg-type]


def test_a_true_account_holds(books: Books) -> None:
    """One event, stored, owed once and arrived once: nothing is wrong."""
    books.store()
    books.owe()

    assert broken(books, [ARRIVAL]) == ()


def test_an_event_that_is_not_stored_is_lost(books: Books) -> None:
    """A 202 without a row is the worst of lies: the event is lost, and so is its delivery."""
    assert broken(books, []) == ("2 lost",)


def test_an_event_that_nobody_is_told_of_is_lost(books: Books) -> None:
    """A stored event that an integration observes has a delivery."""
    books.store()

    assert broken(books, []) == ("1 lost",)


def test_a_delivery_that_did_not_arrive_is_lost(books: Books) -> None:
    """What the database calls delivered stands in the receiver's log."""
    books.store()
    books.owe()

    assert broken(books, []) == ("1 lost",)
    assert broken(books, [replace(ARRIVAL, status=500)]) == ("1 lost",)


def test_other_bytes_are_a_loss(books: Books) -> None:
    """What arrived with other bytes than were published did not arrive, and is foreign."""
    books.store()
    books.owe()

    assert broken(books, [replace(ARRIVAL, payload_hash="00")]) == (
        "1 lost",
        "1 came or are stored that nobody published",
    )


def test_what_nobody_published_is_foreign(books: Books) -> None:
    """A request that belongs to no delivery is told."""
    books.store()
    books.owe()

    assert broken(books, [ARRIVAL, Arrival(str(uuid4()), HASH, 200, 0.0)]) == (
        "1 came or are stored that nobody published",
    )


def test_a_repeat_needs_an_attempt_that_ended_unknown(books: Books) -> None:
    """Twice is once too often, unless nobody could know how the first attempt ended."""
    books.store()
    books.owe()
    without = broken(books, [ARRIVAL, ARRIVAL])
    books.lose_an_attempt()

    assert without == ("1 duplicates of 0 unknown attempts",)
    assert broken(books, [ARRIVAL, ARRIVAL]) == ()


@pytest.mark.parametrize("status", ["pending", "sending"])
def test_what_waits_is_told(books: Books, status: str) -> None:
    """Nothing waits at rest but what is named as held."""
    books.store()
    books.owe(status)

    assert broken(books, []) == ("1 pending, 0 of them held",)
    assert broken(books, [], held=1) == ()


def test_dead_letters_are_those_that_were_expected(books: Books) -> None:
    """A dead letter is accounted for, and no row calls it good that did not expect it."""
    books.store()
    books.owe("dead")

    assert broken(books, []) == ("1 dead, not 0",)
    assert broken(books, [], dead=1) == ()
