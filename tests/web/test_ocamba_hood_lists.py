"""Ocamba Hood's lists, its providers, and how often a key may ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from api import Api
from house import House, build_house

from postrider.domain.access import Permission
from postrider.domain.errors import TooManyRequests
from postrider.domain.quota import Quota
from postrider.store.engine import Database
from postrider.web.api.ocamba_hood import Windows
from postrider.web.limits import Limits

PATH = "/v1/hood/integrations"
PROVIDERS = "/v1/hood/providers"
TWILIO = {"account_sid": "AC" + "0a" * 16, "auth_token": "token-1234", "default_phone_number": "+15005550006"}
MITTO = {"api_key": "key-12345", "sender_name": "Orders"}
MAILGUN = {"api_key": "key-12345", "domain": "mg.example.com", "sender_email": "orders@mg.example.com"}
OFTEN = Limits(hood=(Quota(1_000_000, 60, fixed=True),))


@pytest.fixture
def listed(house: House) -> Iterator[Api]:
    """Serve four integrations of Hood's, and a webhook that it has no word for."""
    with Api(house, limits=OFTEN) as api:
        for name, provider_id, settings, status in (
            ("banana", "1005", MAILGUN, "active"),
            ("Apple", "1000", TWILIO, "active"),
            ("cherry", "1004", MITTO, "inactive"),
            ("Apricot 100%", "1000", TWILIO, "inactive"),
        ):
            body = {"name": name, "provider_id": provider_id, "settings": settings, "status": status}
            assert api.call("POST", PATH, json=body).status_code == 201
        house.integrate("http://127.0.0.1:9/")
        yield api


@pytest.fixture
def hood(sqlite: Database) -> Iterator[Api]:
    with build_house(sqlite) as built, Api(built, limits=OFTEN) as api:
        yield api


def names(api: Api, query: str) -> list[str]:
    answer = api.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["banana", "Apple", "cherry", "Apricot 100%"]),
        ("type=sms", ["Apple", "cherry", "Apricot 100%"]),
        ("type=email", ["banana"]),
        ("provider_id=1000", ["Apple", "Apricot 100%"]),
        ("type=email&provider_id=1000", []),
        ("status=inactive", ["cherry", "Apricot 100%"]),
        ("sort=name", ["Apple", "Apricot 100%", "banana", "cherry"]),
        ("sort=-id", ["Apricot 100%", "cherry", "Apple", "banana"]),
        ("sort=provider_id,-name", ["Apricot 100%", "Apple", "cherry", "banana"]),
        ("sort=status,name", ["Apple", "banana", "Apricot 100%", "cherry"]),
        ("sort=-create_time&type=email&provider_id=1004", []),
        ("sort=provider_id&type=email&provider_id=1004", []),
        ("q=AP", ["Apple", "Apricot 100%"]),
        ("q=0%25", ["Apricot 100%"]),
        ("q=_", []),
        ("page=1,2", ["banana", "Apple"]),
        ("page=2,3", ["Apricot 100%"]),
        ("page=3,3", []),
        ("page=1", ["banana", "Apple", "cherry", "Apricot 100%"]),
    ],
)
def test_a_list_is_what_was_asked_for(listed: Api, query: str, expected: list[str]) -> None:
    """Of Hood's own providers alone: filtered, searched, sorted and paged, alike in both databases."""
    assert names(listed, query) == expected


def test_a_list_tells_how_many_there_are(listed: Api) -> None:
    """However many are on the page; an id can be searched for, with its hyphens or without."""
    first = listed.get(f"{PATH}?page=1,1&type=sms").json()

    assert (first["total"], len(first["items"])) == (3, 1)
    found = first["items"][0]
    for text in (found["id"], found["id"].replace("-", "").upper()):
        assert names(listed, f"q={text}&q_fields=id") == [found["name"]]
    assert names(listed, f"q={uuid4()}&q_fields=name,id") == []


def test_fields_come_before_the_view(listed: Api) -> None:
    """The full view has the provider in it, the default one has not; `fields` names what there is to be."""
    default, full = (listed.get(f"{PATH}?{query}").json()["items"][0] for query in ("", "view=full"))
    named = listed.get(f"{PATH}?fields=name,provider&view=full").json()["items"][0]
    one = listed.get(f"{PATH}/{default['id']}?fields=id,status").json()

    assert full.keys() - default.keys() == {"provider"}
    assert full["provider"]["id"] == "1005"
    assert list(named) == ["name", "provider"]
    assert one == {"id": default["id"], "status": "active"}


