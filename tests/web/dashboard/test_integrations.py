"""The pages of integrations: the list with its health, one of them, and what can be done about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from api import Api
from house import House
from integration_data import SECRET_KEY, STOMP
from servers.receiver import Receiver
from sqlalchemy import update
from web.dashboard.visitor import FORM_TOKEN, Page, Visitor

from postrider.control import integrations as control
from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission
from postrider.domain.delivery import DeliveryStatus
from postrider.domain.integration import Integration
from postrider.pipeline.sweep import fold
from postrider.store import tables
from postrider.web.dashboard.integrations import PAGE

LIST = "/dashboard/integrations"
NOWHERE = "http://127.0.0.1:9/"
Visit = Callable[[str | None], Visitor]


def at(integration: Integration, end: str = "") -> str:
    return f"{LIST}/{integration.id}{end}"


def row(page: Page, name: str) -> str:
    """Give what stands in the row of an integration."""
    return next(part for part in page.html.split("<tr>") if f">{name}</a>" in part)


def get(house: House, integration: Integration) -> Integration:
    return control.get(house.services, house.tenant.id, integration.id)


def fail(house: House, receiver: Receiver, *, times: int = 1) -> Integration:
    """Make an integration whose deliveries become dead letters at once."""
    receiver.answer(500, b'{"why": "no room"}')
    integration = house.integrate(receiver.url, name="failing", delivery={"retry_waits": []})
    house.publish(*["order.paid"] * times)
    house.run_until_idle()
    fold(house.services)
    return integration


def test_without_any_it_is_told_how_to_make_one(pages: Visitor) -> None:
    """The empty list leads to the form, and shows the command that does the same."""
    page = pages.get(LIST)

    assert page.status == 200
    assert "There is no integration yet." in page.text
    assert page.links["Create the first integration"] == f"{LIST}/new"
    assert "curl -X POST https://postrider.test/v2/integrations" in page.text


def test_the_list_tells_how_each_has_been_doing(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """State, the share that arrived, what waits and the last error stand in its row."""
    fail(api.house, receiver, times=3)
    receiver.answer(200)
    api.house.integrate(receiver.url, "cart.updated", name="well")
    api.house.publish("cart.updated", "cart.updated")
    api.house.run_until_idle()
    fold(api.house.services)
    api.house.integrate(NOWHERE, name="off", enabled=False)
    api.house.integrate(NOWHERE, "order.*", name="waiting")
    api.house.publish("order.created")
    api.house.fan_out()
    api.house.clock.move(minutes=1)

    page = pages.get(LIST)

    assert all(words in row(page, "failing") for words in ("failing</span>", "0%", "of 3", "HTTP 500"))
    assert all(words in row(page, "well") for words in ("healthy</span>", "100%", "of 2"))
    assert all(words in row(page, "off") for words in ("disabled</span>", "until it is enabled", "nothing sent"))
    assert '<td data-label="Backlog" class="right">1</td>' in row(page, "waiting")
    assert all(tab in page.links for tab in ("All 4", "Failing 1", "Enabled 3", "Disabled 1"))


def test_the_list_is_narrowed(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """By part of the name in any case, by the whole id, by type, and by state."""
    failing = fail(api.house, receiver)
    api.house.integrate(NOWHERE, name="Über 100%_Lager")
    api.house.integrate(NOWHERE, name="queue", integration_type="stomp", configuration=STOMP, enabled=False)
    cases = {
        "text=LAGER": ["Über 100%_Lager"],
        "text=%25_": ["Über 100%_Lager"],
        "text=A&state=failing": ["failing"],
        f"text={failing.id}": ["failing"],
        "type=stomp": ["queue"],
        "state=disabled&text=": ["queue"],
        "state=enabled": ["failing", "Über 100%_Lager"],
        "state=failing": ["failing"],
        "text=nobody": [],
    }

    for query, names in cases.items():
        page = pages.get(f"{LIST}?{query}")

        assert [name for name in page.links if name in {"failing", "queue", "Über 100%_Lager"}] == names, query
    assert "No integration is like that." in pages.get(f"{LIST}?text=nobody").text
    assert pages.get(f"{LIST}?state=lost").status == 422


def test_many_are_listed_a_page_at_a_time(either_api: Api) -> None:
    """Following the pages shows each once, by name whatever its case, also those with the same name."""
    names = [name for name in "bAcBa" for _ in range(PAGE // 2)]
    made = [either_api.house.integrate(NOWHERE, name=name) for name in names]
    visitor = Visitor(either_api)
    page = visitor.sign_in()
    seen: list[str] = []

    link: str | None = LIST
    while link is not None:
        page = visitor.get(link)
        seen += re.findall(rf'href="{LIST}/([0-9a-f-]{{36}})">[abcAB]<', page.html)
        link = page.links.get("Next page")
    visitor.close()

    by_name = sorted(made, key=lambda one: (one.name.lower(), one.id))
    assert seen == [str(one.id) for one in by_name]


def test_a_page_tells_all_about_it_but_its_secrets(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """What it observes, where it goes, how hard it tries, what was sent lately and what is dead."""
    failing = fail(api.house, receiver, times=2)
    (one, other) = api.house.deliveries(statuses=(DeliveryStatus.DEAD,))

    page = pages.get(at(failing))

    assert page.status == 200
    for words in ("order.paid", receiver.url, "Once, with no retry", "10s for a whole attempt", "200-299"):
        assert words in page.text
    assert "The last 2 attempts failed" in page.text
    assert "The receiver failed inside" in page.text
    assert page.links["HTTP 500"] == f"/dashboard/dead-letters/group?integration_id={failing.id}&error=http_500"
    assert page.links["dead"] in {f"/dashboard/deliveries/{each.id}" for each in (one, other)}
    shown = page.links["See what came back last"].removeprefix("/dashboard/deliveries/").removesuffix("#attempt-1")
    assert shown in {str(one.id), str(other.id)}
    assert page.links["Edit the integration"] == at(failing, "/edit")
    assert SECRET_KEY not in page.html
    assert "s3cret-key" not in page.html
    assert failing.signing_secret not in page.html


@pytest.mark.parametrize(
    ("path", "body", "system"),
    [
        (
            "/v1/hood/integrations",
            {
                "name": "One",
                "provider_id": "1003",
                "settings": {"api_key": "SG.k", "default_sender_email": "a@b.example"},
            },
            "Ocamba Hood",
        ),
        (
            "/v1/tenants/{tenant}/integrations",
            {"name": "One", "type": "rest", "properties": {"endpointPrefix": "https://api.example.com"}},
            "CxEngage",
        ),
        ("/v1/integrations", {"name": "One"}, "integrator.io"),
        ("/rest/v1/service/integration_points", {"code": "One", "type": "public"}, "ERA"),
    ],
)
def test_it_is_told_whose_clients_set_it_up(
    api: Api, pages: Visitor, path: str, body: dict[str, object], system: str
) -> None:
    """On its page and in its form, which says too what becomes of that system's own fields."""
    made = api.call("POST", path.replace("{tenant}", str(api.house.tenant.id)), json=body)
    assert made.is_success, made.text
    (one,) = api.data("/v2/integrations")

    page = pages.get(f"{LIST}/{one['id']}")
    assert "Set up by" in page.text
    assert f"clients of {system}" in page.text
    form = " ".join(pages.get(f"{LIST}/{one['id']}/edit").text.split())
    assert f"Clients of {system} have set it up." in form


