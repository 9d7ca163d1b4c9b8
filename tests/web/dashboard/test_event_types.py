"""The pages of event types."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from api import Api
from web.dashboard.visitor import Page, Visitor

from postrider.control import event_types
from postrider.control.event_types import add
from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission

LIST = "/dashboard/event-types"
Visit = Callable[[str | None], Visitor]


def row(page: Page, name: str) -> str:
    """Give what stands in the row of an event type."""
    return next(part for part in page.html.split("<tr>") if f">{name}</a>" in part)


def test_the_catalogue_tells_who_observes_what(api: Api, pages: Visitor) -> None:
    """By its name, its first words or everything; an integration that does so in two ways counts once."""
    api.house.integrate("http://127.0.0.1:9/a", "order.*", "order.paid")
    api.house.integrate("http://127.0.0.1:9/b", "order.paid")
    api.house.integrate("http://127.0.0.1:9/c", "*", enabled=False)

    page = pages.get(LIST)

    assert page.status == 200
    assert "3 integrations" in row(page, "order.paid")
    assert "2 integrations" in row(page, "order.created")
    assert "1 integration<" in row(page, "cart.updated")


def test_a_type_is_found_by_its_name_and_its_observers(api: Api, pages: Visitor) -> None:
    """Part of a name in any case narrows the list, and so does whether anybody observes it."""
    api.house.integrate("http://127.0.0.1:9/", "order.paid")

    by_name = pages.get(f"{LIST}?text=ORDER.p&observed=")
    observed = pages.get(f"{LIST}?observed=yes")
    none = pages.get(f"{LIST}?text=no-such")

    assert "order.paid" in by_name.links
    assert "order.created" not in by_name.links
    assert "order.paid" in observed.links
    assert "order.created" not in observed.links
    assert "No event type is like that." in none.text


def test_a_type_is_added_and_can_be_published_at_once(api: Api, pages: Visitor) -> None:
    """The list has it among the tenant's own, and its events are taken."""
    done = pages.submit(
        pages.get(f"{LIST}/new"), "/event-types", name=" order.packed ", description="It is in its box."
    )

    assert (done.status, done.path) == (200, LIST)
    assert "order.packed is there now" in done.text
    assert "It is in its box." in row(done, "order.packed")
    assert api.publish("order.packed")


@pytest.mark.parametrize(
    ("name", "status", "complaint"),
    [
        ("order", 422, "Must be words of letters, digits"),
        ("postrider.mine", 422, "Names that begin with"),
        ("order.paid", 409, "The event type order.paid is built in"),
        ("order.mine", 409, "The event type order.mine is there already"),
    ],
)
def test_a_wrong_name_is_told_at_its_field(api: Api, pages: Visitor, name: str, status: int, complaint: str) -> None:
    """The form comes back with what was typed and the complaint at the name."""
    add(api.house.services, api.house.tenant.id, name="order.mine")

    again = pages.submit(pages.get(f"{LIST}/new"), "/event-types", name=name, description="<b>kept</b>")

    assert again.status == status
    assert f'<strong class="complaint">{complaint}' in again.html
    assert dict(again.form("/event-types").fields)["name"] == name
    assert dict(again.form("/event-types").fields)["description"] == "<b>kept</b>"


def test_who_may_only_read_adds_nothing(api: Api, reader: Visitor) -> None:
    """There is no button, and its address refuses."""
    page = reader.get(LIST)
    refused = reader.post(LIST, [("form_token", reader.token()), ("name", "order.packed")])

    assert page.status == 200
    assert "Add an event type" not in page.links
    assert reader.get(f"{LIST}/new").status == 403
    assert refused.status == 403
    assert "events:publish" in refused.text
    assert "order.packed" not in event_types.known(api.house.services, api.house.tenant.id)


def test_who_may_not_see_integrations_learns_nothing_of_them(api: Api, visit: Visit) -> None:
    """Neither by the numbers nor by the filter."""
    api.house.integrate("http://127.0.0.1:9/", "order.paid")
    visitor = visit(api.new_key(Permission.EVENTS_READ, Permission.DELIVERIES_READ))

    page = visitor.get(f"{LIST}?observed=yes")

    assert "Observed by" not in page.text
    assert "order.created" in page.links


def test_a_form_from_elsewhere_adds_nothing(api: Api, pages: Visitor) -> None:
    """Without the proof that the form is ours nothing is done."""
    refused = pages.post(LIST, [("name", "order.packed")])

    assert refused.status == 403
    assert "order.packed" not in event_types.known(api.house.services, api.house.tenant.id)


def test_another_tenants_types_are_not_shown(api: Api, pages: Visitor) -> None:
    """What another tenant has added is unknown here."""
    other = create_tenant(api.house.services, name="other")
    add(api.house.services, other.id, name="fish.caught")

    assert "fish.caught" not in pages.get(LIST).text
