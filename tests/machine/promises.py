"""What holds after every step, whatever the model says: each promise by itself."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from uuid import UUID

from postrider.domain.delivery import FOLLOWS, DeliveryStatus

from .rows import Row, Snapshot

WITH_REASON = {"dead", "discarded", "skipped"}


def check_rows(now: Snapshot) -> None:
    """Every delivery is one of the few things that it can be, and its attempts are counted without a gap."""
    numbers: dict[UUID, list[int]] = {row_id: [] for row_id in now.deliveries}
    for delivery_id, number in now.attempts:
        numbers[delivery_id].append(number)
    for row in now.deliveries.values():
        sending = row.status == "sending"
        assert (row.due_at is not None) == (row.status == "pending"), row
        assert (row.token is not None) == sending, row
        assert (row.lease_until is not None) == sending, row
        assert bool(row.reason) == (row.status in WITH_REASON), row
        assert 0 <= row.round_start <= row.attempt, row
        assert sorted(numbers[row.id]) == list(range(1, row.attempt + 1 - sending)), row


def check_steps(before: Snapshot, after: Snapshot, forgotten: Container[UUID]) -> None:
    """Each delivery went at most one allowed step; none is gone but with its event."""
    for row_id, old in before.deliveries.items():
        new = after.deliveries.get(row_id)
        if new is None:
            assert old.event_id in forgotten, f"lost: {old}"
            assert old.status not in {"pending", "sending"}, f"forgotten while it was to be sent: {old}"
            continue
        assert new.status == old.status or DeliveryStatus(new.status) in FOLLOWS[DeliveryStatus(old.status)], (old, new)
        assert _whose(new) == _whose(old), (old, new)
        assert new.attempt >= old.attempt or _is_given_back(old, new), (old, new)


def check_leases(before: Snapshot, after: Snapshot, *, now: datetime, holder: Container[UUID]) -> None:
    """What is leased stays with its holder; only the holder itself ends that early."""
    for row_id, old in before.deliveries.items():
        if old.lease_until is not None and old.lease_until >= now and row_id not in holder:
            assert after.deliveries[row_id] == old, "a live lease was stolen"


def check_tenants(before: Snapshot, after: Snapshot, actor: UUID) -> None:
    """Who acts for one tenant moves nothing of another."""
    assert _of_others(before, actor) == _of_others(after, actor)


def check_accounts(now: Snapshot) -> None:
    """No delivery without its event, and none of another tenant's."""
    for row in now.deliveries.values():
        assert now.events[row.event_id].tenant_id == row.tenant_id


def _whose(row: Row) -> tuple[UUID, UUID, UUID]:
    return row.tenant_id, row.event_id, row.integration_id


def _is_given_back(old: Row, new: Row) -> bool:
    return old.status == "sending" and new.attempt == old.attempt - 1 and new.token is None


def _of_others(snapshot: Snapshot, actor: UUID) -> list[object]:
    rows = [row for row in snapshot.deliveries.values() if row.tenant_id != actor]
    told = [row for row in snapshot.events.values() if row.tenant_id != actor]
    return [rows, told]
