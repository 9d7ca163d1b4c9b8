"""An integration's secrets as they lie in its encrypted column."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from postrider.domain.integration import Integration
from postrider.domain.signature import RetiredSecret

from .secrets import SecretBox

_CONFIGURATION, _SIGNING, _RETIRED, _EXTRAS = "configuration", "signing_secret", "retired_secrets", "extras"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the column holds."""

    configuration: Mapping[str, Any] = field(repr=False)
    """The configuration's secret fields."""
    signing_secret: str = field(repr=False)
    retired: tuple[RetiredSecret, ...] = field(repr=False)
    extras: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What other systems' APIs add."""


NO_SECRETS = Secrets({}, "", ())


def lock(box: SecretBox, integration: Integration, secret_names: AbstractSet[str]) -> str:
    """Encrypt an integration's secrets."""
    hidden = {name: value for name, value in integration.configuration.items() if name in secret_names}
    retired = [[one.secret, one.until.isoformat()] for one in integration.retired_secrets]
    extras = {_EXTRAS: integration.extra_secrets} if integration.extra_secrets else {}
    return box.lock({_CONFIGURATION: hidden, _SIGNING: integration.signing_secret, _RETIRED: retired, **extras})


def unlock(box: SecretBox, locked: str) -> Secrets:
    """Decrypt an integration's secrets; SecretUnreadable when no key fits."""
    opened = box.open(locked)
    retired = (RetiredSecret(secret, datetime.fromisoformat(until)) for secret, until in opened[_RETIRED])
    return Secrets(opened[_CONFIGURATION], opened[_SIGNING], tuple(retired), opened.get(_EXTRAS, {}))
