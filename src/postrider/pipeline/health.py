"""What outcomes say of the far side: noted for people, and acted on when it is in trouble, well again or gone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from postrider.domain.access import POSTRIDER
from postrider.domain.audit import Action, shown
from postrider.domain.breaker import (
    CLOSED,
    OPEN_AFTER,
    Breaker,
    State,
    after_failures,
    is_given_up,
    speaks_of_endpoint,
)
from postrider.domain.integration import Integration
from postrider.domain.news import integration_news
from postrider.domain.outcome import Outcome, Verdict
from postrider.services import Services
from postrider.store import events, health, integrations
from postrider.store.health import NO_HEALTH, Health

NOTE_SUCCESS_SECONDS = 10.0
UNREADABLE_AGAIN_SECONDS = 60.0
"""The time between two notes that an integration's secrets cannot be read."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """An outcome, and the integration as it was when its attempt began."""

    integration: Integration
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Standing:
    """What a drain is to do after its outcomes were noted."""

    opened: bool = False
    """The breaker has just opened: give back what no byte was sent of."""
    recovered: bool = False
    """It has just closed: go on."""


@dataclass(slots=True)
class HealthNotes:
    """The notes that one drain makes; written on change, so that a busy integration's row stays quiet."""

    services: Services
    integration_id: UUID
    _noted_success: float = 0.0
    _failing: bool = True
    _noted_unreadable: float = -UNREADABLE_AGAIN_SECONDS

    def note(self, told: Sequence[Told], now: datetime, *, probe: bool) -> Standing:
        """Note the outcomes of one settle, in the order of their landing; `probe`: the breaker's probe is among them.

        An integration whose far side is gone, or did nothing but fail for days, is switched off.
        """
        if gone := [one.integration for one in told if one.outcome.gone]:
            self._note_failures(told, now, probe=probe)
            disable(self.services, gone[-1], reason="gone", now=now)
            return Standing()
        recovered = False
        if any(one.outcome.verdict is Verdict.DELIVERED for one in told):
            recovered = self._note_success(told[-1].integration, now, always=probe)
            probe = False
        if all(one.outcome.verdict is Verdict.DELIVERED for one in told):
            return Standing(recovered=recovered)
        stands, opened = self._note_failures(told, now, probe=probe)
        if is_given_up(stands.failures_in_row, stands.failing_since, now):
            disable(self.services, told[-1].integration, reason="failing", now=now)
        return Standing(opened=opened, recovered=recovered and not opened)

    def secrets_unreadable(self) -> None:
        """Note that nothing can be sent because no key opens the integration's secrets."""
        # The next success is news, and it is looked for again each second: said once in a while.
        self._failing = True
        if time.monotonic() < self._noted_unreadable + UNREADABLE_AGAIN_SECONDS:
            return
        with self.services.database.write_once() as tx:
            health.any_tenant_unreadable(tx, self.integration_id, now=self.services.clock.now())
        log.error("integration.secrets_unreadable", integration_id=str(self.integration_id))
        self._noted_unreadable = time.monotonic()

    def _note_success(self, integration: Integration, now: datetime, *, always: bool) -> bool:
        if not always and not self._failing and time.monotonic() < self._noted_success + NOTE_SUCCESS_SECONDS:
            return False
        with self.services.database.write() as tx:
            before = health.any_tenant_succeeded(tx, self.integration_id, now=now)
            recovered = before.failures_in_row >= OPEN_AFTER or before.breaker.opened_at is not None
            if recovered:
                events.add(tx, [integration_news(self.services.ids.new(), integration, "recovered", now=now)])
        if recovered:
            log.info("integration.recovered", integration_id=str(integration.id), failures=before.failures_in_row)
            self.services.ring.fan_out()
        self._failing, self._noted_success = False, time.monotonic()
        return recovered

    def _note_failures(self, told: Sequence[Told], now: datetime, *, probe: bool) -> tuple[Health, bool]:
        """Count the failures after the last success; tell how the integration stands, and whether that opened it."""
        self._failing = True
        failed = _after_last_success([one.outcome for one in told])
        if not failed:
            # What failed was followed by a success: it is no row of failures.
            return NO_HEALTH, False
        with self.services.database.write() as tx:
            before = health.any_tenant_hold(tx, self.integration_id)
            breaker = self._breaker(before.breaker, failed, now, probe=probe)
            stands = health.any_tenant_failed(
                tx,
                self.integration_id,
                before=before,
                failures=len(failed),
                error=failed[-1].error,
                breaker=breaker,
                now=now,
            )
        opened = before.breaker.opened_at is None and breaker.opened_at is not None
        if opened or (probe and breaker.opened_at is not None):
            self._tell(breaker, failed[-1].error)
        return stands, opened

    def _breaker(self, before: Breaker, failed: Sequence[Outcome], now: datetime, *, probe: bool) -> Breaker:
        speaking = sum(speaks_of_endpoint(outcome) for outcome in failed)
        if speaking:
            return after_failures(before, speaking, probe=probe, now=now, randomness=self.services.random.random())
        # The probe was answered, if with a refusal: somebody is there again.
        return CLOSED if probe and before.state(now) is not State.CLOSED else before

    def _tell(self, breaker: Breaker, error: str) -> None:
        assert breaker.parked_until is not None  # noqa: S101 - it is open
        log.warning(
            "integration.parked",
            integration_id=str(self.integration_id),
            failures=breaker.failures,
            error=error,
            probe_at=breaker.parked_until.isoformat(),
        )


def _after_last_success(outcomes: Sequence[Outcome]) -> list[Outcome]:
    last = max((place for place, one in enumerate(outcomes) if one.verdict is Verdict.DELIVERED), default=-1)
    return list(outcomes[last + 1 :])


def disable(services: Services, integration: Integration, *, reason: str, now: datetime) -> bool:
    """Switch an integration off and publish that; False when it was off, or was changed since it was read."""
    with services.change(POSTRIDER) as change:
        tx = change.tx
        if not integrations.any_tenant_disable(tx, integration.id, version=integration.version, reason=reason, now=now):
            return False
        told = (shown("enabled", old=True, new=False), shown("disabled_reason", "", reason))
        change.record(integration.tenant_id, Action.INTEGRATION_DISABLED, integration.id, told)
        events.add(tx, [integration_news(services.ids.new(), integration, "disabled", reason=reason, now=now)])
    log.warning("integration.disabled", integration_id=str(integration.id), reason=reason)
    services.ring.fan_out()
    return True