@pytest.mark.parametrize(
    "query",
    [
        "type=pigeon",
        "provider_id=7",
        "status=on",
        "view=half",
        "fields=",
        "fields=secret",
        "sort=settings",
        "page=0",
        "page=1,0",
        "page=1,101",
        "page=a",
        "page=1,2,3",
        "q_fields=settings&q=x",
        "q=" + "x" * 201,
        "q=%00",
    ],
)
def test_what_cannot_be_asked_is_refused(hood: Api, query: str) -> None:
    """The message names the parameter."""
    answer = hood.get(f"{PATH}?{query}")

    assert answer.status_code == 400, answer.text
    assert answer.json()["message"].startswith(query.partition("=")[0])


def test_providers_are_those_that_are_installed(hood: Api) -> None:
    """Each has Hood's id, name and type, and its settings as its transport declares them."""
    found = hood.get(PROVIDERS).json()

    assert found["total"] == len(found["items"])
    assert [(one["id"], one["name"], one["type"]) for one in found["items"]] == [
        ("1000", "twilio", "sms"),
        ("1001", "custom_email_provider", "email"),
        ("1002", "mandrill_email", "email"),
        ("1003", "sendgrid", "email"),
        ("1004", "mitto", "sms"),
        ("1005", "mailgun", "email"),
    ]
    for one in found["items"]:
        assert {"title", "name", "type", "required", "deprecated"} == set(one["settings"][0])
        assert {"to", "text"} <= {template["name"] for template in one["templates"]}
        assert hood.get(f"{PROVIDERS}/{one['id']}").json() == one
    assert hood.get(f"{PROVIDERS}/7").status_code == 404


def test_providers_are_listed_as_integrations_are(hood: Api) -> None:
    """Filtered, searched, sorted and paged."""
    asked = f"{PROVIDERS}?type=email&q=MA&sort=-name&fields=name&page=1,2"

    assert hood.get(asked).json() == {"total": 3, "items": [{"name": "mandrill_email"}, {"name": "mailgun"}]}


def test_answers_tell_how_the_key_stands(api: Api) -> None:
    """The window with the least left is told, also by what is refused for another reason; other keys have their own."""
    first, second = api.get(PATH), api.get(f"{PATH}/{uuid4()}")
    other = api.get(PATH, key=api.new_key(Permission.INTEGRATIONS_READ))

    told = [int(answer.headers["x-ratelimit-remaining"]) for answer in (first, second, other)]
    assert told[0] == told[2] == 9
    assert second.status_code == 404
    assert first.headers["x-ratelimit-limit"] == "10"
    assert first.headers["x-ratelimit-reset"] == "1"


def test_the_one_too_many_is_told_to_wait(sqlite: Database) -> None:
    """It is 429 in the document's form, with whole seconds to wait and without the other headers."""
    with build_house(sqlite) as built, Api(built, limits=Limits(hood=(Quota(2, 3600, fixed=True),))) as api:
        *_, last = [api.get(PATH) for _ in range(3)]

    assert (last.status_code, last.json()["code"], last.json()["title"]) == (429, 429, "Too many requests.")
    assert 0 < int(last.headers["retry-after"]) <= 3600
    assert not [name for name in last.headers if name.startswith("x-ratelimit")]


def test_both_windows_count_and_begin_anew() -> None:
    """Ten pass in a second and 150 in a minute; what is refused counts in neither."""
    now, key = [600.0], uuid4()
    windows = Windows(clock=lambda: now[0])

    def passed(tries: int) -> int:
        return sum(_passes(windows, key) for _ in range(tries))

    assert passed(15) == 10
    for _ in range(14):
        now[0] += 1
        assert passed(20) == 10
    now[0] += 1
    assert passed(5) == 0
    with pytest.raises(TooManyRequests) as refused:
        windows.take(key)
    assert refused.value.wait_seconds == 45
    now[0] = 660
    assert windows.take(key).remaining == 9


def _passes(windows: Windows, key: Any) -> bool:
    try:
        windows.take(key)
    except TooManyRequests:
        return False
    return True
