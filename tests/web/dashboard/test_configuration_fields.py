"""The fields of a third party's type: each kind of declaration has its field, and comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from api import Api
from house import build_house
from starlette.datastructures import FormData
from web.dashboard.pager import PagerConfiguration
from web.dashboard.visitor import Visitor

from postrider.domain.errors import InvalidInput
from postrider.store.engine import Database
from postrider.transports.registry import GROUP
from postrider.web.dashboard.configuration_fields import Kind, fields_of, number, read, texts_of

FIELDS = fields_of(PagerConfiguration)
STORED: dict[str, Any] = {
    "number": "+49 30 1",
    "tries": 5,
    "pause": 1.5,
    "urgent": False,
    "loudness": "high",
    "language": "de",
    "groups": ["night", "day"],
    "places": [{"floor": 2}],
    "labels": {"a": "ä"},
    "code": "top-secret-1234",
    "pin": "9876-secret",
}


def form(texts: Mapping[str, str], **more: str) -> FormData:
    """Send texts as a browser does: a box that is not ticked is not in it."""
    return FormData([(key, text) for key, text in {**texts, **more}.items() if text or key != "configuration.urgent"])


def test_each_declaration_has_its_field() -> None:
    """By its type; its title, description, example and default are said, and a secret's never."""
    by_name = {one.name: one for one in FIELDS}

    assert {name: one.kind for name, one in by_name.items()} == {
        "number": Kind.TEXT,
        "tries": Kind.NUMBER,
        "pause": Kind.NUMBER,
        "urgent": Kind.CHECK,
        "loudness": Kind.CHOICE,
        "language": Kind.CHOICE,
        "groups": Kind.LINES,
        "places": Kind.JSON,
        "labels": Kind.JSON,
        "code": Kind.SECRET,
        "pin": Kind.SECRET,
    }
    first = by_name["number"]
    assert (first.label, first.hint, first.example, first.required) == ("Number", "With its country.", "+49 30 1", True)
    defaults = {name: one.default for name, one in by_name.items()}
    assert (defaults["tries"], defaults["urgent"], defaults["loudness"], defaults["groups"]) == (
        "3",
        "yes",
        "low",
        "all",
    )
    assert [value for value, _ in by_name["loudness"].choices] == ["", "low", "high"]
    assert [value for value, _ in by_name["language"].choices] == ["", "de", "en"]


def test_what_is_stored_comes_back_as_it_was() -> None:
    """Written into the form and read again nothing changes: secrets by their masks, which only they themselves have."""
    given = read(FIELDS, form(texts_of(FIELDS, STORED)), STORED)

    assert given == {**STORED, "code": "***********1234", "pin": "*******cret"}
    assert PagerConfiguration.parse({**given, "code": "x"}).stored() == {**given, "code": "x"}


def test_a_secret_is_taken_away_only_when_it_is_optional() -> None:
    """The box of a required one does nothing."""
    given = read(FIELDS, form(texts_of(FIELDS, STORED), **{"clear.pin": "yes", "clear.code": "yes"}), STORED)

    assert "pin" not in given
    assert given["code"] == "***********1234"


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_wrong_json_names_its_field(text: str) -> None:
    """It is told before the model sees it."""
    with pytest.raises(InvalidInput, match="labels: must be JSON") as told:
        read(FIELDS, form(texts_of(FIELDS, STORED), **{"configuration.labels": text}), STORED)

    assert told.value.pointer == "data.configuration.labels"


def test_what_is_no_number_is_left_for_the_rules() -> None:
    """They say what is wrong with it."""
    assert [number(text) for text in (" 3 ", "1.5", "three")] == [3, 1.5, "three"]


@pytest.fixture
def pager_api(sqlite: Database) -> Iterator[Api]:
    """Serve a house to which somebody has added a transport."""
    installed = EntryPoint("pager", "web.dashboard.pager:PagerTransport", GROUP)
    with build_house(sqlite, transports=[installed]) as house, Api(house) as built:
        yield built


def test_a_third_partys_form_is_shown_filled_in_and_taken(pager_api: Api) -> None:
    """Every kind of field works on the page, with nothing written for this type."""
    with closing(Visitor(pager_api)) as pages:
        pages.sign_in()
        _walk_through_the_form(pager_api, pages)


def _walk_through_the_form(api: Api, pages: Visitor) -> None:
    form_page = pages.get("/dashboard/integrations/new/pager")
    fields = {f"configuration.{name}": value for name, value in STORED.items() if isinstance(value, str)}

    done = pages.submit(
        form_page,
        "/new/pager",
        name="pager",
        observes="*",
        **fields,
        **{
            "configuration.tries": "5",
            "configuration.pause": "1.5",
            "configuration.urgent": None,
            "configuration.groups": "night\nday",
            "configuration.places": '[{"floor": 2}]',
            "configuration.labels": '{"a": "ä"}',
        },
    )
    (made,) = api.data("/v2/integrations")
    page = pages.get(f"/dashboard/integrations/{made['id']}")
    edit = pages.get(f"/dashboard/integrations/{made['id']}/edit")

    assert done.status == 200
    shown = {**STORED, "code": "***********1234", "pin": "*******cret"}
    assert made["configuration"] == shown
    assert all(words in page.html for words in ("<dd>night<br>day</dd>", "<dt>Urgent</dt><dd>no</dd>", shown["code"]))
    assert '"floor": 2' in page.text
    for html in (page.html, edit.html, done.html):
        assert STORED["code"] not in html
        assert STORED["pin"] not in html
    assert pages.submit(edit, "/edit").status == 200
    assert api.data("/v2/integrations")[0]["configuration"] == shown
