"""Who gets in, and which forms are ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from http.cookies import SimpleCookie

import pytest
from api import Api
from house import House
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from web.dashboard.visitor import FORM_TOKEN, Visitor

from postrider.control import keys, sessions, tenants
from postrider.domain.access import Permission

Visit = Callable[[str | None], Visitor]
SESSION = "postrider_session"


@pytest.fixture
def guest(api: Api) -> Visitor:
    visitor = Visitor(api)
    with closing(visitor):
        yield visitor


def test_a_key_signs_in(guest: Visitor) -> None:
    """With a valid key the overview is shown, in the name of the key."""
    page = guest.sign_in()

    assert (page.status, page.path) == (200, "/dashboard/")
    assert "Signed in with test" in page.text


def test_whoever_is_not_signed_in_is_led_there_and_back(guest: Visitor) -> None:
    """A page that was asked for is shown after the sign-in, its filters with it."""
    asked = guest.get("/dashboard/deliveries?status=dead")
    page = guest.submit(asked, "/sign-in", api_key=guest.api.key)

    assert asked.path == "/dashboard/sign-in"
    assert page.path == "/dashboard/deliveries"
    assert dict(page.form("/deliveries").fields)["status"] == "dead"


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/dashboard/", "//evil.example/", "/dashboard/..//evil.example", "/dashboard/\\evil", "/v2"],
)
def test_nobody_is_led_away(guest: Visitor, elsewhere: str) -> None:
    """The sign-in leads to pages of the dashboard only."""
    page = guest.submit(guest.get("/dashboard/sign-in"), "/sign-in", api_key=guest.api.key, next=elsewhere)

    assert page.path == "/dashboard/"


@pytest.mark.parametrize("wrong", ["", "nonsense", "pr_" + "a" * 38])
def test_a_wrong_key_is_told(guest: Visitor, wrong: str) -> None:
    """Who has no valid key stays outside and is told, without the key being shown again."""
    page = guest.submit(guest.get("/dashboard/sign-in"), "/sign-in", api_key=wrong)

    assert page.status == 401
    assert guest.get("/dashboard/").path == "/dashboard/sign-in"
    assert not wrong or wrong not in page.html


def test_the_cookie_is_for_our_pages_only(guest: Visitor) -> None:
    """No script reads the session's cookie, and no other site's form sends it."""
    form = guest.get("/dashboard/sign-in").form("/sign-in")
    fields = {**dict(form.fields), "api_key": guest.api.key}
    answer = guest.client.post(form.action, data=fields)

    cookie = SimpleCookie(next(one for one in answer.headers.get_list("set-cookie") if one.startswith(SESSION)))
    told = cookie[SESSION]
    assert (told["httponly"], told["samesite"], told["path"]) == (True, "lax", "/dashboard")
    assert not told["secure"]


def test_behind_tls_the_cookie_goes_over_tls_only(guest: Visitor) -> None:
    """A proxy that took the request over TLS says so, and the cookie never travels in the clear."""
    form = guest.get("/dashboard/sign-in").form("/sign-in")
    fields = {**dict(form.fields), "api_key": guest.api.key}
    answer = guest.client.post(form.action, data=fields, headers={"X-Forwarded-Proto": "https"})

    cookie = SimpleCookie(next(one for one in answer.headers.get_list("set-cookie") if one.startswith(SESSION)))
    assert cookie[SESSION]["secure"]


def test_a_session_ends_with_its_key(api: Api, visit: Visit) -> None:
    """Who revokes a key ends what was begun with it."""
    made = keys.create_key(api.house.services, api.house.tenant.id, name="lost", permissions=frozenset(Permission))
    visitor = visit(made.secret)
    keys.revoke_key(api.house.services, api.house.tenant.id, made.key.id)
    api.app.state.authenticator.known.forget(made.key.id)

    assert visitor.get("/dashboard/").path == "/dashboard/sign-in"


def test_a_session_ends_by_itself(pages: Visitor, house_of: House) -> None:
    """After twelve hours one signs in again."""
    house_of.clock.move(hours=12)

    assert pages.get("/dashboard/").path == "/dashboard/sign-in"


@pytest.fixture
def house_of(api: Api) -> House:
    return api.house


def test_signing_out_ends_the_session(pages: Visitor) -> None:
    """Whoever signs out sees the sign-in page, whatever they ask for."""
    page = pages.submit(pages.get("/dashboard/"), "/sign-out")

    assert page.path == "/dashboard/sign-in"
    assert pages.get("/dashboard/deliveries").path == "/dashboard/sign-in"


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_a_form_from_elsewhere_is_refused(pages: Visitor, token: str) -> None:
    """Without the proof that the form is ours nothing is done, though the cookie came along."""
    page = pages.post("/dashboard/sign-out", [(FORM_TOKEN, token)])

    assert page.status == 403
    assert "load the page again" in page.text
    assert pages.get("/dashboard/").path == "/dashboard/"


def test_nobody_is_signed_in_by_somebody_else(guest: Visitor) -> None:
    """The sign-in form needs its proof too, or another site could have one work in its name."""
    page = guest.post("/dashboard/sign-in", [("api_key", guest.api.key)])

    assert page.status == 403
    assert guest.get("/dashboard/").path == "/dashboard/sign-in"


def test_proof_of_one_session_is_none_of_another(visit: Visit) -> None:
    """What one's forms carry opens nobody else's."""
    one, other = visit(None), visit(None)

    assert other.post("/dashboard/sign-out", [(FORM_TOKEN, one.token())]).status == 403


def test_another_tenants_key_sees_its_own(api: Api, visit: Visit) -> None:
    """A key shows the things of its tenant, whatever id is asked for."""
    hidden = api.house.integrate("http://127.0.0.1:9/", name="hidden")
    api.publish()
    api.house.fan_out()
    (delivery,) = api.house.deliveries(integration_id=hidden.id)
    other = tenants.create_tenant(api.house.services, name="other")
    stranger = visit(api.new_key(*Permission, tenant=other))

    assert stranger.get(f"/dashboard/deliveries/{delivery.id}").status == 404
    assert "hidden" not in stranger.get("/dashboard/deliveries").text


def test_an_operator_looks_at_another_tenant(api: Api, pages: Visitor) -> None:
    """Who may manage tenants chooses whose things are shown."""
    other = tenants.create_tenant(api.house.services, name="other shop")
    page = pages.post("/dashboard/tenant", [(FORM_TOKEN, pages.token()), ("tenant_id", str(other.id))])

    assert "You now look at other shop." in page.text
    assert "Tenant other shop" in pages.get("/dashboard/deliveries").text


def test_only_operators_choose_a_tenant(api: Api, reader: Visitor) -> None:
    """A tenant's key looks at nothing else."""
    other = tenants.create_tenant(api.house.services, name="other shop")
    page = reader.post("/dashboard/tenant", [(FORM_TOKEN, reader.token()), ("tenant_id", str(other.id))])

    assert page.status == 403
    assert "Tenant shop" in reader.get("/dashboard/").text


