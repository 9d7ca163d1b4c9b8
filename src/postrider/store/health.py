"""How integrations have been doing: their failures, breakers and rates, in a table of its own, written on change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, bindparam, or_, select, update

from postrider.domain.breaker import CLOSED, Breaker

from .engine import Transaction
from .tables import deliveries, integration_state

_STATE = integration_state.c
_ONCE_IN = timedelta(seconds=10)
SECRETS_UNREADABLE = "secrets_unreadable"
"""The error of an integration for which nothing can be sent, because no configured key opens its secrets."""


@dataclass(frozen=True, slots=True)
class Health:
    """How an integration has been doing."""

    failures_in_row: int = 0
    """Of any kind; `breaker.failures` counts only those that speak of the endpoint."""
    failing_since: datetime | None = None
    breaker: Breaker = CLOSED
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_error: str = ""

    @property
    def secrets_unreadable(self) -> bool:
        """Tell whether a worker could not read the secrets, and nothing was delivered since."""
        if self.last_error != SECRETS_UNREADABLE or self.last_failure_at is None:
            return False
        return self.last_success_at is None or self.last_success_at < self.last_failure_at


NO_HEALTH = Health()
FAILS = or_(
    _STATE.failing_since.is_not(None),
    _STATE.breaker_opened_at.is_not(None),
    (_STATE.last_error == SECRETS_UNREADABLE)
    & (_STATE.last_success_at.is_(None) | (_STATE.last_success_at < _STATE.last_failure_at)),
)
"""Says in SQL that nothing arrived since the last failure, or that the secrets could not be read."""


def _all() -> Select[Any]:
    return select(
        _STATE.integration_id,
        _STATE.failures_in_row,
        _STATE.failing_since,
        _STATE.breaker_failures,
        _STATE.breaker_opened_at,
        _STATE.parked_until,
        _STATE.breaker_probes,
        _STATE.last_success_at,
        _STATE.last_failure_at,
        _STATE.last_error,
    )


def _health(row: Row[Any]) -> Health:
    values = row._asdict()
    return Health(
        failures_in_row=values["failures_in_row"],
        failing_since=values["failing_since"],
        breaker=Breaker(
            failures=values["breaker_failures"],
            opened_at=values["breaker_opened_at"],
            parked_until=values["parked_until"],
            probes=values["breaker_probes"],
        ),
        last_success_at=values["last_success_at"],
        last_failure_at=values["last_failure_at"],
        last_error=values["last_error"],
    )


def of(tx: Transaction, integration_ids: Sequence[UUID]) -> dict[UUID, Health]:
    """Read the health of integrations by id."""
    query = _all().where(_STATE.integration_id.in_(integration_ids))
    return {row[0]: _health(row) for row in tx.execute(query)}


_MINE = _STATE.integration_id == bindparam("integration")
_LOOK = _all().where(_MINE)
_HOLD = _LOOK.with_for_update()


def any_tenant_hold(tx: Transaction, integration_id: UUID) -> Health:
    """Read an integration's health and keep it from others until the transaction ends."""
    row = tx.execute(_HOLD, {"integration": integration_id}).one_or_none()
    return NO_HEALTH if row is None else _health(row)


def any_tenant_breaker(tx: Transaction, integration_id: UUID) -> Breaker:
    """Read an integration's breaker."""
    row = tx.execute(_LOOK, {"integration": integration_id}).one_or_none()
    return CLOSED if row is None else _health(row).breaker


_CHANGE = update(integration_state).where(_MINE)
"""What it is changed to is named by its columns when it is run."""


def any_tenant_set_breaker(tx: Transaction, integration_id: UUID, breaker: Breaker) -> None:
    """Write an integration's breaker, which was held before."""
    tx.execute(_CHANGE, {"integration": integration_id, **_columns(breaker)})


_HOLD_FAILING = _HOLD.where(_STATE.failing_since.is_not(None))
_NOTE_SUCCESS = _CHANGE.where(
    or_(
        _STATE.last_success_at.is_(None),
        _STATE.last_success_at < bindparam("a_while_ago"),
        _STATE.last_error == SECRETS_UNREADABLE,
    )
).values(last_success_at=bindparam("now"))


