"""The pages of events: finding one, publishing one, and where it is."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from api import Api
from house import ORDER
from servers.receiver import Receiver
from web.dashboard.visitor import Visitor

from postrider.control import integrations as integration_control
from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission
from postrider.domain.delivery import DeliveryStatus

LIST = "/dashboard/events"
PUBLISH = f"{LIST}/publish"
NOTHING = "00000000-0000-7000-8000-000000000000"
NOWHERE = "http://127.0.0.1:9/"
Visit = Callable[[str | None], Visitor]


def test_events_are_listed_with_how_they_stand(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """Each row leads to its event and shows the statuses of its deliveries."""
    api.house.integrate(receiver.url)
    event = api.publish("order.paid")
    api.house.run_until_idle()
    nobody = api.publish("cart.updated")

    page = pages.get(LIST)

    assert page.links["order.paid"] == f"{LIST}/{event}"
    assert page.links["cart.updated"] == f"{LIST}/{nobody}"
    row = next(part for part in page.html.split("<tr>") if str(event) in part)
    assert ">delivered</span>" in row


def test_a_list_goes_on_behind_its_page(api: Api, pages: Visitor) -> None:
    """Older events are a link away, and from there the newest."""
    first = api.publish("cart.updated")
    for _ in range(50):
        api.house.publish("order.paid")

    newest = pages.get(LIST)
    older = pages.get(newest.links["Older"])

    assert "cart.updated" not in newest.links
    assert older.links["cart.updated"] == f"{LIST}/{first}"
    assert "Newest" in older.links
    assert "Older" not in older.links


def test_an_id_leads_to_its_page(api: Api, pages: Visitor) -> None:
    """An event's id to the event, a delivery's, which receivers know, to the delivery."""
    delivery = api.deliver_to_nobody(DeliveryStatus.PENDING)

    assert pages.get(f"{LIST}?id=%20{delivery.event_id}").path == f"{LIST}/{delivery.event_id}"
    assert pages.get(f"{LIST}?id={delivery.id}").path == f"/dashboard/deliveries/{delivery.id}"


@pytest.mark.parametrize(("given", "complaint"), [("order-1", "An id looks like"), (NOTHING, "Nothing has this id")])
def test_a_wrong_id_is_told_at_its_field(pages: Visitor, given: str, complaint: str) -> None:
    """What is no id, and what nothing has."""
    page = pages.get(f"{LIST}?id={given}")

    assert page.status == 422
    assert f'<strong class="complaint">{complaint}' in page.html
    assert dict(page.forms[1].fields)["id"] == given


def test_an_event_is_found_by_what_is_in_it(api: Api, pages: Visitor) -> None:
    """A text of the payload finds it, and the page says that it has looked at everything."""
    api.publish("order.paid", {"number": "A-1001"})
    wanted = api.publish("order.created", {"number": "Zürich-7"})

    found = pages.get(f"{LIST}?text=Z%C3%BCrich-7&event_type=&since=&until=")
    none = pages.get(f"{LIST}?text=Genf")

    assert found.links["order.created"] == f"{LIST}/{wanted}"
    assert "order.paid" not in found.links
    assert "That is all that holds “Zürich-7”." in found.text
    assert "Looked at everything" in none.text
    assert "No event is like that." in none.text


def test_a_search_tells_how_far_it_has_looked(api: Api, pages: Visitor) -> None:
    """More finds than a page has, or more events than one look takes: the next look goes on from there."""
    first = api.house.publish(payload=b'{"number":"A-1"}')[0]
    for _ in range(60):
        api.house.publish(payload=b'{"number":"A-1"}')

    page = pages.get(f"{LIST}?text=A-1")
    further = pages.get(page.links["Look further back for “A-1”"])

    assert "Looked back to" in page.text
    assert str(first.id) not in page.html
    assert str(first.id) in further.html


def test_an_event_says_where_it_is(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """One line for each integration, in plain words; the payload as it was published, laid out."""
    receiver.answer(status=500, path="/broken")
    api.house.integrate(receiver.url, name="Warehouse")
    api.house.integrate(receiver.url_of("/broken"), name="ERP", delivery={"retry_waits": []})
    api.house.integrate(receiver.url, name="Switched off", enabled=False)
    event = api.house.publish(payload=ORDER)[0]

    waiting = pages.get(f"{LIST}/{event.id}")
    api.house.run_until_idle()
    page = pages.get(f"{LIST}/{event.id}")

    assert "It waits for fan-out" in waiting.text
    assert "It arrived with attempt 1." in page.text
    assert "Not delivered: no attempt is left." in page.text
    assert "its integration was switched off when the event was published" in page.text
    assert "1.10" in page.text
    assert "<dt>Came by</dt><dd>published</dd>" in page.html


def test_who_let_a_delivery_go_is_told(api: Api, pages: Visitor) -> None:
    """By the name of their key, with the reason that they gave."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)
    address = f"{LIST}/{delivery.event_id}"

    pages.submit(pages.get(f"/dashboard/deliveries/{delivery.id}"), "/discard", reason="a test order")

    assert "it was discarded (a test order)" in pages.get(address).text
    assert "Discarded by the API key “test”." in pages.get(address).text


