"""The page of the audit log."""

from __future__ import annotations

from collections.abc import Callable

from api import Api
from web.dashboard.visitor import Visitor

from postrider.control import integrations
from postrider.control.keys import create_key
from postrider.control.tenants import create_tenant
from postrider.domain.access import TENANT_PERMISSIONS, Permission

LIST = "/dashboard/audit-log"
Visit = Callable[[str | None], Visitor]


def rows(html: str) -> list[str]:
    return html.split("<tbody>")[1].split("<tr>")[1:] if "<tbody>" in html else []


def hook(api: Api, name: str = "Warehouse") -> str:
    """Make an integration and rename it over the API; gives its id."""
    data = {
        "type": "integration",
        "name": name,
        "enabled": True,
        "integration_type": "webhook",
        "observes": ["order.paid"],
        "configuration": {"url": "http://127.0.0.1:9/secret-path", "secret_key": "s3cret-key"},
    }
    made: str = api.post("/v2/integrations", data).json()["data"]["id"]
    api.call("PUT", f"/v2/integrations/{made}", json={"data": {**data, "name": f"{name} 2", "enabled": False}})
    return made


def test_changes_are_told_from_old_to_new(api: Api, pages: Visitor) -> None:
    """Who did it, from where, to what and what it changed; a secret only as having been set."""
    hook(api)

    page = pages.get(LIST)

    updated, created = rows(page.html)[:2]
    assert "Integration updated" in updated
    assert "<del>Warehouse</del>" in updated
    assert "<ins>Warehouse 2</ins>" in updated
    assert "<del>yes</del>" in updated
    assert "test<br>" in updated
    assert "from 127.0.0.1" in updated
    assert "Integration created" in created
    assert '<strong>configuration.secret_key</strong> <span class="quiet">set (not shown)' in created
    assert "s3cret-key" not in page.html
    assert "secret-path" not in page.html


def test_the_list_is_narrowed(api: Api, pages: Visitor) -> None:
    """By what was done, to what kind of thing, to which thing, by whom and when."""
    made = hook(api)
    key = create_key(api.house.services, api.house.tenant.id, name="other", permissions=[Permission.EVENTS_PUBLISH])
    api.post("/v2/event-types", {"name": "order.packed"}, key=key.secret)

    def found(query: str) -> list[str]:
        page = pages.get(f"{LIST}?{query}")
        assert page.status == 200
        return [row.split('data-label="What">')[1].split("<")[0] for row in rows(page.html)]

    assert found("action=integration.updated&object_id=&since=") == ["Integration updated"]
    assert found("object_type=event-type") == ["Event type added"]
    assert found(f"object_id={made}") == ["Integration updated", "Integration created"]
    assert found("object_id=order.packed") == ["Event type added"]
    assert found(f"actor_key_id={key.key.id}") == ["Event type added"]
    assert found("until=2001-01-01T00:00") == []
    assert pages.get(f"{LIST}?action=nonsense").status == 422


def test_the_actor_that_is_chosen_stays_chosen(api: Api, pages: Visitor) -> None:
    """Also one that is no key of the tenant's any more."""
    page = pages.get(f"{LIST}?actor_key_id={api.house.tenant.id}")

    assert f'<option value="{api.house.tenant.id}" selected>' in page.html
    assert "No change is like that." in page.text


def test_older_changes_are_on_the_next_page(api: Api, pages: Visitor) -> None:
    """Fifty a page, newest first; the filter goes along."""
    for number in range(60):
        api.post("/v2/event-types", {"name": f"own.n{number:02}"})

    first = pages.get(f"{LIST}?object_type=event-type")
    second = pages.get(first.links["Older"])

    assert [len(rows(page.html)) for page in (first, second)] == [50, 10]
    assert "own.n59" in rows(first.html)[0]
    assert "own.n00" in rows(second.html)[-1]


def test_what_an_operator_is_called_stays_unsaid(api: Api, visit: Visit) -> None:
    """The tenant reads that an operator did it, the operator reads who; nobody reads another tenant's log."""
    other = create_tenant(api.house.services, name="other")
    mine = create_key(api.house.services, other.id, name="mine", permissions=TENANT_PERMISSIONS)
    api.post("/v2/api-keys", {"name": "theirs", "tenant_id": str(other.id)})
    hook(api, "Secret plan")

    page = visit(mine.secret).get(LIST)

    newest = rows(page.html)[0]
    assert "theirs" in newest
    assert "An API key" in newest
    assert "127.0.0.1" not in newest
    assert "Secret plan" not in page.text


def test_the_log_of_a_deleted_integration_can_be_read(api: Api, pages: Visitor) -> None:
    """Its changes stay, with its last name."""
    made = api.house.integrate("http://127.0.0.1:9/")
    integrations.delete(api.house.services, api.house.tenant.id, made.id)

    page = pages.get(f"{LIST}?object_id={made.id}")

    assert "Integration deleted" in page.text
    assert "hook" in page.text


def test_who_may_only_read_has_no_audit_log(reader: Visitor) -> None:
    """It is not in the navigation, and its address refuses."""
    assert "Audit log" not in reader.get("/dashboard/").links
    assert reader.get(LIST).status == 403
