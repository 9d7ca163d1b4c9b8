"""integrator.io's integration and ours: what is given made ours, and ours shown as that system shows it.

Members that it has no word for are ours by our names: type, configuration, observes, delivery and enabled. It has none
for a switch either: an integration is on, but while it is installed, or until it is said where its events go.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postrider.control import integrations
from postrider.control.given import LONGEST_DESCRIPTION, TYPE
from postrider.control.integrations import DEFAULT_TYPE, Beside
from postrider.control.texts import LONGEST_NAME
from postrider.domain.errors import InvalidInput
from postrider.domain.installation import SYSTEM, installing, said, short_id
from postrider.domain.integration import NOWHERE as NOWHERE_URL
from postrider.domain.integration import Integration, goes_nowhere
from postrider.domain.news import policy_document, timestamp
from postrider.services import Services
from postrider.transports.configuration import secret_fields

from . import members
from .errors import ConnectionMapRefused, UpdateInProgress

NOWHERE = {"url": NOWHERE_URL}
"""Where a webhook goes of which nobody said where; never shown, and never sent to."""
_WANTED = "enabled"
"""Among what is kept: whether it is to be on when it may be. Never shown."""
_OURS = ("observes", "delivery", "configuration")
_DESCRIPTION = "description"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be stored, as `control` takes it."""

    data: dict[str, Any]
    kept: dict[str, Any]

    def beside(self, **more: Any) -> Beside:
        """Give what is kept, with more that is done beside."""
        return Beside({SYSTEM: self.kept}, **more)


def new(body: object) -> Wish:
    """Read what is to become an integration; InvalidInput names the first wrong member."""
    given = _object(body)
    data = _data(given)
    if "configuration" not in data and data.get("integration_type", DEFAULT_TYPE) == DEFAULT_TYPE:
        data["configuration"] = NOWHERE
    # A type whose configuration is missing is told what it needs.
    data.setdefault("configuration", {})
    return _held(data, members.kept(given), wanted=_switch(given, absent=True), goes_to=data["configuration"])


def replaced(body: object, before: Integration) -> Wish:
    """Read what is to stand in an integration's place.

    Of what integrator.io's clients may not know, and of what they read more than write - `mode`, `updateInProgress` -
    that stays which is not given. Raises InvalidInput, and UpdateInProgress where settings may not change.
    """
    given, was = _object(body), said(before.extras)
    kept = {name: was[name] for name in ("mode", "updateInProgress") if name in was} | members.kept(given)
    if was.get("updateInProgress") and kept.get("settings") != was.get("settings"):
        raise UpdateInProgress(
            "settings", "settings: cannot change while updateInProgress is true; set it to false first"
        )
    data = {"description": "", **_data(given)}
    wanted = _switch(given, absent=_wanted(before))
    return _held(data, kept, wanted=wanted, goes_to=data.get("configuration", before.configuration))


def cloned(services: Services, body: object, original: Integration) -> Wish:
    """Read what is to be another of a copy, and copy the rest: all but secrets, which are to be given anew.

    The copy is off unless it is wanted on, so that nothing is sent twice. Raises InvalidInput.
    """
    given = {_DESCRIPTION: _description(original), **_object(body)}
    kept = copy.deepcopy({name: value for name, value in said(original.extras).items() if name in members.NAMES})
    kept.pop("updateInProgress", None)
    _reconnect(kept.get("install", []), _connection_map(given))
    secret = _secrets(services, original)
    plain = {name: value for name, value in original.configuration.items() if name not in secret}
    configuration = given.get("configuration") or {}
    if not isinstance(configuration, dict):
        raise InvalidInput("configuration", "configuration: must be an object")
    data = {
        "type": TYPE,
        "name": f"Clone - {original.name}"[:LONGEST_NAME],
        "description": given[_DESCRIPTION],
        "integration_type": original.integration_type,
        "observes": list(original.observes),
        "delivery": policy_document(original.policy),
        **{name: given[name] for name in ("name", "observes", "delivery") if given.get(name) is not None},
        "configuration": {**plain, **configuration},
    }
    needed = sorted(secret & original.configuration.keys() - data["configuration"].keys())
    wanted = _switch(given, absent=_rests(original) and _wanted(original) and not needed)
    if wanted and needed:
        name = needed[0]
        raise InvalidInput(f"configuration.{name}", f"{name}: is required anew before a clone can be enabled")
    return _held(data, kept, wanted=wanted, goes_to=data["configuration"])


