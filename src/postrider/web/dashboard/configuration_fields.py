"""A transport's configuration as a form: its fields come from the model's declarations, and go back into its values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.datastructures import FormData

from postrider.domain.errors import InvalidInput
from postrider.transports.configuration import (
    Form,
    Template,
    TransportConfiguration,
    mask,
    secret_fields,
    template_fields,
)

PREFIX = "configuration."
CLEAR = "clear."
"""Stands before the name of a secret that is to be taken away."""


class Kind(StrEnum):
    """How a field is filled in."""

    TEXT = "text"
    NUMBER = "number"
    SECRET = "secret"  # noqa: S105 - a word, not a secret
    """Written, never shown."""
    LINES = "lines"
    """A list, one entry a line."""
    CHECK = "check"
    CHOICE = "choice"
    TEMPLATE = "template"
    """A template of more than one line."""
    JSON = "json"
    """What no plain field can hold."""


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a transport's configuration."""

    name: str
    label: str
    hint: str
    kind: Kind
    required: bool
    choices: tuple[tuple[str, str], ...]
    example: str
    default: str
    """As it is written in the form."""

    @property
    def key(self) -> str:
        """The name that it has in the form."""
        return PREFIX + self.name

    @property
    def secret(self) -> bool:
        """Whether it is written and never shown."""
        return self.kind is Kind.SECRET

    @property
    def clear_key(self) -> str:
        """The name of the box that takes a secret away."""
        return CLEAR + self.name


def fields_of(model: type[TransportConfiguration]) -> list[FormField]:
    """List the fields of a type's form, in the order of their declaration."""
    secrets, templates = secret_fields(model), template_fields(model)
    return [
        _field(name, info, secret=name in secrets, template=templates.get(name))
        for name, info in model.model_fields.items()
    ]


def _field(name: str, info: FieldInfo, *, secret: bool, template: Template | None) -> FormField:
    plain, required = _plain(info.annotation), info.is_required()
    kind = Kind.SECRET if secret else _kind(plain)
    if kind is Kind.TEXT and template is not None and template.form not in {Form.LINE, Form.URL}:
        kind = Kind.TEMPLATE
    return FormField(
        name=name,
        label=info.title or name.replace("_", " ").capitalize(),
        hint=info.description or "",
        kind=kind,
        required=required,
        choices=_choices(plain, required=required),
        example=_text(kind, info.examples[0]) if info.examples else "",
        default="" if required else _text(kind, info.get_default(call_default_factory=True, validated_data={})),
    )


def _plain(annotation: Any) -> Any:
    """Take off what only decorates a type: `Annotated`, and `None` as the other choice."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        others = [one for one in get_args(annotation) if one is not NoneType]
        return _plain(others[0]) if len(others) == 1 else annotation
    return annotation


def _kind(plain: Any) -> Kind:
    if get_origin(plain) is Literal or _is_a(plain, Enum):
        return Kind.CHOICE
    if plain is bool:
        return Kind.CHECK
    if plain in {int, float}:
        return Kind.NUMBER
    if get_origin(plain) is list:
        return Kind.LINES if _kind(_plain(get_args(plain)[0])) is Kind.TEXT else Kind.JSON
    composed = get_origin(plain) is not None or _is_a(plain, BaseModel, dict, list, tuple, set)
    return Kind.JSON if composed else Kind.TEXT


def _is_a(plain: Any, *types: type) -> bool:
    return isinstance(plain, type) and issubclass(plain, types)


def _choices(plain: Any, *, required: bool) -> tuple[tuple[str, str], ...]:
    if _is_a(plain, Enum):
        values = [str(one.value) for one in plain]
    else:
        values = [str(one) for one in get_args(plain)] if get_origin(plain) is Literal else []
    none = () if required or not values else (("", "not set"),)
    return (*none, *((value, value) for value in values))


def texts_of(fields: Sequence[FormField], configuration: Mapping[str, Any]) -> dict[str, str]:
    """Write a stored configuration as the fields take it, by their keys; secrets not at all."""
    return {field.key: _text(field.kind, configuration.get(field.name)) for field in fields}


def _text(kind: Kind, value: Any) -> str:
    """Write a value as its kind of field takes it; nothing of a secret."""
    if value is None or kind is Kind.SECRET:
        return ""
    if kind is Kind.LINES:
        return "\n".join(str(one) for one in value)
    if kind is Kind.CHECK:
        return "yes" if value else ""
    if kind is Kind.JSON:
        return json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return str(value.value if isinstance(value, Enum) else value)


def read(fields: Sequence[FormField], form: FormData, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Make a configuration of a form's fields, as the API takes it: what was left empty is not in it.

    A secret that was left empty stays as it is stored, which is said by its mask. InvalidInput names a field whose JSON
    cannot be read; all else is for the model to check.
    """
    values = {field.name: _read(field, form, stored.get(field.name)) for field in fields}
    return {name: value for name, value in values.items() if value is not None}


def _read(field: FormField, form: FormData, stored: Any) -> Any:
    given = str(form.get(field.key, ""))
    match field.kind:
        case Kind.SECRET:
            cleared = field.clear_key in form and not field.required
            return given or (mask(stored) if isinstance(stored, str) and not cleared else None)
        case Kind.LINES:
            return lines(given) or None
        case Kind.CHECK:
            return bool(given)
        case Kind.NUMBER:
            return number(given) if given.strip() else None
        case Kind.JSON:
            return _json(field, given) if given.strip() else None
        case _:
            return given.replace("\r\n", "\n").strip() or None


def lines(text: str) -> list[str]:
    """List the lines of a text, without blanks around them, empty ones left out."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def number(text: str) -> float | str:
    """Read a number; what is none is given back for others to complain of."""
    for read_as in (int, float):
        try:
            return read_as(text.strip())
        except ValueError:
            continue
    return text


def _json(field: FormField, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"data.configuration.{field.name}", f"{field.name}: must be JSON: {error}") from None
