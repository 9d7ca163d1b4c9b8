"""The listeners of an integration: what CxEngage's clients hang below one, each with event types of its own.

What its active listeners observe, the integration observes too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from postrider.control.texts import LONGEST_NAME
from postrider.domain.access import Caller
from postrider.domain.errors import Conflict, InvalidInput, NotFound
from postrider.domain.integration import Integration

from .properties import SYSTEM, truth

MOST_LISTENERS = 100

Listener = dict[str, Any]
"""As it is stored and shown."""


def of(integration: Integration) -> list[Listener]:
    """List an integration's listeners, oldest first."""
    return list(integration.extras.get(SYSTEM, {}).get("listeners", []))


def one_of(integration: Integration, listener_id: UUID) -> Listener:
    """Find a listener; raises NotFound."""
    for listener in of(integration):
        if listener["id"] == str(listener_id):
            return listener
    raise NotFound(f"there is no listener {listener_id} of this integration")


def made(given: Mapping[str, Any], *, listener_id: UUID, caller: Caller, now: datetime) -> Listener:
    """Make a listener of what a client gave."""
    if "name" not in given:
        raise InvalidInput("name", "name: is required")
    blank = {"active": False, "properties": {}, "listenerType": "", "observes": []}
    moment, who = time_of(now), str(caller.api_key_id)
    return {
        "id": str(listener_id),
        **blank,
        **_read(given),
        "created": moment,
        "createdBy": who,
        "updated": moment,
        "updatedBy": who,
    }


def changed(listener: Listener, given: Mapping[str, Any], *, caller: Caller, now: datetime) -> Listener:
    """Change what a client gave of a listener."""
    return {**listener, **_read(given), "updated": time_of(now), "updatedBy": str(caller.api_key_id)}


def with_one(listeners: Sequence[Listener], new: Listener) -> list[Listener]:
    """Put a listener in the place of the one with its id, or at the end; Conflict when there are too many."""
    kept = [new if one["id"] == new["id"] else one for one in listeners]
    if new in kept:
        return kept
    if len(kept) >= MOST_LISTENERS:
        raise Conflict(f"an integration has at most {MOST_LISTENERS} listeners")
    return [*kept, new]


def observed(own: Sequence[str], listeners: Sequence[Listener]) -> tuple[list[str], list[str]]:
    """Tell what an integration is to observe, and what of it only because its listeners do."""
    wanted = dict.fromkeys(name for one in listeners if one["active"] for name in one["observes"])
    more = [name for name in wanted if name not in own]
    return [*own, *more], more


def own_of(integration: Integration) -> list[str]:
    """List what an integration observes whatever its listeners do."""
    theirs = integration.extras.get(SYSTEM, {}).get("observed_by_listeners", [])
    return [name for name in integration.observes if name not in theirs]


def time_of(moment: datetime) -> str:
    """Write a moment as CxEngage does, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check what was given; whether event types are known is asked where the integration is changed."""
    read: dict[str, Any] = {}
    for name in ("name", "listenerType"):
        if name in given:
            read[name] = _text(name, given[name])
    if "name" in read and not read["name"].strip():
        raise InvalidInput("name", "name: must not be empty")
    if "active" in given:
        read["active"] = truth("active", given["active"])
    if "properties" in given:
        read["properties"] = _object(given["properties"])
    if "observes" in given:
        read["observes"] = _names(given["observes"])
    return read


def _text(name: str, given: object) -> str:
    if not isinstance(given, str) or len(given) > LONGEST_NAME:
        raise InvalidInput(name, f"{name}: must be text of up to {LONGEST_NAME} characters")
    return given


def _object(given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidInput("properties", "properties: must be an object")
    return dict(given)


def _names(given: object) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise InvalidInput("observes", "observes: must be a list of event types")
    return list(dict.fromkeys(given))
