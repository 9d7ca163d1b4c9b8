"""Which channels a list has, in which order, and which of their fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api import Api
from databases import sqlite_database
from house import build_house

PATH = "/rest/v1/service/integration_points"
CHANNELS = (
    {"code": "b", "type": "public", "url": "https://b.example/", "opts": {"title": "Beta", "rank": 2}},
    {"code": "a", "type": "Subscriber", "opts": {"title": "Alpha", "issync": True, "rank": 10}},
    {"code": "c", "type": "public", "opts": {"comment": "Third", "roles": ["x", "y"]}, "observes": ["order.paid"]},
)


@pytest.fixture(scope="module")
def listed(migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Serve a house with three channels, made a minute apart, that nobody changes."""
    with (
        sqlite_database(migrated_sqlite_file, tmp_path_factory.mktemp("listed")) as database,
        build_house(database) as house,
        Api(house) as built,
    ):
        for channel in CHANNELS:
            assert built.call("POST", PATH, json=channel).status_code == 200
            house.clock.move(minutes=1)
        yield built


def get(api: Api, **parameters: Any) -> Any:
    """List channels; what is no text is sent as JSON."""
    written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
    answer = api.get(PATH, params=written)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("wish", "codes"),
    [
        ({}, "bac"),
        ({"code": "a"}, "a"),
        ({"code": ["a", "c", "z"]}, "ac"),
        ({"type": "public"}, "bc"),
        ({"type": "public", "url": ""}, "c"),
        ({"type": {"ne": "public"}}, "a"),
        ({"opts.title": {"contains": "et"}}, "b"),
        ({"opts.issync": True}, "a"),
        ({"opts.issync": 1}, ""),
        ({"opts.rank": {"gte": 2, "lt": 10}}, "b"),
        ({"opts.rank": {"gt": 2}}, "a"),
        ({"opts.rank": {"lte": "2"}}, ""),
        ({"opts.rank": {"in": [2, 3]}}, "b"),
        ({"opts.nothing": None}, "bac"),
        ({"opts.comment": "Third"}, "c"),
        ({"opts.roles": {"contains": "y"}}, "c"),
        ({"opts.roles": {"eq": ["x", "y"]}}, "c"),
        ({"observes": {"contains": "order.paid"}}, "c"),
        ({"ext.ct": {"lt": "2026-11-22T13:01:00+01:00"}}, "b"),
        ({"ext.ct": {"gte": "2026-11-22T12:01:00"}}, "ac"),
        ({"ext.lwt": "2026-11-22T12:02:00Z"}, "c"),
    ],
)
def test_filter(listed: Api, wish: Any, codes: str) -> None:
    """All that is said of a channel's fields has to hold."""
    assert sorted(one["code"] for one in get(listed, filter=wish)) == sorted(codes)


@pytest.mark.parametrize(
    ("order", "codes"),
    [
        ([], "bac"),
        (["code"], "abc"),
        ([{"code": "desc"}], "cba"),
        (["type", {"code": "desc"}], "acb"),
        ([{"type": "desc", "code": "asc"}], "bca"),
        (["opts.rank"], "cba"),
        ([{"ext.ct": "desc"}], "cab"),
        (["opts.roles"], "bac"),
    ],
)
def test_order(listed: Api, order: Any, codes: str) -> None:
    """By one field after the other, rising or falling; what has no such field comes first."""
    assert "".join(one["code"] for one in get(listed, order=order)) == codes


def test_offset_and_limit(listed: Api) -> None:
    """They cut the list as it is filtered and sorted."""
    assert [one["code"] for one in get(listed, offset=1, limit=1)] == ["a"]
    assert [one["code"] for one in get(listed, order=["code"], offset=1)] == ["b", "c"]
    assert [one["code"] for one in get(listed, filter={"type": "public"}, order=["code"], offset=1)] == ["c"]
    assert get(listed, limit=0) == []
    assert get(listed, offset=3) == []


