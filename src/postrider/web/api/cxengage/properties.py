"""What CxEngage calls the fields of a configuration, and what of its own is kept beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from postrider.domain.errors import InvalidInput
from postrider.domain.integration import NOWHERE, Integration

SYSTEM = "cxengage"
"""Its member of an integration's extras."""
TRUTH = {"true": True, "false": False}

_CONFIGURATION = "data.configuration"
_FIELDS = {"enabled": "active", "integration_type": "type", "configuration": "properties"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of integration that CxEngage's clients make."""

    title: str
    names: Mapping[str, str]
    """Our field by CxEngage's property."""
    kept: Mapping[str, Any] = field(default_factory=dict)
    """What is kept for CxEngage's clients alone, with what it is until they say."""

    def theirs(self, ours: str) -> str:
        """Give CxEngage's name of a field; one that it has no word for keeps its own."""
        return next((theirs for theirs, name in self.names.items() if name == ours), ours)


KINDS = {
    "rest": Kind(
        "REST API",
        {"endpointPrefix": "url", "username": "username", "password": "password", "token": "token"},
    ),
    "salesforce": Kind(
        "Salesforce",
        {
            "consumerKey": "consumer_key",
            "consumerSecret": "consumer_secret",
            "username": "username",
            "password": "password",
            "securityToken": "security_token",
            "loginUrl": "url",
        },
        {"pushEnabled": False},
    ),
    "zendesk": Kind(
        "Zendesk",
        {"endpointPrefix": "url", "username": "username", "password": "password"},
        {"interactionFieldId": "", "workItems": False},
    ),
}
_OTHER = Kind("", {})
_EVENT_ID = "{{ event.id }}"


def kind_of(integration_type: str) -> Kind:
    """Give a type's names; of one that CxEngage's clients only read, our own."""
    return KINDS.get(integration_type, _OTHER)


def type_named(given: object) -> str:
    """Read a type as CxEngage's documents and its clients write it: `REST API`, `rest`, `Zendesk`."""
    plain = given.lower().replace(" ", "") if isinstance(given, str) else ""
    for name, kind in KINDS.items():
        if plain in {name, kind.title.lower().replace(" ", "")}:
            return name
    raise InvalidInput("type", f"type: must be one of {', '.join(KINDS)}")


def shown(integration: Integration, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Write a masked configuration as CxEngage's properties; blank is what is not set."""
    kind = kind_of(integration.integration_type)
    configuration = {name: "" if value == NOWHERE else value for name, value in configuration.items()}
    named = {theirs: configuration.get(ours, "") for theirs, ours in kind.names.items()}
    rest = {name: value for name, value in configuration.items() if name not in kind.names.values()}
    return {**named, **kept(integration), **rest}


def kept(integration: Integration) -> dict[str, Any]:
    """Give what is kept for CxEngage's clients alone."""
    stored = integration.extras.get(SYSTEM, {}).get("properties", {})
    return {**kind_of(integration.integration_type).kept, **stored}


@dataclass(frozen=True, slots=True)
class Taken:
    """Properties that a client gave, sorted."""

    configuration: dict[str, Any] = field(repr=False)
    kept: dict[str, Any]


def taken(
    integration_type: str, given: object, *, configuration: Mapping[str, Any], kept_before: Mapping[str, Any]
) -> Taken:
    """Put given properties over a configuration as it is shown: blank texts mean none, what is not given stays.

    What CxEngage has no word for is one of our fields under its own name.
    """
    if not isinstance(given, Mapping):
        raise InvalidInput("properties", "properties: must be an object")
    kind = kind_of(integration_type)
    said = {name: value for name, value in given.items() if name not in kind.kept}
    ours = {kind.names.get(name, name): _without_blank(value) for name, value in said.items()}
    new_kept = {**kept_before, **{name: _kept(name, given[name], kind) for name in kind.kept if name in given}}
    merged = {name: value for name, value in {**configuration, **ours}.items() if value is not None}
    if integration_type == "rest":
        merged = _with_address(_with_one_way_in(merged, ours), ours)
    if integration_type == "zendesk":
        merged = _with_work_items(merged, kept_before, new_kept)
    return Taken(merged, new_kept)


@contextmanager
def in_their_words(integration_type: str) -> Iterator[None]:
    """Name in errors the property that CxEngage's client sent, not the field that we made of it."""
    try:
        yield
    except InvalidInput as error:
        kind = kind_of(integration_type)
        raise InvalidInput(_pointer(error.pointer, kind), _detail(error, kind)) from None


def truth(name: str, given: object) -> bool:
    """Read a boolean, which the documents also write as a text."""
    value = TRUTH.get(given.lower()) if isinstance(given, str) else given
    if not isinstance(value, bool):
        raise InvalidInput(name, f"{name.rpartition('.')[2]}: must be true or false")
    return value


def _without_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _kept(name: str, value: object, kind: Kind) -> object:
    if isinstance(kind.kept[name], bool):
        return value is not None and value != "" and truth(f"properties.{name}", value)
    if value is not None and (not isinstance(value, str | int) or isinstance(value, bool)):
        raise InvalidInput(f"properties.{name}", f"{name}: must be text")
    return "" if value is None else str(value).strip()


def _with_address(merged: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    # CxEngage's flows can give whole URLs, and the prefix is blank then: here it is to be filled before anything goes.
    return {**merged, "url": NOWHERE} if "url" in given and given["url"] is None else merged


def _with_one_way_in(merged: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    # CxEngage tells the way from what is filled: a token, or a user's name and password.
    if given.get("token") is not None:
        return {name: value for name, value in merged.items() if name not in {"username", "password"}}
    if given.get("username") is not None:
        return {name: value for name, value in merged.items() if name != "token"}
    return merged


def _with_work_items(merged: dict[str, Any], before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Have the ticket's field that CxEngage keeps an interaction's id in hold the event's."""
    field_id = now.get("interactionFieldId", "")
    if now.get("workItems") and not field_id:
        raise InvalidInput("properties.interactionFieldId", "interactionFieldId: is needed when workItems is true")
    given = merged.get("fields", {})
    if not isinstance(given, Mapping):
        return merged
    fields = dict(given)
    if fields.get(was := before.get("interactionFieldId", "")) == _EVENT_ID:
        del fields[was]
    if now.get("workItems"):
        fields[field_id] = _EVENT_ID
    rest = {name: value for name, value in merged.items() if name != "fields"}
    return {**rest, "fields": fields} if fields else rest


def _pointer(pointer: str, kind: Kind) -> str:
    if pointer.startswith(f"{_CONFIGURATION}."):
        first, dot, rest = pointer.removeprefix(f"{_CONFIGURATION}.").partition(".")
        return f"properties.{kind.theirs(first)}{dot}{rest}"
    first, dot, rest = pointer.removeprefix("data.").partition(".")
    return f"{_FIELDS.get(first, first)}{dot}{rest}"


def _detail(error: InvalidInput, kind: Kind) -> str:
    first, colon, rest = error.detail.partition(":")
    inside = error.pointer.startswith(f"{_CONFIGURATION}.")
    return f"{kind.theirs(first) if inside else _FIELDS.get(first, first)}{colon}{rest}"
