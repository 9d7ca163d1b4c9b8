"""An integration: where a tenant wants which events, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from .signature import RetiredSecret

DEFAULT_WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000))
"""The Standard Webhooks schedule: eight attempts over 28 hours."""

ANY_2XX = ((200, 299),)

NOWHERE = "https://nowhere.invalid/"
"""The URL of an integration of which a client has not said where it goes: a reserved name, which leads to nobody."""


def goes_nowhere(configuration: object) -> bool:
    """Tell whether it is not said yet where events go by this configuration; then none may be sent."""
    return isinstance(configuration, Mapping) and configuration.get("url") == NOWHERE


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """How hard to try, for one integration."""

    timeout: timedelta = timedelta(seconds=10)
    """For a whole attempt, from the first byte out to the last byte in (Elastic Path's ten seconds)."""
    retry_waits: tuple[timedelta, ...] = DEFAULT_WAITS
    """The wait after each failed attempt; when they are used up the delivery is dead."""
    success_statuses: tuple[tuple[int, int], ...] = ANY_2XX
    """Inclusive ranges of HTTP statuses that mean delivered."""
    max_in_flight: int = 256
    """How many attempts may be under way at once, over all workers."""
    rate_limit: float | None = None
    """Attempts a second; None: as fast as the far side answers."""


@dataclass(frozen=True, slots=True)
class Integration:
    """A tenant's wish to be told, with its secrets in clear: never log it, never show it unmasked."""

    id: UUID
    tenant_id: UUID
    integration_type: str
    name: str
    description: str
    enabled: bool
    observes: tuple[str, ...]
    configuration: Mapping[str, Any] = field(repr=False)
    policy: DeliveryPolicy
    signing_secret: str = field(repr=False)
    """`whsec_` and base64, for the Standard Webhooks signature."""
    version: int
    """Counts up with every change, so that workers know when to read it again."""
    created_at: datetime
    updated_at: datetime
    disabled_reason: str = ""
    """Why Postrider switched it off by itself; empty when a person did."""
    retired_secrets: tuple[RetiredSecret, ...] = field(default=(), repr=False)
    """Signing secrets that were replaced, newest first; some may have ended since."""
    secrets_unreadable: bool = False
    """No configured key opens its secrets: they are not here, and nothing may be sent for it."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """What other systems' APIs say of it beside what ours does, a member for each system."""
    extra_secrets: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What of that is secret."""