def test_an_event_that_nobody_observes_says_what_to_do(api: Api, pages: Visitor, reader: Visitor) -> None:
    """It leads to where an integration is made; not those who may not make one."""
    event = api.publish("cart.updated")
    api.house.fan_out()

    page, seen = pages.get(f"{LIST}/{event}"), reader.get(f"{LIST}/{event}")

    assert "No integration observes cart.updated." in page.text
    assert page.links["Create an integration"] == "/dashboard/integrations/new"
    assert "Create an integration" not in seen.links


def test_an_event_is_replayed(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """To all that observe it now, or to one integration that is chosen."""
    api.house.integrate(receiver.url)
    other = api.house.integrate(receiver.url, "cart.updated")
    event = api.publish("order.paid")
    api.house.run_until_idle()

    all_of_them = pages.submit(pages.get(f"{LIST}/{event}"), "/replay")
    api.house.run_until_idle()
    pages.submit(all_of_them, "/replay", integration_id=other.id)

    assert "It is delivered anew" in all_of_them.text
    assert [one.integration_id == other.id for one in api.house.deliveries()] == [False, False, True]


def test_a_replay_to_what_is_not_there_is_told_at_the_field(api: Api, pages: Visitor) -> None:
    """An integration that is gone meanwhile, or none at all."""
    event, gone = api.publish(), api.house.integrate(NOWHERE)
    api.house.fan_out()
    page = pages.get(f"{LIST}/{event}")
    integration_control.delete(api.house.services, api.house.tenant.id, gone.id)

    again = pages.submit(page, "/replay", integration_id=gone.id)

    assert again.status == 422
    assert '<strong class="complaint">There is no such integration.' in again.html
    assert pages.submit(page, "/replay", integration_id="x").status == 422


def test_an_event_is_published_by_hand(api: Api, pages: Visitor) -> None:
    """The form has a sample; what is typed is stored byte for byte, and its page follows."""
    form = pages.get(PUBLISH)
    done = pages.submit(form, "/publish", event_type="order.created", payload=' {"total":\r\n1.10} ')

    assert dict(form.form("/publish").fields)["payload"].startswith('{\n  "data"')
    assert done.status == 200
    assert "It is published: order.created" in done.text
    event = UUID(done.path.rpartition("/")[2])
    assert b'"payload":{"total":\n1.10}' in api.get(f"/v2/events/{event}").content


@pytest.mark.parametrize(
    ("name", "payload", "complaint"),
    [
        ("order.payd", "{}", "event_type: &#39;order.payd&#39; is not a known event type (did you mean order.paid?)"),
        ("postrider.test", "{}", "event_type: postrider.test is Postrider&#39;s own"),
        ("order.paid", '{"a": 1,\n "b": }', "This is not valid JSON: invalid character, line 2, column 7."),
        ("order.paid", '{"a": [1, 2', "This is not valid JSON: it ends too early, line 1, column 12."),
        ("order.paid", "  ", "Write a JSON value"),
        ("order.paid", "[" * 101 + "]" * 101, "Is nested deeper than 100 levels."),
        ("order.paid", f'"{"x" * 300_000}"', "This form takes at most 256 KiB"),
    ],
)
def test_what_cannot_be_published_is_told_at_its_field(
    api: Api, pages: Visitor, name: str, payload: str, complaint: str
) -> None:
    """In the words of the API, a wrong payload by line and column; what was typed is still there."""
    again = pages.submit(pages.get(PUBLISH), "/publish", event_type=name, payload=payload)

    assert again.status == 422
    assert f'<strong class="complaint">{complaint}' in again.html
    fields = dict(again.form("/publish").fields)
    assert (fields["event_type"], fields["payload"]) == (name, payload)
    assert api.data("/v2/events") == []


def test_who_may_only_read_publishes_and_replays_nothing(api: Api, reader: Visitor) -> None:
    """There is no button, and the addresses refuse."""
    event = api.publish("cart.updated")
    api.house.fan_out()
    token = [("form_token", reader.token())]

    assert "Publish an event" not in reader.get(LIST).links
    assert not reader.get(f"{LIST}/{event}").has_form("/replay")
    assert reader.get(PUBLISH).status == 403
    assert reader.post(PUBLISH, [*token, ("event_type", "order.paid"), ("payload", "{}")]).status == 403
    assert reader.post(f"{LIST}/{event}/replay", token).status == 403
    assert len(api.data("/v2/events")) == 1


def test_who_may_not_see_deliveries_is_not_told_of_them(api: Api, receiver: Receiver, visit: Visit) -> None:
    """Neither in the list nor on the event's page."""
    api.house.integrate(receiver.url, name="Warehouse")
    event = api.publish()
    api.house.run_until_idle()
    visitor = visit(api.new_key(Permission.EVENTS_READ))

    assert "delivered" not in visitor.get(LIST).text
    page = visitor.get(f"{LIST}/{event}")
    assert "Warehouse" not in page.text
    assert "deliveries:read" in page.text


def test_who_may_only_publish_does_so(api: Api, visit: Visit) -> None:
    """And comes back to the form, as the event's page is not for them."""
    visitor = visit(api.new_key(Permission.EVENTS_PUBLISH))

    done = visitor.submit(visitor.get(PUBLISH), "/publish")

    assert (done.status, done.path) == (200, PUBLISH)
    assert "It is published: order.paid" in done.text


def test_forms_from_elsewhere_do_nothing(api: Api, pages: Visitor) -> None:
    """Without the proof that a form is ours nothing is published or replayed."""
    event = api.publish("cart.updated")

    assert pages.post(PUBLISH, [("event_type", "order.paid"), ("payload", "{}")]).status == 403
    assert pages.post(f"{LIST}/{event}/replay", []).status == 403
    assert len(api.data("/v2/events")) == 1


def test_another_tenants_event_is_not_there(api: Api, pages: Visitor) -> None:
    """Nor by its id in the list's form, nor by its text."""
    other = create_tenant(api.house.services, name="other")
    event = api.house.publish(tenant=other, payload=b'{"number":"A-1001"}')[0]

    assert pages.get(f"{LIST}/{event.id}").status == 404
    token = [("form_token", pages.token())]
    assert pages.post(f"{LIST}/{event.id}/replay", token).status == 404
    assert "Nothing has this id" in pages.get(f"{LIST}?id={event.id}").text
    assert "No event is like that." in pages.get(f"{LIST}?text=A-1001").text
