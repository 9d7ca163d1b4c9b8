"""How an integration stands, in one word: the API and the pages say the same."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from postrider.domain.breaker import State
from postrider.store.health import SECRETS_UNREADABLE, Health


class IntegrationState(StrEnum):
    """What an integration's deliveries can expect now."""

    HEALTHY = "healthy"
    FAILING = "failing"
    """Nothing arrived since the last failure."""
    PARKED = "parked"
    """It kept failing: one delivery at a time is let through, as a probe."""
    DISABLED = "disabled"
    SECRETS_UNREADABLE = SECRETS_UNREADABLE


def state_of(health: Health, *, enabled: bool, secrets_unreadable: bool = False, now: datetime) -> IntegrationState:
    """Tell the state; `secrets_unreadable` of who has just tried to read them."""
    if not enabled:
        return IntegrationState.DISABLED
    if secrets_unreadable or health.secrets_unreadable:
        return IntegrationState.SECRETS_UNREADABLE
    if health.breaker.state(now) is not State.CLOSED:
        return IntegrationState.PARKED
    return IntegrationState.HEALTHY if health.failing_since is None else IntegrationState.FAILING
