"""The pages of deliveries: which there are, and all that happened to one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from api import Api
from servers.receiver import Receiver
from web.dashboard.visitor import Visitor

from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission
from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.web.dashboard.exchanges import OPENED

LIST = "/dashboard/deliveries"
NOTHING = "00000000-0000-7000-8000-000000000000"
Visit = Callable[[str | None], Visitor]


def failed(api: Api, receiver: Receiver, *, times: int) -> Delivery:
    """Let every attempt fail, until it is a dead letter."""
    receiver.answer(status=500, body=b'{"error":"the database is locked"}', headers={"X-Trace": "abc-123"})
    api.house.integrate(receiver.url_of("/orders"), delivery={"retry_waits": [60] * (times - 1)})
    api.house.publish(payload=b'{"order":"A-1001"}')
    for _ in range(times):
        api.house.run_until_idle()
        api.house.clock.move(hours=1)
    return api.house.only_delivery()


def address(delivery: Delivery, *more: str) -> str:
    return "".join((f"{LIST}/{delivery.id}", *more))


def test_deliveries_are_listed_by_what_is_asked_for(api: Api, pages: Visitor) -> None:
    """Fields that nobody filled in narrow nothing."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)

    found = pages.get(f"{LIST}?status=dead&event_type=order.paid&error=&since=&until=&integration_id=")
    none = pages.get(f"{LIST}?status=pending")

    assert found.links["order.paid"] == address(delivery)
    assert "No delivery is like that." in none.text


