"""The pages of tenants, for operators."""

from __future__ import annotations

from api import Api
from web.dashboard.visitor import FORM_TOKEN, Visitor

from postrider.control.tenants import create_tenant
from postrider.store import tenants

LIST = "/dashboard/tenants"


def test_tenants_are_listed(api: Api, pages: Visitor) -> None:
    """With the id that receivers know them by, and which of them is looked at."""
    other = create_tenant(api.house.services, name="Fish", org_id="o-1")

    page = pages.get(LIST)

    assert f"Fish {other.id} o-1" in page.text
    assert f"shop {api.house.tenant.id} —" in page.text
    assert page.text.count("you look at it now") == 1


def test_a_tenant_is_made_and_looked_at(pages: Visitor) -> None:
    """From its making on it can be chosen, and then the pages are about it."""
    made = pages.submit(pages.get(f"{LIST}/new"), "/tenants", name="Fish", org_id="o-1")

    looked = pages.submit(made, "/tenant")

    assert "Fish is there now" in made.text
    assert "You now look at Fish." in looked.text
    assert "Fish has no API key yet." in pages.get("/dashboard/api-keys").text


def test_the_first_key_of_a_tenant_is_made_by_its_operator(api: Api, pages: Visitor) -> None:
    """An operator that looks at a tenant makes keys that are the tenant's."""
    other = create_tenant(api.house.services, name="Fish")
    pages.submit(pages.get(LIST), "/tenant", tenant_id=other.id)

    made = pages.submit(pages.get("/dashboard/api-keys/new"), "/api-keys", name="first", permissions="events:read")

    secret = made.html.split("<code>pr_")[1].split("<")[0]
    assert api.get("/v2/events", key=f"pr_{secret}").json()["data"] == []
    assert "first valid" in pages.get("/dashboard/api-keys").text


def test_a_tenant_needs_a_name(pages: Visitor) -> None:
    """The form comes back with the complaint at its field, and what was typed."""
    again = pages.submit(pages.get(f"{LIST}/new"), "/tenants", name=" ", org_id="o-1")

    assert again.status == 422
    assert '<strong class="complaint">Must' in again.html
    assert dict(again.form("/tenants").fields)["org_id"] == "o-1"


def test_tenants_are_for_operators(api: Api, reader: Visitor) -> None:
    """Nobody else sees them, makes them or looks at them."""
    other = create_tenant(api.house.services, name="Fish")
    token = (FORM_TOKEN, reader.token())

    assert "Tenants" not in reader.get("/dashboard/").links
    assert [reader.get(path).status for path in (LIST, f"{LIST}/new")] == [403, 403]
    assert reader.post(LIST, [token, ("name", "Mine")]).status == 403
    assert reader.post("/dashboard/tenant", [token, ("tenant_id", str(other.id))]).status == 403
    assert "Fish" not in reader.get("/dashboard/").text


def test_a_form_from_elsewhere_makes_no_tenant(api: Api, pages: Visitor) -> None:
    """Without the proof that the form is ours nothing is done."""
    assert pages.post(LIST, [("name", "Mine")]).status == 403
    with api.house.services.database.read() as tx:
        assert [one.name for one in tenants.any_tenant_list(tx)] == ["shop"]
