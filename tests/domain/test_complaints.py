"""What is wrong with a value is told in words that need no library to be understood."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from postrider.domain.complaints import complaint


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    pass


class Anything(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inner: Inner | None = None
    mapping: dict[str, int] | None = None
    text: Annotated[str, Field(min_length=2, max_length=4, pattern="^[a-z]+$")] = ""
    whole: Annotated[int, Field(ge=1, le=9)] = 1
    number: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.5
    switch: bool = False
    entries: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    colour: Colour = Colour.RED
    word: Literal["on", "off"] = "on"
    an_id: UUID | None = None
    moment: AwareDatetime | None = None
    naive: datetime | None = None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"more": 1}, "is not known here; leave it out"),
        ({"inner": 3}, "must be an object"),
        ({"mapping": 3}, "must be an object"),
        ({"text": 3}, "must be text"),
        ({"text": "a"}, "must have at least 2 characters"),
        ({"text": "abcde"}, "must have at most 4 characters"),
        ({"text": "A1"}, "must match the pattern ^[a-z]+$"),
        ({"whole": "x"}, "must be a whole number"),
        ({"whole": None}, "must be a whole number"),
        ({"whole": 1.5}, "must be a whole number"),
        ({"whole": 0}, "must be at least 1"),
        ({"whole": 10}, "must be at most 9"),
        ({"number": "x"}, "must be a number"),
        ({"number": []}, "must be a number"),
        ({"number": float("nan")}, "must be a finite number"),
        ({"number": 0}, "must be more than 0.0"),
        ({"number": 1}, "must be less than 1.0"),
        ({"switch": "x"}, "must be true or false"),
        ({"switch": None}, "must be true or false"),
        ({"entries": 3}, "must be a list"),
        ({"entries": []}, "must have at least 1 entries, not 0"),
        ({"entries": [1, 2, 3]}, "must have at most 2 entries, not 3"),
        ({"colour": "green"}, "must be 'red' or 'blue'"),
        ({"word": "green"}, "must be 'on' or 'off'"),
        ({"an_id": "x"}, "must be an id such as 01a2025c-1a82-7afb-9b0f-c76b724acc8c"),
        ({"an_id": 3}, "must be an id such as 01a2025c-1a82-7afb-9b0f-c76b724acc8c"),
        ({"moment": "x"}, "must be a moment such as 2026-11-22T12:00:00Z"),
        ({"moment": []}, "must be a moment such as 2026-11-22T12:00:00Z"),
        ({"moment": "2026-11-22T12:00:00"}, "must name its time zone, as in 2026-11-22T12:00:00Z"),
        ({"naive": "2026-13-22T12:00:00"}, "must be a moment such as 2026-11-22T12:00:00Z"),
    ],
)
def test_no_word_is_the_librarys(given: dict[str, object], said: str) -> None:
    """Each kind of mistake that our models know has words of ours."""
    with pytest.raises(ValidationError) as refused:
        Anything.model_validate(given)

    assert complaint(refused.value.errors()[0]) == said  # type: ignore[arg-type]


def test_a_validators_own_words_stay() -> None:
    """What a field's own rule says is passed on, without the library's preface."""
    assert complaint({"type": "value_error", "msg": "Value error, must not be blue"}) == "must not be blue"
