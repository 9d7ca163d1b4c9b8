"""What a type of integration needs: validation, masking and descriptions, all from its model's declarations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from postrider.domain.complaints import complaint
from postrider.domain.errors import InvalidInput

CLEAR_TAIL = 4
SHORTEST_WITH_TAIL = 8


@dataclass(frozen=True, slots=True)
class Secret:
    """Marks a field as secret: `Annotated[str, Secret(sent_to=("url",))]`."""

    shown_to_writers: bool = False
    """A key that may write integrations reads it in clear, as Elastic Path shows a webhook's `secret_key`."""
    sent_to: tuple[str, ...] | None = None
    """The fields that say where it is sent or used; None: any that is no secret itself may."""


class Form(StrEnum):
    """What a template makes, which says how values are written into it."""

    TEXT = "text"
    """Values go in as they are."""
    LINE = "line"
    """One line of text: breaks in it become blanks."""
    HTML = "html"
    """Values are escaped as HTML wants it."""
    JSON = "json"
    """Values are escaped as they stand between the quotes of a JSON text."""
    URL = "url"
    """Values are escaped so that each stays one piece of a path or a query."""


@dataclass(frozen=True, slots=True)
class Template:
    """Marks a field as a template, or as a table of named ones: `Annotated[str, Template(Form.LINE)]`."""

    form: Form = Form.TEXT
    may_be_empty: bool = False
    """What it makes may be nothing but blanks; else that is a failure."""


class TransportConfiguration(BaseModel):
    """The `configuration` of one type of integration; each transport's file declares its own."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=False, allow_inf_nan=False
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        for name, mark in secret_fields(cls).items():
            for wrong in set(mark.sent_to or ()) - cls.model_fields.keys():
                raise TypeError(f"{cls.__name__}: {name} is sent to {wrong}, which is no field of it")

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        secrets = secret_fields(type(self))
        for name, value in super().__repr_args__():
            yield name, "***" if name in secrets and value is not None else value

    @classmethod
    def parse(cls, given: object) -> Self:
        """Check what a caller gave; InvalidInput names the first wrong field and how to mend it."""
        if not isinstance(given, Mapping):
            raise InvalidInput("data.configuration", "configuration must be an object")
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            pointer = f"data.configuration.{path}" if path else "data.configuration"
            name = path or "configuration"
            raise InvalidInput(pointer, f"{name}: {cls._complaint(first)}") from None

    @classmethod
    def _complaint(cls, problem: Mapping[str, Any]) -> str:
        if problem["type"] == "extra_forbidden":
            return "is not a field of this type; its fields are " + ", ".join(cls.model_fields)
        return complaint(problem)

    def check_against(self, payload: bytes | None) -> None:
        """Check what a model alone cannot: templates, by an event with this payload, or by the sample when None.

        Raises InvalidInput.
        """

    def stored(self) -> dict[str, Any]:
        """Give the fields that were set, as JSON values."""
        return self.model_dump(mode="json", exclude_none=True)


def secret_fields(model: type[TransportConfiguration]) -> dict[str, Secret]:
    """List a model's secret fields by name."""
    return {
        name: mark for name, field in model.model_fields.items() for mark in field.metadata if isinstance(mark, Secret)
    }


def template_fields(model: type[TransportConfiguration]) -> dict[str, Template]:
    """List a model's templates by the name of their field."""
    return {
        name: mark
        for name, field in model.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Template)
    }


def mask(secret: str) -> str:
    """Hide all but the last four characters, keeping the length; all of a secret under eight characters."""
    tail = secret[-CLEAR_TAIL:] if len(secret) >= SHORTEST_WITH_TAIL else ""
    return "*" * (len(secret) - len(tail)) + tail


def looks_masked(value: str) -> bool:
    """Tell whether a value could only be a mask that was read from an answer and sent back."""
    head = value[:-CLEAR_TAIL] if len(value) > CLEAR_TAIL else value
    return bool(head) and set(head) == {"*"}


def masked(model: type[TransportConfiguration], stored: Mapping[str, Any], *, for_writer: bool) -> dict[str, Any]:
    """Give a stored configuration as it may be shown."""
    secrets = secret_fields(model)
    return {
        name: mask(value) if _hidden(secrets.get(name), value, for_writer=for_writer) else value
        for name, value in stored.items()
    }


def _hidden(mark: Secret | None, value: object, *, for_writer: bool) -> bool:
    return mark is not None and isinstance(value, str) and not (for_writer and mark.shown_to_writers)


def revised(
    model: type[TransportConfiguration], given: object, stored: Mapping[str, Any], *, payload: bytes | None = None
) -> dict[str, Any]:
    """Check what a caller gave in the place of a stored configuration, and give it as it is to be stored.

    Secrets that were given as they are shown stay as they were: but a hidden one only while it is sent to where it was,
    or else who may not see it could have it sent to them. Templates are tried on an event with this `payload`, or on
    the sample. Raises InvalidInput.
    """
    if not isinstance(given, Mapping):
        return model.parse(given).stored()
    filled = _unmasked(model, given, stored)
    parsed = model.parse(filled)
    new = parsed.stored()
    for name, mark in secret_fields(model).items():
        if filled.get(name) != given.get(name) and not mark.shown_to_writers:
            _check_stays(name, _destinations(model, mark), new, stored)
    parsed.check_against(payload)
    return new


def _destinations(model: type[TransportConfiguration], mark: Secret) -> list[str]:
    if mark.sent_to is not None:
        return list(mark.sent_to)
    secrets = secret_fields(model)
    return [name for name in model.model_fields if name not in secrets]


def _check_stays(name: str, destinations: list[str], new: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    for other in destinations:
        if new.get(other) != stored.get(other):
            raise InvalidInput(
                f"data.configuration.{name}",
                f"{name}: send it anew for the new {other}; its mask keeps it only for the old",
            )


def _unmasked(
    model: type[TransportConfiguration], given: Mapping[str, Any], stored: Mapping[str, Any]
) -> dict[str, Any]:
    """Put the stored secrets in the place of their own masks.

    Raises InvalidInput for any other value that looks like a mask: storing it would lose the secret.
    """
    result = dict(given)
    for name in secret_fields(model):
        value, kept = result.get(name), stored.get(name)
        if not isinstance(value, str) or not looks_masked(value):
            continue
        if not isinstance(kept, str) or value != mask(kept):
            raise InvalidInput(
                f"data.configuration.{name}",
                f"{name}: looks like a masked value; send the secret itself, or leave it as it was shown to keep it",
            )
        result[name] = kept
    return result
