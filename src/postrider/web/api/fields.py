"""The kinds of fields that bodies and queries of this API share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict

from postrider.control.texts import problem_with
from postrider.domain.observe import is_name

T = TypeVar("T")


class Given(BaseModel):
    """What a caller sends: a member that is not known is refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class Body(Given, Generic[T]):
    """A request's body."""

    data: T


class One(BaseModel, Generic[T]):
    """An answer with one thing in it."""

    data: T


class Created(BaseModel):
    """When a thing came to be."""

    created_at: datetime


class Changed(Created):
    """When a thing came to be, and when it last changed."""

    updated_at: datetime


class Meta(BaseModel):
    """What is told about a thing beside itself."""

    timestamps: Created

    @classmethod
    def at(cls, moment: datetime) -> Self:
        return cls(timestamps=Created(created_at=moment))


class ChangingMeta(BaseModel):
    """What is told about a thing that changes."""

    timestamps: Changed


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too far away") from None


def _event_type(name: str) -> str:
    if not is_name(name):
        raise ValueError("must be an event type's name, such as order.paid")
    return name


def _word(text: str) -> str:
    problem = problem_with(text)
    if problem is not None:
        raise ValueError(problem)
    return text


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
EventTypeName = Annotated[str, AfterValidator(_event_type)]
Word = Annotated[str, AfterValidator(_word)]
