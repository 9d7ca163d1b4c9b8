"""What the audit log tells: who changed what, and values only of what is harmless."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from .access import Actor
from .integration import Integration

MOST_OBSERVED = 100
"""How many entries of `observes` a record repeats."""
_URL = "url"


class ObjectType(StrEnum):
    """What can be changed."""

    INTEGRATION = "integration"
    API_KEY = "api-key"
    TENANT = "tenant"
    EVENT_TYPE = "event-type"
    EVENT = "event"
    DELIVERY = "delivery"
    JOB = "job"


class Action(StrEnum):
    """What was done, as the type of what it was done to and a verb."""

    INTEGRATION_CREATED = "integration.created"
    INTEGRATION_UPDATED = "integration.updated"
    INTEGRATION_ENABLED = "integration.enabled"
    INTEGRATION_DISABLED = "integration.disabled"
    INTEGRATION_SECRET_ROTATED = "integration.secret_rotated"  # noqa: S105 - a word, not a secret
    INTEGRATION_TESTED = "integration.tested"
    INTEGRATION_STEP_REQUESTED = "integration.step_requested"
    INTEGRATION_DELETED = "integration.deleted"
    API_KEY_CREATED = "api-key.created"
    API_KEY_CHANGED = "api-key.changed"
    API_KEY_REVOKED = "api-key.revoked"
    TENANT_CREATED = "tenant.created"
    EVENT_TYPE_ADDED = "event-type.added"
    EVENT_REPLAYED = "event.replayed"
    EVENT_RESENT = "event.resent"
    DELIVERY_REDRIVEN = "delivery.redriven"
    DELIVERY_CANCELLED = "delivery.cancelled"
    DELIVERY_DISCARDED = "delivery.discarded"
    DELIVERY_DISCARD_UNDONE = "delivery.discard_undone"
    JOB_REDRIVE_STARTED = "job.redrive_started"
    JOB_DISCARD_STARTED = "job.discard_started"
    JOB_UNDO_STARTED = "job.undo_started"
    JOB_PAUSED = "job.paused"
    JOB_RESUMED = "job.resumed"
    JOB_CANCELLED = "job.cancelled"

    @property
    def object_type(self) -> ObjectType:
        """What it is done to."""
        return ObjectType(self.value.partition(".")[0])


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that changed."""

    field: str
    shown: bool = False
    """Whether its values are harmless, and so told."""
    old: Any = None
    new: Any = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: who made it, to what, when and from where."""

    id: UUID
    tenant_id: UUID
    """Whose thing it is, which need not be the actor's tenant."""
    action: Action
    object_id: str
    actor: Actor
    changes: tuple[FieldChange, ...]
    created_at: datetime


def shown(field: str, old: Any, new: Any) -> FieldChange:
    """Tell a harmless field with its values."""
    return FieldChange(field, shown=True, old=old, new=new)


def integration_changes(
    old: Integration | None, new: Integration, *, secret_names: Collection[str]
) -> tuple[FieldChange, ...]:
    """Tell what differs between two states of an integration; without an old one, what the new one has.

    Values are told of its name, type, switch and `observes`, and of where a URL leads.
    """
    return (
        *_plain_changes(old, new),
        *_configuration_changes(old, new, set(secret_names)),
        *(FieldChange(name) for name in ("description", "signing_secret") if _differs(old, new, name)),
        *([FieldChange("delivery")] if old is not None and old.policy != new.policy else []),
        *(FieldChange(f"extras.{system}") for system in _changed_extras(old, new)),
    )


def plain_url(url: str) -> str | None:
    """Give a URL's scheme, host and port; None for what is no absolute URL.

    Many receivers know their senders by a secret in the path, so that is only hinted at.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2]
    if not parts.scheme or not host:
        return None
    return f"{parts.scheme}://{host}{'/…' if parts.path.strip('/') else '/'}"


def _plain_changes(old: Integration | None, new: Integration) -> Iterable[FieldChange]:
    for name in ("name", "integration_type", "enabled", "disabled_reason"):
        if _differs(old, new, name):
            yield shown(name, getattr(old, name, None), getattr(new, name))
    if _differs(old, new, "observes"):
        yield shown("observes", _first(old.observes) if old else None, _first(new.observes))


def _configuration_changes(old: Integration | None, new: Integration, secret: set[str]) -> Iterable[FieldChange]:
    before = old.configuration if old else {}
    after = new.configuration
    for name in sorted({*before, *after}):
        if before.get(name) == after.get(name):
            continue
        if name == _URL and name not in secret:
            yield shown(f"configuration.{name}", _shown_url(before.get(name)), _shown_url(after.get(name)))
        else:
            yield FieldChange(f"configuration.{name}")


def _changed_extras(old: Integration | None, new: Integration) -> list[str]:
    states = [(one.extras, one.extra_secrets) if one else ({}, {}) for one in (old, new)]
    systems = {system for state in states for members in state for system in members}
    of = [{system: [members.get(system) for members in state] for system in systems} for state in states]
    return sorted(system for system in systems if of[0][system] != of[1][system])


def _differs(old: Integration | None, new: Integration, name: str) -> bool:
    return getattr(new, name) not in {"", None} if old is None else getattr(old, name) != getattr(new, name)


def _first(observes: tuple[str, ...]) -> list[str]:
    return [*observes[:MOST_OBSERVED], *(["…"] if len(observes) > MOST_OBSERVED else [])]


def _shown_url(value: object) -> str | None:
    return plain_url(value) if isinstance(value, str) else None
