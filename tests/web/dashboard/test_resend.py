"""The page where a payload is edited and sent again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from api import Api
from servers.receiver import Receiver
from web.dashboard.visitor import Visitor

from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission
from postrider.domain.delivery import Delivery, DeliveryStatus

Visit = Callable[[str | None], Visitor]


def dead(api: Api, receiver: Receiver) -> Delivery:
    """Make a dead letter that its receiver would take by now."""
    receiver.answer(status=422)
    api.house.integrate(receiver.url, name="ERP", delivery={"retry_waits": []})
    api.house.publish(payload=b'{"total":1.10}')
    api.house.run_until_idle()
    receiver.answer(status=200)
    receiver.forget()
    return api.house.only_delivery()


def address(delivery: Delivery) -> str:
    return f"/dashboard/deliveries/{delivery.id}/resend"


def test_what_is_edited_goes_to_where_it_did_not_arrive(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """As an event of its own that names the first one; the dead letter is let go."""
    letter = dead(api, receiver)
    letters_page = pages.get(f"/dashboard/deliveries/{letter.id}")

    form = pages.get(letters_page.links["Edit and resend"])
    done = pages.submit(form, "/resend", payload='{"total": 1.20}')
    api.house.run_until_idle()

    assert dict(form.form("/resend").fields)["payload"] == '{\n  "total": 1.10\n}'
    assert done.path.startswith("/dashboard/events/")
    assert "This is an edited copy of another event, for ERP alone." in done.text
    assert done.links["another event"] == f"/dashboard/events/{letter.event_id}"
    assert b'{"total": 1.20}' in receiver.requests[0].body
    assert [one.status.value for one in api.house.deliveries()] == ["discarded", "delivered"]


def test_the_letter_is_kept_when_that_is_wanted(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """The box can be unchecked."""
    letter = dead(api, receiver)

    pages.submit(pages.get(address(letter)), "/resend", discard_original=None)

    assert api.data(f"/v2/deliveries/{letter.id}")["status"] == "dead"


def test_a_wrong_payload_is_told_by_line_and_column(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """What was typed is still there, and nothing was sent."""
    letter = dead(api, receiver)

    again = pages.submit(pages.get(address(letter)), "/resend", payload='{"total":\n 1.2.0}', discard_original=None)

    assert again.status == 422
    assert '<strong class="complaint">This is not valid JSON: ' in again.html
    assert "line 2, column" in again.text
    fields = dict(again.form("/resend").fields)
    assert fields["payload"] == '{"total":\n 1.2.0}'
    assert "discard_original" not in fields
    assert len(api.data("/v2/events?event_type=order.paid")) == 1


def test_a_disabled_integration_is_told_at_the_form(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """It says what to do first; the text is not lost."""
    letter = dead(api, receiver)
    page = pages.get(address(letter))
    api.post(f"/v2/integrations/{letter.integration_id}/disable")

    again = pages.submit(page, "/resend", payload='{"long": "work"}')

    assert again.status == 409
    assert "enable it first" in again.text
    assert dict(again.form("/resend").fields)["payload"] == '{"long": "work"}'


def test_a_payload_too_large_for_a_form_is_not_cut(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """The page says by what way a new one can be sent, and has no form."""
    receiver.answer(status=422)
    api.house.integrate(receiver.url, delivery={"retry_waits": []})
    api.house.publish(payload=b'"' + b"x" * 300_000 + b'"')
    api.house.run_until_idle()

    page = pages.get(address(api.house.only_delivery()))

    assert "too large to be edited here" in page.text
    assert not page.has_form("/resend")


@pytest.mark.parametrize("missing", [Permission.DELIVERIES_REDRIVE, Permission.EVENTS_READ])
def test_who_may_not_is_refused(api: Api, receiver: Receiver, visit: Visit, missing: Permission) -> None:
    """Sending again needs `deliveries:redrive`, and seeing the payload `events:read`."""
    letter = dead(api, receiver)
    may = {Permission.EVENTS_READ, Permission.DELIVERIES_READ, Permission.DELIVERIES_REDRIVE} - {missing}
    visitor = visit(api.new_key(*may))
    token = [("form_token", visitor.token())]

    assert "Edit and resend" not in visitor.get(f"/dashboard/deliveries/{letter.id}").links
    assert visitor.get(address(letter)).status == 403
    refused = visitor.post(address(letter), [*token, ("payload", "{}")])
    assert refused.status == 403
    assert missing.value in refused.text


def test_a_form_from_elsewhere_sends_nothing(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """Without the proof that the form is ours."""
    letter = dead(api, receiver)

    assert pages.post(address(letter), [("payload", "{}")]).status == 403
    assert len(api.data("/v2/events?event_type=order.paid")) == 1


def test_another_tenants_delivery_is_not_there(api: Api, visit: Visit) -> None:
    """Neither its form nor its address."""
    letter = api.deliver_to_nobody(DeliveryStatus.DEAD)
    stranger = visit(api.new_key(*Permission, tenant=create_tenant(api.house.services, name="other")))
    token = [("form_token", stranger.token())]

    assert stranger.get(address(letter)).status == 404
    assert stranger.post(address(letter), [*token, ("payload", "{}")]).status == 404