@pytest.mark.parametrize("changed", ["tenant_id", "nothing"])
def test_a_cookie_cannot_be_made(api: Api, guest: Visitor, changed: str) -> None:
    """A cookie that somebody else wrote or changed is none."""
    key = keys.find_key(api.house.services, api.key)
    pepper = api.house.services.pepper if changed == "tenant_id" else b"another pepper"
    text = sessions.begin(pepper, key, now=api.house.clock.now()).text
    guest.client.cookies.set(SESSION, ("A" if text[30] != "A" else "B").join((text[:30], text[31:])), path="/dashboard")

    assert guest.get("/dashboard/").path == "/dashboard/sign-in"


def test_pages_keep_to_themselves(pages: Visitor) -> None:
    """No page runs foreign scripts, is framed, or is kept by anybody."""
    headers = pages.get("/dashboard/deliveries").headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"


def test_what_is_not_there_is_told_on_a_page(pages: Visitor) -> None:
    """A wrong address leads to a page that says so, in the frame of the others."""
    for path in ("/dashboard/nothing", "/dashboard/deliveries/nonsense"):
        page = pages.get(path)

        assert (page.status, "There is nothing here" in page.text) == (404, True)
        assert page.has_form("/sign-out")


def test_wrong_filters_are_told(pages: Visitor) -> None:
    """A filter that cannot be meant is named."""
    page = pages.get("/dashboard/deliveries?status=lost")

    assert page.status == 422
    assert "status" in page.text


def test_a_polling_page_whose_session_ended_signs_in(pages: Visitor) -> None:
    """What refreshes itself leads the whole page to the sign-in, not a part of it."""
    pages.api.house.clock.move(hours=13)
    answer = pages.client.get("/dashboard/deliveries", headers={"HX-Request": "true"})

    assert answer.headers["hx-redirect"].startswith("/dashboard/sign-in")


def test_sessions_do_not_outlive_a_key_that_expires(api: Api) -> None:
    """A key that ends in an hour opens an hour."""
    now = api.house.clock.now()
    made = keys.create_key(
        api.house.services,
        api.house.tenant.id,
        name="short",
        permissions=[Permission.EVENTS_READ],
        expires_at=now + timedelta(hours=1),
    )

    assert sessions.begin(api.house.services.pepper, made.key, now=now).expires_at == now + timedelta(hours=1)


def test_a_fault_of_ours_is_told_on_a_page(pages: Visitor) -> None:
    """Whoever meets a fault of ours reads the id by which the log has it, and nothing of the fault."""

    def broken(_: Request) -> Response:
        raise RuntimeError("a secret detail")

    mounted = next(route for route in pages.api.app.routes if isinstance(route, Mount))
    mounted.routes.insert(0, Route("/broken", broken))
    answer = pages.client.get("/dashboard/broken", headers={"X-Request-Id": "a-request"})

    assert answer.status_code == 500
    assert "request id a-request" in answer.text
    assert "secret detail" not in answer.text