def test_mask(listed: Api) -> None:
    """Only what is named is given, whole composite fields or parts of them; a comment only when it is named."""
    assert get(listed, mask="code, opts.title,ext.ct", limit=1) == [
        {"code": "b", "opts": {"title": "Beta"}, "ext": {"ct": "2026-11-22T12:00:00.000Z"}}
    ]
    assert get(listed, mask="opts", offset=2)[0]["opts"]["comment"] == "Third"
    assert get(listed, mask="opts.comment", offset=2) == [{"opts": {"comment": "Third"}}]
    assert "comment" not in get(listed, offset=2)[0]["opts"]


def test_a_mask_may_name_tokens_as_eras_page_prints_them(listed: Api) -> None:
    """Its list of fields has lost their underscores; its examples have them."""
    (one,) = get(listed, mask="tokenlocal,tokenremote,tokenremote2", limit="1")

    assert list(one) == ["token_local", "token_remote", "token_remote2"]


@pytest.mark.parametrize(("parameter", "example"), [("filter", '{"code": "till"}'), ("order", '["code"]')])
def test_what_is_no_json_is_told_by_an_example(listed: Api, parameter: str, example: str) -> None:
    """Whoever writes `order=code` is shown how it goes."""
    told = listed.get(PATH, params={parameter: "code"}).json()["error_message"]

    assert told == f"{parameter}: must be JSON, such as {example}"
    assert listed.get(PATH, params={parameter: example}).status_code == 200


def test_flat(listed: Api) -> None:
    """Composite fields are written with dots."""
    (shown,) = get(listed, flat="true", offset=2)

    assert shown["opts.roles"] == ["x", "y"]
    assert {"opts", "ext"} & shown.keys() == set()
    assert get(listed, flat="true", mask="code,opts.title", limit=1) == [{"code": "b", "opts.title": "Beta"}]


def test_mask_and_flat_of_one(listed: Api) -> None:
    """They work where one channel is got too, which is given with its comment."""
    channel_id = get(listed, mask="id", offset=2)[0]["id"]
    one = f"{PATH}/{channel_id}"

    assert listed.get(one).json()["opts"]["comment"] == "Third"
    assert listed.get(one, params={"mask": "code", "flat": "1"}).json() == {"code": "c"}
    assert listed.get(one, params={"mask": "nothing"}).status_code == 400


def test_a_slash_at_the_end_makes_no_difference(listed: Api) -> None:
    """Of the list, and of one."""
    assert listed.get(f"{PATH}/").json() == get(listed)


@pytest.mark.parametrize(
    "parameters",
    [
        {"filter": "code=a"},
        {"filter": "[]"},
        {"filter": "[" * 10_000},
        {"filter": '{"colour": 1}'},
        {"filter": '{"opts": 1}'},
        {"filter": '{"opts.": 1}'},
        {"filter": '{"code.x": 1}'},
        {"filter": '{"ext.x": 1}'},
        {"filter": '{"code": {}}'},
        {"filter": '{"code": {"like": "a"}}'},
        {"filter": '{"code": {"in": "a"}}'},
        {"filter": '{"code": {"contains": 1}}'},
        {"filter": '{"code": {"lt": null}}'},
        {"filter": '{"ext.ct": "yesterday"}'},
        {"filter": '{"ext.ct": 5}'},
        {"order": "code"},
        {"order": '{"code": "asc"}'},
        {"order": '[{"code": "up"}]'},
        {"order": '[{"code": 1}]'},
        {"order": "[{}]"},
        {"order": "[1]"},
        {"order": '["colour"]'},
        {"mask": "code,colour"},
        {"mask": "code,,type"},
        {"flat": "maybe"},
        {"offset": "-1"},
        {"offset": "x"},
        {"limit": "1001"},
        {"limit": "1.5"},
    ],
    ids=str,
)
def test_what_is_no_wish_is_refused(listed: Api, parameters: dict[str, str]) -> None:
    """The parameter is named."""
    answer = listed.get(PATH, params=parameters)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == 1400
    assert next(iter(parameters)) in answer.json()["error_message"]