def document(services: Services, integration: Integration, *, for_writer: bool) -> dict[str, Any]:
    """Write an integration, its secrets masked for whoever reads it."""
    ours = integrations.document(services, integration, for_writer=for_writer)
    shown = {
        "_id": short_id(integration),
        "lastModified": timestamp(integration.updated_at),
        "createdAt": timestamp(integration.created_at),
        "name": integration.name,
        "description": _description(integration) or None,
        **{name: said(integration.extras).get(name) for name in members.NAMES},
        "type": integration.integration_type,
        # Put back as it was read, it would pass for what is wanted.
        "enabled": None if _rests(integration) else integration.enabled,
        **{name: ours[name] for name in _OURS},
    }
    if goes_nowhere(integration.configuration):
        del shown["configuration"]
    return {name: value for name, value in shown.items() if value is not None}


def manifest(services: Services, original: Integration, made: Integration) -> list[dict[str, Any]]:
    """List what a clone consists of, and which secrets of the original it still lacks."""
    missing = sorted(_secrets(services, original) & original.configuration.keys() - made.configuration.keys())
    needed = {"secretsNeeded": [f"configuration.{name}" for name in missing]} if missing else {}
    return [{"model": "Integration", "_id": short_id(made), "name": made.name, **needed}]


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidInput("", "the body must be a JSON object that describes an integration")
    return body


def _data(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is no extra as `control` takes it; that it is right is checked there."""
    named = {"type": "integration_type", **{name: name for name in ("description", *_OURS)}}
    data = {ours: given[name] for name, ours in named.items() if given.get(name) is not None}
    if given.get("name") is None:
        raise InvalidInput("name", "name: is required")
    return {"type": TYPE, "name": given["name"], **data}


def _switch(given: Mapping[str, Any], *, absent: bool) -> bool:
    wanted = given.get(_WANTED)
    if wanted is None:
        return absent
    if not isinstance(wanted, bool):
        raise InvalidInput(_WANTED, f"{_WANTED}: must be true or false")
    return wanted


def _held(data: dict[str, Any], kept: dict[str, Any], *, wanted: bool, goes_to: object) -> Wish:
    """Switch it on or off as wanted; where it may not be on, keep what was wanted for later."""
    rests = installing({SYSTEM: kept}) or goes_nowhere(goes_to)
    # What is kept goes along, so that all of it is found to be storable.
    data = {**kept, **data, "enabled": wanted and not rests}
    if len(long := members.description(data.get(_DESCRIPTION))) > LONGEST_DESCRIPTION:
        data[_DESCRIPTION], kept = long[:LONGEST_DESCRIPTION], {**kept, _DESCRIPTION: long}
    return Wish(data, {**kept, _WANTED: wanted} if rests else kept)


def _description(integration: Integration) -> str:
    """Give it whole where ours is the beginning of it: integrator.io's may be longer."""
    whole = str(said(integration.extras).get(_DESCRIPTION, ""))
    return whole if whole[:LONGEST_DESCRIPTION] == integration.description else integration.description


def _rests(integration: Integration) -> bool:
    """Tell whether it is off until something is done, whatever is wanted."""
    return installing(integration.extras) or goes_nowhere(integration.configuration)


def _wanted(integration: Integration) -> bool:
    return bool(said(integration.extras).get(_WANTED, True)) if _rests(integration) else integration.enabled


def _secrets(services: Services, integration: Integration) -> set[str]:
    return set(secret_fields(services.transports.get(integration.integration_type).configuration_model))


def _connection_map(given: Mapping[str, Any]) -> dict[str, str]:
    found = given.get("connectionMap") or {}
    if not isinstance(found, dict) or not all(_is_word(target) for target in found.values()):
        raise ConnectionMapRefused("connectionMap", "connectionMap: must be an object from connection ids to others")
    return found


def _is_word(given: object) -> bool:
    return isinstance(given, str) and len(given) <= members.LONGEST_WORD


def _reconnect(steps: list[dict[str, Any]], others: Mapping[str, str]) -> None:
    for step in steps:
        if step.get("_connectionId") in others:
            step["_connectionId"] = others[step["_connectionId"]]
