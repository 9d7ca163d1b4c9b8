"""Odd things in addresses and forms, and from receivers: each is told or shown, and none makes a page fail."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from api import Api
from servers.receiver import Receiver
from web.dashboard.visitor import Visitor

from postrider.web.dashboard.app import ROUTERS
from postrider.web.dashboard.words import pretty_json

NOTHING = "00000000-0000-7000-8000-000000000000"
SIGN_IN = "/dashboard/sign-in"
TOO_FAR = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
ODD = (
    "%00",
    "%ED%A0%80",
    "%FF",
    "%F0%9F%98%80",
    "a" * 3000,
    "-1",
    "1e999",
    "9999-12-31T23:59",
    "../x",
    "%0D%0AX:y",
    NOTHING,
)
FIELDS = (
    "before",
    "integration_id",
    "event_type",
    "error",
    "since",
    "text",
    "object_id",
    "type",
    "id",
    "next",
    "attempt",
)


@pytest.fixture
def either_pages(either_api: Api) -> Iterator[Visitor]:
    """Sign in with the key that may do everything; once for each kind of database."""
    visitor = Visitor(either_api)
    visitor.sign_in()
    yield visitor
    visitor.close()


def addresses(method: str, **ids: str) -> list[str]:
    """List the addresses of all pages, with ids in them."""
    routes = (route for router in ROUTERS for route in router.routes if method in route.methods)  # type: ignore[attr-defined]
    paths = [route.path.replace(":uuid", "") for route in routes]  # type: ignore[attr-defined]
    names = ("integration_id", "delivery_id", "event_id", "job_id", "key_id")
    return [
        "/dashboard" + path.format(type_name="webhook", code="x", **(dict.fromkeys(names, NOTHING) | ids))
        for path in paths
    ]


def ids_of_a_delivery(api: Api) -> dict[str, str]:
    integration = api.house.integrate("http://127.0.0.1:9/")
    event = api.publish()
    api.house.fan_out()
    delivery = api.house.only_delivery()
    return {"integration_id": str(integration.id), "event_id": str(event), "delivery_id": str(delivery.id)}


def test_no_page_fails_over_an_odd_address(either_api: Api, either_pages: Visitor) -> None:
    """Whatever stands in a query or for an id, the answer is a page or a refusal."""
    pages = addresses("GET", **ids_of_a_delivery(either_api))
    assert len(pages) >= 30

    queries = [f"{field}={odd}" for field in FIELDS for odd in ODD]
    asked = [f"{page}?{query}" for page in pages for query in queries[:: max(1, len(queries) // 6)]]
    asked += [f"{page}?{field}={odd}" for page in pages[:12] for field in ("text", "error", "since") for odd in ODD]
    asked += [page for odd in ODD for page in addresses("GET", **dict.fromkeys(("job_id", "event_id"), odd))]
    client = either_pages.client

    failed = [address for address in asked if client.get(address).status_code >= 500]
    assert failed == []


@pytest.mark.parametrize("moment", TOO_FAR)
@pytest.mark.parametrize("page", ["events", "deliveries", "dead-letters/group", "audit-log"])
def test_a_moment_outside_of_the_calendar_in_utc_is_refused(pages: Visitor, page: str, moment: str) -> None:
    """It was an overflow, and the page failed."""
    answer = pages.client.get(f"/dashboard/{page}", params={"since": moment})

    assert answer.status_code == 422
    assert "too far away" in answer.text


def test_a_key_cannot_expire_outside_of_the_calendar(pages: Visitor) -> None:
    """It was an overflow, and the form was lost."""
    again = pages.submit(
        pages.get("/dashboard/api-keys/new"), "/api-keys", name="x", permissions="events:read", expires_at=TOO_FAR[1]
    )

    assert again.status == 422
    assert "Must be a date and a time" in again.text


@pytest.mark.parametrize(
    "page", ["events", "deliveries", "dead-letters", "jobs", "integrations", "api-keys", "tenants"]
)
def test_a_field_that_is_not_known_may_come_twice(pages: Visitor, page: str) -> None:
    """As those do that mail programs add to links. The page failed over them."""
    assert pages.get(f"/dashboard/{page}?utm=1&utm=2").status == 200


CODECS = ("unicode_escape", "idna", "punycode", "utf-16")


@pytest.mark.parametrize("codec", CODECS)
def test_a_form_in_several_parts_is_refused(api: Api, pages: Visitor, codec: str) -> None:
    """It could name a codec for its texts that fails, or that makes half letters, over which pages failed."""
    boundary = f"multipart/form-data; boundary=b; charset={codec}"
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = part.format("form_token", pages.token()) + part.format("name", "\\ud800 xn--a") + "--b--\r\n"
    headers = {"Content-Type": boundary}

    for path in addresses("POST", **ids_of_a_delivery(api)):
        with_token = {**headers, "X-Form-Token": pages.token()}
        assert pages.client.post(path, content=body, headers=headers).status_code in {403, 415}, path
        assert pages.client.post(path, content=body, headers=with_token).status_code in {303, 403, 404, 409, 415}, path


def test_a_form_with_very_many_fields_is_refused(pages: Visitor) -> None:
    """Reading them all would keep others waiting."""
    fields = "&".join(f"id={number}" for number in range(5000))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    assert pages.client.post(SIGN_IN, content=fields, headers=headers).status_code == 400


ANSWERS = {
    "half a letter": rb'{"said": "\ud800 and more"}',
    "deep": b"[" * 480 + b"]" * 480,
    "wide and deep": b"[" * 300 + b"1," * 1000 + b"1" + b"]" * 300,
    "no number": b'{"a": NaN, "b": -1e999}',
    "script": b"</code><script>alert(1)</script>",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_receivers_odd_answer_is_shown(api: Api, receiver: Receiver, pages: Visitor, answer: bytes) -> None:
    """A receiver could make the page of its delivery fail, or be megabytes."""
    receiver.answer(status=500, body=answer)
    api.house.integrate(receiver.url_of("/orders"), delivery={"retry_waits": []})
    api.house.publish()
    api.house.run_until_idle()

    page = pages.get(f"/dashboard/deliveries/{api.house.only_delivery().id}")

    assert page.status == 200
    assert len(page.html) < 60_000
    assert "<script>alert" not in page.html


LAYOUTS = {
    '{"a":1.10,"a":[],"b":{}}': '{\n  "a": 1.10,\n  "a": [],\n  "b": {}\n}',
    '[1,[true,null],"\\u00fc"]': '[\n  1,\n  [\n    true,\n    null\n  ],\n  "ü"\n]',
    r'["\ud83d\ude00","\ud800"]': '[\n  "😀",\n  "\\ud800"\n]',
    "1e999": "1e999",
    "{}": "{}",
    "no JSON": "no JSON",
}


@pytest.mark.parametrize(("given", "laid_out"), LAYOUTS.items(), ids=LAYOUTS)
def test_json_is_laid_out_with_all_that_it_holds(given: str, laid_out: str) -> None:
    """A member that came twice is there twice, and no half letter is made that no page can hold."""
    assert pretty_json(given) == laid_out


def test_json_that_would_become_much_longer_stays_as_it_is() -> None:
    """A payload of half a megabyte became fifty megabytes of blanks."""
    deep = "[" * 99 + "1," * 200_000 + "1" + "]" * 99
    begun = time.perf_counter()

    assert pretty_json(deep) == deep
    assert time.perf_counter() - begun < 5


def test_a_delivery_that_was_tried_very_often_is_shown_by_parts(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """All attempts were on one page that loads itself every three seconds: megabytes after some weeks of redriving."""
    receiver.answer(status=500)
    api.house.integrate(receiver.url_of("/orders"), delivery={"retry_waits": [1] * 27})
    api.house.publish()
    for _ in range(2):
        for _ in range(28):
            api.house.run_until_idle()
            api.house.clock.move(minutes=10)
        path = f"/dashboard/deliveries/{api.house.only_delivery().id}"
        pages.submit(pages.get(path), "/redrive")

    newest = pages.get(path)
    older = pages.get(newest.links["Older"])
    none = pages.get(f"{path}?before=1")

    assert [f"Attempt {number}:" in newest.text for number in (6, 7, 56)] == [False, True, True]
    assert [f"Attempt {number}:" in older.text for number in (1, 6, 7)] == [True, True, False]
    assert "Older" not in older.links
    assert older.links["Newest"] == path
    assert "There are no more." in none.text
