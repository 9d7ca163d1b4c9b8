"""What outcomes say of the far side: noted for people, and acted on when it is gone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from postrider.domain.integration import Integration
from postrider.domain.news import integration_news
from postrider.domain.outcome import Outcome, Verdict
from postrider.services import Services
from postrider.store import events, integrations

NOTE_SUCCESS_SECONDS = 10.0
NEWS_AFTER_FAILURES = 10
"""A success after this many failures in a row is news: the integration has recovered."""

log = structlog.get_logger()


@dataclass(slots=True)
class HealthNotes:
    """The notes that one drain makes; written on change, so that a busy integration's row stays quiet."""

    services: Services
    integration_id: UUID
    _noted_success: float = 0.0
    _failing: bool = True

    def note(self, integration: Integration, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Note the outcomes of one settle; publish it when the far side is well again after a row of failures."""
        failed = [outcome for outcome in outcomes if outcome.verdict is not Verdict.DELIVERED]
        if len(failed) < len(outcomes):
            self._note_success(integration, now)
        if failed:
            self._failing = True
            with self.services.database.write_once() as tx:
                integrations.any_tenant_failed(
                    tx, self.integration_id, failures=len(failed), error=failed[-1].error, now=now
                )

    def _note_success(self, integration: Integration, now: datetime) -> None:
        if not self._failing and time.monotonic() < self._noted_success + NOTE_SUCCESS_SECONDS:
            return
        with self.services.database.write() as tx:
            ended = integrations.any_tenant_succeeded(tx, self.integration_id, now=now)
            if ended >= NEWS_AFTER_FAILURES:
                events.add(tx, [integration_news(self.services.ids.new(), integration, "recovered", now=now)])
        if ended >= NEWS_AFTER_FAILURES:
            log.info("integration.recovered", integration_id=str(integration.id), failures=ended)
            self.services.ring.fan_out()
        self._failing, self._noted_success = False, time.monotonic()


def disable(services: Services, integration: Integration, *, reason: str, now: datetime) -> bool:
    """Switch an integration off and publish that; False when it was off, or was changed since it was read."""
    with services.database.write() as tx:
        if not integrations.any_tenant_disable(tx, integration.id, version=integration.version, reason=reason, now=now):
            return False
        events.add(tx, [integration_news(services.ids.new(), integration, "disabled", reason=reason, now=now)])
    log.warning("integration.disabled", integration_id=str(integration.id), reason=reason)
    services.ring.fan_out()
    return True
