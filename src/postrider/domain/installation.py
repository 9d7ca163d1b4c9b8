"""An integration that is installed step by step, as integrator.io has it: what it asks for, and when it rests.

What that system says of it is its member of the integration's extras, under that system's own names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from .catalogue import INSTALL_STEP_REQUESTED, UNINSTALL_STEP_REQUESTED
from .integration import Integration

SYSTEM = "integrator"
"""The member of the extras."""
_ID_DIGITS = 24


class Mode(StrEnum):
    """How far an integration is."""

    INSTALL = "install"
    SETTINGS = "settings"
    """It is installed."""
    UNINSTALL = "uninstall"


STEP_EVENTS = {
    Mode.INSTALL: ("installerFunction", INSTALL_STEP_REQUESTED),
    Mode.UNINSTALL: ("uninstallerFunction", UNINSTALL_STEP_REQUESTED),
}
"""The step's member that names what is to be done, and the event that asks for it."""


def said(extras: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what that system said of an integration."""
    found: Mapping[str, Any] = extras.get(SYSTEM, {})
    return found


def unfinished(steps: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a step is left to do."""
    return any(not step.get("completed", False) for step in steps)


def installing(extras: Mapping[str, Any]) -> bool:
    """Tell whether the integration is still being installed, and so gets nothing."""
    found = said(extras)
    return found.get("mode") == Mode.INSTALL and unfinished(found.get("install", ()))


def short_id(integration: Integration) -> str:
    """Give the id by which integrator.io's clients know an integration: the first 24 hexadecimal digits of its own."""
    return integration.id.hex[:_ID_DIGITS]


def step_document(integration: Integration, index: int) -> dict[str, Any]:
    """Write which step of an integration is asked for; its mode is one that has steps to ask for."""
    found = said(integration.extras)
    step = found["install"][index]
    function, _ = STEP_EVENTS[found["mode"]]
    members = {
        "type": f"{found['mode']}-step",
        "integration": _reference(integration),
        "step": index,
        "name": step["name"],
        "function": step[function],
        "_connectionId": step.get("_connectionId"),
        "version": found.get("version"),
    }
    return {name: value for name, value in members.items() if value is not None}


def settings_document(integration: Integration) -> dict[str, Any]:
    """Write an integration's settings as they are now."""
    found = said(integration.extras)
    return {
        "type": "integration-settings",
        "integration": _reference(integration),
        "settings": found.get("settings"),
        "version": found.get("version"),
    }


def _reference(integration: Integration) -> dict[str, str]:
    return {
        "type": "integration",
        "id": str(integration.id),
        "_id": short_id(integration),
        "name": integration.name,
    }
