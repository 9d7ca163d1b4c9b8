"""Pages when the database is away, or not of this version, and when many look at once or somebody looks ahead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from api import Api
from servers.process import free_port
from sqlalchemy import text
from starlette.routing import Mount
from web.dashboard.visitor import Visitor

from postrider.store import api_keys
from postrider.store.engine import Database

PAGES = ("", "events", "deliveries", "dead-letters", "integrations", "jobs", "api-keys", "audit-log", "system")


@pytest.fixture
def either_pages(either_api: Api) -> Iterator[Visitor]:
    """Sign in with the key that may do everything; once for each kind of database."""
    visitor = Visitor(either_api)
    visitor.sign_in()
    yield visitor
    visitor.close()


def dashboard_of(api: Api) -> Any:
    mounted = next(route for route in api.app.routes if isinstance(route, Mount))
    return mounted._base_app


def test_pages_without_their_database_say_so(api: Api, pages: Visitor) -> None:
    """Pages and forms are answered with 503 and words for people, and a form does nothing."""
    token = pages.token()
    nowhere = Database(f"postgresql+psycopg://postgres@127.0.0.1:{free_port()}/postrider")
    dashboard_of(api).state.services = replace(api.house.services, database=nowhere)

    answers = [pages.get(f"/dashboard/{page}") for page in PAGES]
    answers.append(pages.post("/dashboard/tenants", [("form_token", token), ("name", "x")]))

    assert {answer.status for answer in answers} == {503}
    assert all("The database does not answer" in answer.text for answer in answers)
    assert not any("Traceback" in answer.html or "psycopg" in answer.html for answer in answers)
    nowhere.close()


def test_a_database_that_was_not_migrated_is_told_on_the_page_of_the_system(
    either_api: Api, either_pages: Visitor
) -> None:
    """Whoever looks there finds what is wrong, and not a page that fails."""
    with either_api.house.services.database.write() as tx:
        tx.execute(text("DELETE FROM alembic_version"))

    page = either_pages.get("/dashboard/system")

    assert page.status == 200
    assert "postrider migrate" in page.text


def test_many_who_look_at_the_system_do_not_wait_for_each_other(either_api: Api, either_pages: Visitor) -> None:
    """Each took a second connection with one in hand: as many as the pool has locked it for all, publishing too."""

    def look(_: int) -> float:
        answer = either_pages.client.get("/dashboard/system")
        assert answer.status_code == 200
        return answer.elapsed.total_seconds()

    with ThreadPoolExecutor(24) as lookers:
        took = list(lookers.map(look, range(96)))

    assert max(took) < 2


def test_looking_ahead_leaves_a_sign_in_link_good(api: Api) -> None:
    """Mail programs and shells send a HEAD to what they show; the link was used up by it."""
    with api.house.services.database.read() as tx:
        (key,) = api_keys.page(tx, api.house.tenant.id, before=None, limit=2)
    code = dashboard_of(api).state.codes.make(key.id)
    link = f"/dashboard/sign-in/{code}"

    ahead, followed, again = api.client.head(link), api.client.get(link), api.client.get(link)

    assert "set-cookie" not in ahead.headers
    assert followed.status_code == 303
    assert "postrider_session" in followed.headers["set-cookie"]
    assert again.status_code == 410


def test_cookies_that_came_over_tls_go_over_tls_alone(pages: Visitor) -> None:
    """A notice names things, and was sent in the clear."""
    headers = {"X-Forwarded-Proto": "https", "Content-Type": "application/x-www-form-urlencoded"}
    fields = f"form_token={pages.token()}&name=shop"

    answer = pages.client.post("/dashboard/tenants", content=fields, headers=headers)

    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("postrider_notice=")
    assert "Secure" in cookie
    assert "HttpOnly" in cookie


def test_a_page_says_which_methods_it_takes(pages: Visitor) -> None:
    """As RFC 9110 section 15.5.6 wants it of a 405."""
    answers = {path: pages.client.put(f"/dashboard{path}") for path in ("/tenants", "/system", "/tenant")}

    assert {path: (answer.status_code, answer.headers["allow"]) for path, answer in answers.items()} == {
        "/tenants": (405, "GET, HEAD, POST"),
        "/system": (405, "GET, HEAD"),
        "/tenant": (405, "POST"),
    }