def test_an_attempt_is_shown_in_full(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """What was sent, what came back, what it means, and what was decided."""
    delivery = failed(api, receiver, times=1)

    page = pages.get(address(delivery))

    assert "Attempt 1: HTTP 500" in page.text
    assert "The receiver failed inside: its answer or its own log tells why." in page.text
    assert "No further try: it became a dead letter." in page.text
    assert "&#34;error&#34;: &#34;the database is locked&#34;" in page.html
    assert "x-trace: abc-123" in page.html
    assert f"POST {receiver.url_of('/orders')}" in page.html
    assert "A-1001" in page.html
    assert f"webhook-id: {delivery.id}" in page.html
    assert f"curl --globoff --request POST {receiver.url_of('/orders')}" in page.html


def test_no_secret_is_on_the_page(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """Neither the secret key, nor a whole signature, though both were sent."""
    delivery = failed(api, receiver, times=1)
    headers = receiver.requests[0].headers

    html = pages.get(address(delivery)).html + pages.get(address(delivery, "?attempt=1")).html

    assert headers["x-moltin-secret-key"] == "s3cret-key"
    assert "s3cret-key" not in html
    assert headers["webhook-signature"] not in html
    assert headers["webhook-signature"][:7] in html


def test_a_retry_says_when(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """The newest attempt tells when the next will be, an older one when it was."""
    receiver.answer(status=503)
    api.house.integrate(receiver.url, delivery={"retry_waits": [3600, 3600]})
    api.house.publish()
    api.house.run_until_idle()
    delivery = api.house.only_delivery()

    first = pages.get(address(delivery))
    api.house.clock.move(hours=2)
    api.house.run_until_idle()
    second = pages.get(address(delivery))

    assert "Due again in" in first.text
    assert "Attempt 2: HTTP 503" in second.text
    assert "Due again just now." in second.text


def test_many_attempts_are_all_there(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """The newest show what was sent, each older one on a page of its own."""
    delivery = failed(api, receiver, times=OPENED + 2)

    page = pages.get(address(delivery))
    first = pages.get(page.links["Show what attempt 1 sent"])

    assert page.text.count("What was sent") == OPENED
    assert [number for number in range(1, OPENED + 3) if f"Show what attempt {number} sent" in page.links] == [1, 2]
    assert first.status == 200
    assert "Attempt 1 of order.paid" in first.text
    assert "&#34;attempt&#34;: 1" in first.html
    assert first.links["All attempts of this delivery"] == address(delivery)
    assert pages.get(address(delivery, "?attempt=99")).status == 404


def test_a_long_body_is_cut_and_its_attempts_page_has_more(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """A page of many attempts stays small."""
    receiver.answer(status=500)
    api.house.integrate(receiver.url, delivery={"retry_waits": []})
    api.house.publish(payload=b'{"first":"' + b"x" * 60_000 + b'","last":"the end"}')
    api.house.run_until_idle()

    page = pages.get(address(api.house.only_delivery()))
    more = pages.get(page.links["Show more of attempt 1"])

    assert "the end" not in page.html
    assert len(page.html) < 60_000
    assert "the end" in more.html


def test_the_payload_is_for_whom_may_read_events(api: Api, receiver: Receiver, visit: Visit) -> None:
    """Without that permission it is told what came back, and not what was sent."""
    delivery = failed(api, receiver, times=1)
    visitor = visit(api.new_key(Permission.DELIVERIES_READ))

    for page in (visitor.get(address(delivery)), visitor.get(address(delivery, "?attempt=1"))):
        assert page.status == 200
        assert "the database is locked" in page.html
        assert "A-1001" not in page.html


def test_a_dead_one_is_redriven(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """It is on its way again, and arrives."""
    delivery = failed(api, receiver, times=1)
    receiver.answer(status=200)

    done = pages.submit(pages.get(address(delivery)), "/redrive")
    api.house.run_until_idle()
    after = pages.get(address(delivery))

    assert "It is on its way again." in done.text
    assert "It arrived with attempt 2." in after.text
    assert after.has_form("/redrive")  # to send it once more
    assert pages.submit(after, "/redrive").status == 200


def test_a_pending_one_is_cancelled_and_that_is_undone(api: Api, pages: Visitor) -> None:
    """The page tells by whom it was discarded."""
    delivery = api.deliver_to_nobody(DeliveryStatus.PENDING)

    cancelled = pages.submit(pages.get(address(delivery)), "/cancel")
    again = pages.submit(cancelled, "/undo-discard")

    assert "It is cancelled" in cancelled.text
    assert "the API key “test”" in cancelled.text
    assert "It is a dead letter again." in again.text
    assert api.house.only_delivery().status is DeliveryStatus.DEAD


def test_a_reason_that_is_too_long_is_told_at_its_field(api: Api, pages: Visitor) -> None:
    """What was typed is still there, and nothing is discarded."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)

    again = pages.submit(pages.get(address(delivery)), "/discard", reason="x" * 1001)

    assert again.status == 422
    assert '<strong class="complaint">reason: must have at most 1000 characters' in again.html
    assert dict(again.form("/discard").fields)["reason"] == "x" * 1001
    assert api.house.only_delivery().status is DeliveryStatus.DEAD


def test_what_cannot_be_done_any_more_is_said(api: Api, pages: Visitor) -> None:
    """A button of a page that is out of date leads to the reason."""
    delivery = api.deliver_to_nobody(DeliveryStatus.PENDING)
    page = pages.get(address(delivery))
    pages.submit(page, "/cancel")

    refused = pages.submit(page, "/cancel")

    assert refused.status == 409
    assert "The delivery is discarded" in refused.text


@pytest.mark.parametrize("verb", ["redrive", "cancel", "discard", "undo-discard"])
def test_who_may_only_read_changes_nothing(api: Api, reader: Visitor, verb: str) -> None:
    """There is no button, and the address refuses."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)

    refused = reader.post(address(delivery, "/", verb), [("form_token", reader.token())])

    assert [form.action for form in reader.get(address(delivery)).forms] == ["/dashboard/sign-out"]
    assert refused.status == 403
    assert "deliveries:redrive" in refused.text
    assert api.house.only_delivery().status is DeliveryStatus.DEAD


@pytest.mark.parametrize("verb", ["redrive", "cancel", "discard", "undo-discard"])
def test_a_form_from_elsewhere_changes_nothing(api: Api, pages: Visitor, verb: str) -> None:
    """Without the proof that the form is ours."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)

    assert pages.post(address(delivery, "/", verb), []).status == 403
    assert api.house.only_delivery().status is DeliveryStatus.DEAD


def test_another_tenants_delivery_is_not_there(api: Api, visit: Visit) -> None:
    """Neither its page, nor an attempt's, nor what can be done."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)
    stranger = visit(api.new_key(*Permission, tenant=create_tenant(api.house.services, name="other")))
    token = [("form_token", stranger.token())]

    for more in ("", "?attempt=1"):
        assert stranger.get(address(delivery, more)).status == 404
    for verb in ("redrive", "cancel", "discard", "undo-discard"):
        assert stranger.post(address(delivery, "/", verb), token).status == 404
    assert "order.paid" not in stranger.get(LIST).links
    assert stranger.get(f"{LIST}/{NOTHING}").status == 404
