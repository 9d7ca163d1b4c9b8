"""A test event by the pages: sent by a button, and followed on a page of its own."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from api import Api
from servers.receiver import Receiver
from web.dashboard.visitor import Page, Visitor

from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission
from postrider.domain.integration import Integration

LIST = "/dashboard/integrations"
Visit = Callable[[str | None], Visitor]


def send(pages: Visitor, integration: Integration) -> Page:
    return pages.submit(pages.get(f"{LIST}/{integration.id}"), "/test")


def test_the_exchange_is_followed_to_its_end(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """It waits, then it was answered: request and answer are shown whole, without secrets, and it refreshes no more."""
    receiver.answer(202, b'{"took": 1.10}', {"X-Shop": "north"})
    integration = api.house.integrate(receiver.url_of("/hook"), "cart.updated")

    sent = send(pages, integration)
    api.house.fan_out()
    made = pages.get(sent.path)
    api.house.run_until_idle()
    done = pages.get(sent.path)

    assert sent.path.startswith(f"{LIST}/{integration.id}/test/")
    assert all("data-live" in page.html for page in (sent, made))
    assert "It is on its way to the workers." in sent.text
    assert "it is due and waits for its turn" in made.text
    assert "data-live" not in done.html
    for words in (
        f"POST {receiver.url_of('/hook')}",
        "X-MOLTIN-SECRET-KEY: ********",
        "This is a test from Postrider.",
    ):
        assert words in done.text
    for words in ("HTTP 202", "x-shop: north", '"took": 1.10', "It arrived with attempt 1."):
        assert words in done.text
    assert "s3cret-key" not in done.html
    assert len(receiver.requests) == 1


def test_what_failed_is_explained(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """The answer and what it means are shown, each earlier attempt in a line; it goes on being followed."""
    receiver.answer(401, b"who are you?")
    integration = api.house.integrate(receiver.url, "cart.updated")

    sent = send(pages, integration)
    api.house.run_until_idle()
    api.house.clock.move(seconds=10)
    api.house.run_until_idle()
    page = pages.get(sent.path)

    assert "who are you?" in page.text
    assert "check the secret key on both sides" in page.text
    assert "Attempt 1, 10 seconds ago: HTTP 401" in page.text
    assert "data-live" in page.html
    assert page.links["The whole story of this delivery"].startswith("/dashboard/deliveries/")


def test_another_can_be_sent(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """The page of one test leads to the next."""
    first = send(pages, api.house.integrate(receiver.url, "cart.updated"))

    second = pages.submit(first, "/test")
    api.house.run_until_idle()

    assert second.path != first.path
    assert len(receiver.requests) == 2


def test_what_is_disabled_gets_no_test(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """The form that was shown before says why nothing was sent."""
    integration = api.house.integrate(receiver.url)
    page = pages.get(f"{LIST}/{integration.id}")
    api.house.change(integration, enabled=False)

    refused = pages.submit(page, "/test")

    assert (refused.status, "enable it first" in refused.text) == (409, True)


def test_who_may_not_see_deliveries_is_told_that_it_was_sent(api: Api, visit: Visit, receiver: Receiver) -> None:
    """The exchange is for who may read deliveries; the test is sent all the same."""
    integration = api.house.integrate(receiver.url, "cart.updated")
    visitor = visit(api.new_key(Permission.INTEGRATIONS_READ, Permission.INTEGRATIONS_WRITE))

    page = send(visitor, integration)
    api.house.run_until_idle()
    (delivery,) = api.house.deliveries()

    assert (page.path, "A test event is on its way." in page.text) == (f"{LIST}/{integration.id}", True)
    assert visitor.get(f"{LIST}/{integration.id}/test/{delivery.event_id}").status == 403
    assert len(receiver.requests) == 1


def test_a_reader_follows_and_sends_none(api: Api, pages: Visitor, reader: Visitor, receiver: Receiver) -> None:
    """Who may only read sees the exchange, without the button."""
    sent = send(pages, api.house.integrate(receiver.url, "cart.updated"))

    page = reader.get(sent.path)

    assert (page.status, page.has_form("/test")) == (200, False)


def test_only_tests_of_this_integration_are_there(api: Api, pages: Visitor, visit: Visit, receiver: Receiver) -> None:
    """Any other event, another integration's test and another tenant's are not found."""
    one = api.house.integrate(receiver.url, "order.paid")
    other = api.house.integrate(receiver.url, "cart.updated")
    sent = send(pages, one)
    event_id = sent.path.rpartition("/")[2]
    stranger = visit(api.new_key(*Permission, tenant=create_tenant(api.house.services, name="other")))

    assert pages.get(f"{LIST}/{one.id}/test/{api.publish()}").status == 404
    assert pages.get(f"{LIST}/{other.id}/test/{event_id}").status == 404
    assert pages.get(f"{LIST}/{one.id}/test/{uuid4()}").status == 404
    assert stranger.get(sent.path).status == 404


def test_a_mails_test_asks_who_gets_it(api: Api, pages: Visitor, receiver: Receiver) -> None:
    """The sample's customer is written to by nobody: the page asks, says what is wrong with an answer, and sends."""
    receiver.answer(202)
    mail = {
        "integration_type": "sendgrid",
        "configuration": {
            "api_url": receiver.url,
            "api_key": "SG.canary",
            "default_sender_email": "shop@example.com",
            "default_sender_name": "Shop",
        },
    }
    integration = api.house.integrate(receiver.url, "cart.updated", **mail)

    asked = send(pages, integration)
    empty = pages.submit(asked, "/test", recipient="")
    wrong = pages.submit(empty, "/test", recipient="nobody")
    assert (asked.status, empty.status, wrong.status) == (200, 422, 422)
    assert "Is needed: " in empty.text
    assert "Cannot be it: " in wrong.text
    sent = pages.submit(wrong, "/test", recipient="me@example.com")
    api.house.run_until_idle()

    assert sent.path.startswith(f"{LIST}/{integration.id}/test/")
    (came,) = receiver.requests
    assert b'"email":"me@example.com"' in came.body.replace(b" ", b"")
    assert "It arrived with attempt 1." in pages.get(sent.path).text
