"""What fields are for is read from below them."""

from __future__ import annotations

from typing import Generic, TypeVar

from postrider.web.documented import Documented

T = TypeVar("T")


class Base(Documented):
    first: int
    """The first,
    told in two lines.
    """


class Thing(Base):
    second: int = 2
    third: str
    """The third."""


class Around(Documented, Generic[T]):
    data: T
    """What it is about."""


def test_fields_are_described_by_the_sentence_below() -> None:
    """Own fields and inherited ones alike; who has none gets none."""
    properties = Thing.model_json_schema()["properties"]

    assert {name: one.get("description") for name, one in properties.items()} == {
        "first": "The first,\ntold in two lines.",
        "second": None,
        "third": "The third.",
    }


def test_models_around_others_are_described_too() -> None:
    """A generic model has the sentences of what it was made from."""
    schema = Around[Thing].model_json_schema()

    assert schema["properties"]["data"]["description"] == "What it is about."
    assert schema["$defs"]["Thing"]["properties"]["third"]["description"] == "The third."