def test_what_elastic_paths_clients_set_up_names_no_other_system(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """Nor does what the dashboard made."""
    made = api.house.integrate(receiver.url)

    assert "Set up by" not in pages.get(at(made)).text
    assert "have set it up" not in pages.get(at(made, "/edit")).text


def test_what_was_switched_off_says_why(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """An endpoint that is gone has its integration switched off; the page says by whom, and lets it be enabled."""
    receiver.answer(410)
    gone = api.house.integrate(receiver.url)
    api.house.publish()
    api.house.run_until_idle()

    page = pages.get(at(gone))
    done = pages.submit(page, "/enable")

    assert "its endpoint answered that it is gone (410)" in page.text
    assert not page.has_form("/test")
    assert "is enabled" in done.text
    assert get(api.house, gone).enabled


def test_what_is_parked_says_until_when(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """After ten failures in a row it is left alone, and the page says what comes next."""
    failing = fail(api.house, receiver, times=12)

    assert "parked</span>" in row(pages.get(LIST), "failing")
    assert "One delivery is tried" in pages.get(at(failing)).text
    api.house.clock.move(minutes=6)
    assert "The next delivery shows whether it is back." in pages.get(at(failing)).text


def test_what_is_parked_is_tried_at_once(api: Api, pages: Visitor, reader: Visitor, receiver: Receiver) -> None:
    """Who has mended a receiver need not wait for the probe: a button asks it now, and all that waited arrives."""
    failing = fail(api.house, receiver, times=10)
    api.house.publish("order.paid")
    api.house.run_until_idle()
    receiver.answer(status=204)
    seen = reader.get(at(failing))

    tried = pages.submit(pages.get(at(failing)), "/redrive")
    api.house.run_until_idle()

    assert "It is on its way again." in tried.text
    assert "parked" in seen.text.lower()
    assert not seen.has_form("/redrive")
    assert api.house.deliveries(statuses=(DeliveryStatus.DELIVERED,))
    assert not pages.get(at(failing)).has_form("/redrive")


def test_it_is_disabled_and_enabled(api: Api, pages: Visitor) -> None:
    """A button does what the API does, in the name of the key that one is signed in with."""
    integration = api.house.integrate(NOWHERE)

    off = pages.submit(pages.get(at(integration)), "/disable")
    (entry, *_) = api.data("/v2/audit-log?action=integration.disabled")

    assert (off.status, off.path) == (200, at(integration))
    assert "hook is disabled" in off.text
    assert not get(api.house, integration).enabled
    assert entry["actor"]["name"] == "test"


def test_it_is_deleted_by_typing_its_name(api: Api, pages: Visitor) -> None:
    """The wrong name deletes nothing; the right one leads to the list, where it is not any more."""
    integration = api.house.integrate(NOWHERE, name="Old CRM")
    api.house.publish()
    api.house.fan_out()
    asked = pages.get(at(integration, "/delete"))

    wrong = pages.submit(asked, "/delete", name="old")
    done = pages.submit(asked, "/delete", name=" Old CRM ")

    assert "The delivery that waits for it is discarded." in asked.text
    assert (wrong.status, "This is not its name." in wrong.text) == (422, True)
    assert (done.path, "Old CRM is deleted." in done.text) == (LIST, True)
    assert pages.get(at(integration)).status == 404


def test_a_new_signing_secret_is_shown_once(api: Api, pages: Visitor) -> None:
    """It is on the page that answers, which nobody keeps, and on no page after it."""
    integration = api.house.integrate(NOWHERE)

    done = pages.submit(pages.get(at(integration, "/rotate-secret")), "/rotate-secret", overlap="3600")
    new = get(api.house, integration)

    assert new.signing_secret != integration.signing_secret
    assert new.signing_secret in done.text
    assert done.headers["cache-control"] == "no-store"
    for end in ("", "/edit", "/rotate-secret"):
        page = pages.get(at(integration, end))
        assert new.signing_secret not in page.html
        assert integration.signing_secret not in page.html
    assert "signs beside it, until in 1 hour" in pages.get(at(integration)).text


def test_a_secret_that_leaked_stops_to_sign(api: Api, pages: Visitor) -> None:
    """Without an overlap the old one signs no more; an overlap that is not offered changes nothing."""
    integration = api.house.integrate(NOWHERE)
    asked = pages.get(at(integration, "/rotate-secret"))

    refused = pages.submit(asked, "/rotate-secret", overlap="999999999")
    unchanged = get(api.house, integration)
    pages.submit(asked, "/rotate-secret", overlap="0")

    assert refused.status == 422
    assert unchanged.signing_secret == integration.signing_secret
    assert get(api.house, integration).retired_secrets == ()


def test_unreadable_secrets_are_told(api: Api, pages: Visitor) -> None:
    """The page says that nothing can be sent, and still shows what it can."""
    blind = api.house.integrate(NOWHERE)
    with api.house.services.database.write() as tx:
        tx.execute(update(tables.integrations).where(tables.integrations.c.id == blind.id).values(secrets="lost"))

    page = pages.get(at(blind))

    assert (page.status, "Nothing can be sent" in page.text) == (200, True)
    assert NOWHERE in page.text
    assert pages.submit(pages.get(at(blind, "/rotate-secret")), "/rotate-secret").status == 409


def test_a_type_that_was_uninstalled_shows_no_configuration(api: Api, pages: Visitor) -> None:
    """Nobody is left to say which of its fields are secret: none is shown."""
    stranded = api.house.integrate(NOWHERE, integration_type="stomp", configuration=STOMP)
    with api.house.services.database.write() as tx:
        tx.execute(update(tables.integrations).values(integration_type="pager"))

    page = pages.get(at(stranded))

    assert (page.status, "there is nothing to show of it" in page.text) == (200, True)
    assert not any(str(value) in page.html for value in (STOMP["password"], STOMP["destination"]))
    assert "pager" in row(pages.get(LIST), "hook")


WRITES = ("/enable", "/disable", "/test", "/delete", "/rotate-secret", "/edit")


def test_who_may_only_read_sees_no_buttons(api: Api, reader: Visitor) -> None:
    """Neither the list nor the page leads to a change."""
    integration = api.house.integrate(NOWHERE)

    for page in (reader.get(LIST), reader.get(at(integration))):
        assert page.status == 200
        assert [form.action for form in page.forms if form.method == "post"] == ["/dashboard/sign-out"]
        assert not any(link.endswith(("/new", *WRITES)) for link in page.links.values())


@pytest.mark.parametrize("end", WRITES)
def test_who_may_only_read_changes_nothing(api: Api, reader: Visitor, end: str) -> None:
    """A form that was posted all the same is refused."""
    integration = api.house.integrate(NOWHERE)

    page = reader.post(at(integration, end), [(FORM_TOKEN, reader.token()), ("name", "hook"), ("overlap", "0")])

    assert (page.status, "integrations:write" in page.text) == (403, True)
    assert get(api.house, integration) == integration


def test_who_may_not_read_integrations_sees_none(api: Api, visit: Visit) -> None:
    """The pages ask for the permission that the API asks for."""
    integration = api.house.integrate(NOWHERE)
    stranger = visit(api.new_key(Permission.DELIVERIES_READ))

    assert stranger.get(LIST).status == 403
    assert stranger.get(at(integration)).status == 403


def test_deliveries_are_for_who_may_see_them(api: Api, visit: Visit, receiver: Receiver) -> None:
    """A key for integrations alone sees how one is doing, but none of its deliveries and dead letters."""
    failing = fail(api.house, receiver)

    page = visit(api.new_key(Permission.INTEGRATIONS_READ)).get(at(failing))

    assert (page.status, "HTTP 500" in page.text) == (200, True)
    assert "Recent deliveries" not in page.text
    assert not any("/deliveries" in link for link in page.links.values())


@pytest.mark.parametrize("end", WRITES)
def test_a_form_from_elsewhere_is_refused(api: Api, pages: Visitor, end: str) -> None:
    """Without its proof no form is taken."""
    integration = api.house.integrate(NOWHERE)

    page = pages.post(at(integration, end), [(FORM_TOKEN, "0" * 64), ("name", "hook"), ("overlap", "0")])

    assert page.status == 403
    assert get(api.house, integration) == integration


@pytest.mark.parametrize("end", ["", *WRITES])
def test_another_tenants_is_not_there(api: Api, pages: Visitor, end: str) -> None:
    """Whatever is asked of it, it is as if it never was."""
    other = create_tenant(api.house.services, name="other")
    with_all = api.new_key(*Permission, tenant=other)
    made = api.post(
        "/v2/integrations",
        {"type": "integration", "name": "theirs", "observes": ["*"], "configuration": {"url": NOWHERE}},
        key=with_all,
    ).json()["data"]
    paths = [f"{LIST}/{made['id']}{end}", f"{LIST}/{uuid4()}{end}"]

    for path in paths:
        if end in {"", "/edit", "/delete", "/rotate-secret"}:
            assert pages.get(path).status == 404
        if end:
            assert pages.post(path, [(FORM_TOKEN, pages.token()), ("name", "theirs"), ("overlap", "0")]).status == 404
    assert "theirs" not in pages.get(LIST).text
    assert control.get(api.house.services, other.id, UUID(made["id"])).version == 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "It is not said yet where its events go"),
        (
            {"configuration": {"url": NOWHERE}, "install": [{"name": "Connect", "completed": False}]},
            "It is still being installed, by the API of integrator.io",
        ),
    ],
)
def test_what_cannot_be_enabled_yet_says_why(api: Api, pages: Visitor, more: dict[str, object], says: str) -> None:
    """Another system's API makes integrations that wait for something: no button that would only be refused."""
    made = api.call("POST", "/v1/integrations", json={"name": "Waits", **more})

    page = pages.get(pages.get(LIST).links["Waits"])

    assert made.status_code == 201
    assert says in page.text
    assert "Observesnothing yet" in page.text
    assert not page.has_form("/enable")