def any_tenant_succeeded(tx: Transaction, integration_id: UUID, *, now: datetime) -> Health:
    """Note that the far side took something, and tell how it stood before; a breaker that was open is closed.

    Written on change, and else at most once in ten seconds, so that a busy integration's row stays quiet.
    """
    before = tx.execute(_HOLD_FAILING, {"integration": integration_id}).one_or_none()
    if before is not None:
        well = {"failures_in_row": 0, "failing_since": None, "last_success_at": now, **_columns(CLOSED)}
        tx.execute(_CHANGE, {"integration": integration_id, **well})
        return _health(before)
    tx.execute(_NOTE_SUCCESS, {"integration": integration_id, "now": now, "a_while_ago": now - _ONCE_IN})
    return NO_HEALTH


def any_tenant_failed(
    tx: Transaction, integration_id: UUID, *, before: Health, failures: int, error: str, breaker: Breaker, now: datetime
) -> Health:
    """Note failures of any kind with no success after them; `before` was held. Gives how it stands now."""
    stands = Health(
        failures_in_row=before.failures_in_row + failures,
        failing_since=before.failing_since or now,
        breaker=breaker,
        last_success_at=before.last_success_at,
        last_failure_at=now,
        last_error=error,
    )
    tx.execute(
        _CHANGE,
        {
            "integration": integration_id,
            "failures_in_row": stands.failures_in_row,
            "failing_since": stands.failing_since,
            "last_failure_at": now,
            "last_error": error,
            **_columns(breaker),
        },
    )
    return stands


def any_tenant_unreadable(tx: Transaction, integration_id: UUID, *, now: datetime) -> None:
    """Note that nothing can be sent because no key opens the secrets; the far side has not failed."""
    mine = _STATE.integration_id == integration_id
    tx.execute(update(integration_state).where(mine).values(last_failure_at=now, last_error=SECRETS_UNREADABLE))


def any_tenant_start_afresh(tx: Transaction, integration_id: UUID) -> None:
    """Forget the failures of an integration that a person has mended or switched on, so that it is tried at once."""
    tx.execute(
        update(integration_state)
        .where(_STATE.integration_id == integration_id)
        .values(failures_in_row=0, failing_since=None, next_free_at=None, **_columns(CLOSED))
    )


def any_tenant_probe_now(tx: Transaction, delivery_ids: Sequence[UUID], *, now: datetime) -> None:
    """Let parked integrations of these deliveries have their probe at once: a person asked for it."""
    meant = select(deliveries.c.integration_id).where(deliveries.c.id.in_(delivery_ids))
    tx.execute(
        update(integration_state)
        .where(_STATE.integration_id.in_(meant), _STATE.parked_until > now)
        .values(parked_until=now)
    )


_HOLD_NEXT_FREE = select(_STATE.next_free_at).where(_MINE).with_for_update()


def any_tenant_next_free(tx: Transaction, integration_id: UUID) -> datetime | None:
    """Read when an integration with a rate may be tried again, and keep it from others until the transaction ends."""
    return tx.execute(_HOLD_NEXT_FREE, {"integration": integration_id}).scalar_one_or_none()


def any_tenant_set_next_free(tx: Transaction, integration_id: UUID, moment: datetime) -> None:
    """Write when an integration with a rate may be tried again."""
    tx.execute(_CHANGE, {"integration": integration_id, "next_free_at": moment})


def any_tenant_forget_rate(tx: Transaction, integration_id: UUID) -> None:
    """Let an integration be tried now, whatever its rate was."""
    tx.execute(update(integration_state).where(_STATE.integration_id == integration_id).values(next_free_at=None))


def rests(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Say in SQL that an integration is not to be tried now: it is parked, or its rate has no attempt free."""
    return or_(is_parked(now), _STATE.next_free_at > now)


def is_parked(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Say in SQL that an integration kept failing and is left alone."""
    return _STATE.parked_until > now


def _columns(breaker: Breaker) -> dict[str, object]:
    return {
        "breaker_failures": breaker.failures,
        "breaker_opened_at": breaker.opened_at,
        "parked_until": breaker.parked_until,
        "breaker_probes": breaker.probes,
    }
