"""The pages of API keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from api import Api
from web.dashboard.visitor import FORM_TOKEN, Page, Visitor

from postrider.control.keys import NewKey, create_key
from postrider.control.tenants import create_tenant
from postrider.domain.access import ApiKey, Permission
from postrider.store import api_keys

LIST = "/dashboard/api-keys"
Visit = Callable[[str | None], Visitor]


def make(api: Api, *permissions: Permission, name: str = "checkout") -> NewKey:
    return create_key(api.house.services, api.house.tenant.id, name=name, permissions=permissions)


def stored(api: Api) -> list[ApiKey]:
    with api.house.services.database.read() as tx:
        return api_keys.page(tx, api.house.tenant.id, before=None, limit=100)


def secret_on(page: Page) -> str:
    return re.findall(r"<code>(pr_\w+)</code>", page.html)[0]


def test_keys_are_listed_without_their_secrets(api: Api, pages: Visitor) -> None:
    """Name, first characters, permissions and when they were used, and no more of any key."""
    made = make(api, Permission.EVENTS_PUBLISH)

    page = pages.get(LIST)

    assert page.status == 200
    assert "checkout valid" in page.text
    assert f"{made.key.prefix}… events:publish never" in page.text
    assert "you are signed in with it" in page.text
    assert made.secret[8:] not in page.html
    assert api.key[8:] not in page.html


def test_a_made_key_is_shown_once_and_opens(api: Api, pages: Visitor) -> None:
    """The answer to the form has the key, which may do what was ticked until it ends; no later page has it."""
    made = pages.submit(
        pages.get(f"{LIST}/new"),
        "/api-keys",
        name="Checkout",
        permissions=["events:publish", "events:read"],
        expires_at="2027-01-31T12:00",
    )
    secret = secret_on(made)

    assert made.status == 201
    assert made.headers["cache-control"] == "no-store"
    assert api.get("/v2/events", key=secret).status_code == 200
    assert api.get("/v2/deliveries", key=secret).status_code == 403
    newest = stored(api)[0]
    assert (newest.name, str(newest.expires_at)) == ("Checkout", "2027-01-31 12:00:00+00:00")
    assert secret[8:] not in pages.get(LIST).html


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"name": " ", "permissions": ["events:read"]}, "Must"),
        ({"name": "k"}, "Give at least one"),
        ({"name": "k", "permissions": ["events:eat"]}, "Choose among those below"),
        ({"name": "k", "permissions": ["events:read"], "expires_at": "2001-01-01T00:00"}, "Must lie in the future"),
        ({"name": "k", "permissions": ["events:read"], "expires_at": "soon"}, "Must be a date and a time"),
    ],
)
def test_a_wrong_field_is_told_and_the_rest_kept(
    api: Api, pages: Visitor, given: dict[str, object], complaint: str
) -> None:
    """The form comes back with the complaint at its field and what was typed; no key is made."""
    before = {key.id for key in stored(api)}

    again = pages.submit(pages.get(f"{LIST}/new"), "/api-keys", **given)

    assert again.status == 422
    assert f'<strong class="complaint">{complaint}' in again.html
    assert dict(again.form("/api-keys").fields)["name"] == given["name"]
    assert {key.id for key in stored(api)} == before


def test_a_key_is_offered_only_what_it_may_hand_out(api: Api, visit: Visit) -> None:
    """The form has no box for what the own key lacks, and who asks for it all the same is refused."""
    visitor = visit(api.new_key(Permission.INTEGRATIONS_WRITE, Permission.EVENTS_READ, Permission.DELIVERIES_READ))

    form = visitor.get(f"{LIST}/new")
    refused = visitor.submit(form, "/api-keys", name="k", permissions=["tenants:manage"])

    assert 'value="events:read"' in form.html
    assert 'value="tenants:manage"' not in form.html
    assert refused.status == 403
    assert "tenants:manage" in refused.text


def test_a_key_made_by_one_that_ends_ends_with_it(api: Api, visit: Visit) -> None:
    """Without a date the new key lasts as long as the one that made it, as the form says."""
    end = api.house.clock.now() + timedelta(days=3)
    visitor = visit(api.new_key(Permission.INTEGRATIONS_WRITE, Permission.DELIVERIES_READ, expires_at=end))
    form = visitor.get(f"{LIST}/new")

    visitor.submit(form, "/api-keys", name="k", permissions=["deliveries:read"])

    assert "with the key that you are signed in with" in form.text
    assert stored(api)[0].expires_at == end


def test_a_key_is_revoked_after_a_question(api: Api, pages: Visitor) -> None:
    """The page says what happens; then the key opens nothing, and the list says since when."""
    made = make(api, Permission.EVENTS_READ)
    asked = pages.get(f"{LIST}/{made.key.id}/revoke")

    done = pages.submit(asked, "/revoke")

    assert "Revoke checkout?" in asked.text
    assert "You are signed in with this key" not in asked.text
    assert "checkout is revoked" in done.text
    assert "checkout revoked" in done.text
    assert api.get("/v2/events", key=made.secret).status_code == 401
    assert "It was revoked already" in pages.get(f"{LIST}/{made.key.id}/revoke").text


def test_revoking_the_own_key_warns_and_signs_out(api: Api, pages: Visitor) -> None:
    """Who goes on after the warning is at the door, and the session opens nothing."""
    own = next(key for key in stored(api) if key.prefix == api.key[:8])
    asked = pages.get(f"{LIST}/{own.id}/revoke")

    done = pages.submit(asked, "/revoke")

    assert "You are signed in with this key" in asked.text
    assert done.path == "/dashboard/sign-in"
    assert pages.get(LIST).path == "/dashboard/sign-in"


def test_a_key_that_may_more_cannot_be_revoked(api: Api, visit: Visit) -> None:
    """Who lacks what the other key has is told so, and the key stays."""
    made = make(api, Permission.EVENTS_PUBLISH)
    visitor = visit(api.new_key(Permission.INTEGRATIONS_WRITE, Permission.DELIVERIES_READ))

    refused = visitor.submit(visitor.get(f"{LIST}/{made.key.id}/revoke"), "/revoke")

    assert refused.status == 403
    assert "events:publish" in refused.text
    assert next(key for key in stored(api) if key.id == made.key.id).revoked_at is None


def test_who_may_only_read_sees_no_keys(api: Api, reader: Visitor) -> None:
    """The pages are not in the navigation, and each of their addresses refuses."""
    made = make(api, Permission.EVENTS_READ)
    token = (FORM_TOKEN, reader.token())

    assert "API keys" not in reader.get("/dashboard/").links
    assert [reader.get(path).status for path in (LIST, f"{LIST}/new", f"{LIST}/{made.key.id}/revoke")] == [403] * 3
    assert reader.post(LIST, [token, ("name", "k"), ("permissions", "events:read")]).status == 403
    assert reader.post(f"{LIST}/{made.key.id}/revoke", [token]).status == 403


def test_forms_from_elsewhere_do_nothing(api: Api, pages: Visitor) -> None:
    """Without the proof that the form is ours no key is made and none ends."""
    made = make(api, Permission.EVENTS_READ)
    before = {key.id for key in stored(api)}

    assert pages.post(LIST, [("name", "k"), ("permissions", "events:read")]).status == 403
    assert pages.post(f"{LIST}/{made.key.id}/revoke", []).status == 403
    assert {key.id for key in stored(api)} == before


def test_another_tenants_key_is_not_there(api: Api, visit: Visit) -> None:
    """Not even for an operator, who has to look at that tenant first."""
    other = create_tenant(api.house.services, name="other")
    theirs = create_key(api.house.services, other.id, name="theirs", permissions=[Permission.EVENTS_READ])
    operator, visitor = visit(None), visit(api.new_key(Permission.INTEGRATIONS_WRITE, Permission.DELIVERIES_READ))
    path = f"{LIST}/{theirs.key.id}/revoke"

    for one in (operator, visitor):
        assert one.get(path).status == 404
        assert one.post(path, [(FORM_TOKEN, one.token())]).status == 404
        assert "theirs" not in one.get(LIST).text
    operator.post("/dashboard/tenant", [(FORM_TOKEN, operator.token()), ("tenant_id", str(other.id))])
    assert operator.get(path).status == 200
    assert "theirs valid" in operator.get(LIST).text


def test_older_keys_are_on_the_next_page(api: Api, pages: Visitor) -> None:
    """Fifty a page, newest first, each once."""
    for number in range(55):
        make(api, Permission.EVENTS_READ, name=f"key-{number:02}")

    first = pages.get(LIST)
    second = pages.get(first.links["Older"])

    seen = [re.findall(r"key-\d\d", page.text) for page in (first, second)]
    assert list(dict.fromkeys(seen[0] + seen[1])) == [f"key-{number:02}" for number in reversed(range(55))]
    assert not set(seen[0]) & set(seen[1])
    assert "Older" not in second.links
    assert pages.get(second.links["Newest"]).text == first.text
