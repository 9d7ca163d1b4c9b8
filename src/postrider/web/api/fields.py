"""The kinds of fields that bodies and queries of this API share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field

from postrider.control.texts import LONGEST_NAME, LONGEST_REASON, problem_with
from postrider.domain.observe import NAME_LENGTH, is_name
from postrider.web.documented import Documented

T = TypeVar("T")
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]*([eE][-+]?[0-9]+)?")


class Given(Documented):
    """What a caller sends: a member that is not known is refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class Shown(Documented):
    """What a caller gets to see."""


class Body(Given, Generic[T]):
    """A request's body."""

    data: T

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        return f"{params[0].__name__}Body"


class One(Shown, Generic[T]):
    """An answer with one thing in it."""

    data: T

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        return f"{params[0].__name__.removesuffix('Document')}Answer"


class Created(Shown):
    """When a thing came to be."""

    created_at: datetime


class Changed(Created):
    """When a thing came to be, and when it last changed."""

    updated_at: datetime


class Meta(Shown):
    """What is told about a thing beside itself."""

    timestamps: Created

    @classmethod
    def at(cls, moment: datetime) -> Self:
        return cls(timestamps=Created(created_at=moment))


class ChangingMeta(Shown):
    """What is told about a thing that changes."""

    timestamps: Changed


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too far away") from None


def _no_number(given: object) -> object:
    # pydantic would take one for seconds, or from some size on for milliseconds, since 1970.
    if isinstance(given, int | float) or (isinstance(given, str) and _NUMBER.fullmatch(given.strip())):
        raise ValueError("must be an RFC 3339 timestamp, such as 2026-01-31T12:00:00Z")
    return given


def _event_type(name: str) -> str:
    if not is_name(name):
        raise ValueError("must be an event type's name, such as order.paid")
    return name


def _word(text: str) -> str:
    problem = problem_with(text)
    if problem is not None:
        raise ValueError(problem)
    return text


_ONE_LINE = r"^[^\u0000-\u001f]*$"
EVENT_TYPE_SCHEMA: dict[str, Any] = {
    "pattern": r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+$",
    "maxLength": NAME_LENGTH,
    "examples": ["order.paid"],
}

# The schemas only describe: the checks stand in `control` and in the validators, which say more kindly what is wrong.
Moment = Annotated[AwareDatetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]
EventTypeName = Annotated[str, AfterValidator(_event_type), Field(json_schema_extra=EVENT_TYPE_SCHEMA)]
Word = Annotated[
    str,
    AfterValidator(_word),
    Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST_NAME, "pattern": _ONE_LINE}),
]
Name = Annotated[
    str,
    Field(
        json_schema_extra={
            "minLength": 1,
            "maxLength": LONGEST_NAME,
            "pattern": r"^[^\u0000-\u001f]*[^\s\u0000-\u001f][^\u0000-\u001f]*$",
        }
    ),
]
"""A text that is not only blanks."""
Line = Annotated[str, Field(json_schema_extra={"maxLength": LONGEST_NAME, "pattern": _ONE_LINE})]
"""A short text that may be empty."""
Text = Annotated[str, Field(json_schema_extra={"maxLength": LONGEST_REASON, "pattern": _ONE_LINE})]
"""A longer one."""
