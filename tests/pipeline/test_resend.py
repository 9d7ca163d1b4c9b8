"""An edited payload goes where the event did not arrive, and nowhere else."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from house import House
from servers.receiver import Receiver

from postrider.control import integrations as integration_control
from postrider.domain.access import COMMAND_LINE
from postrider.domain.audit import Action, AuditEntry
from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.domain.errors import Conflict, InvalidInput, NotFound
from postrider.domain.event import Event, EventOrigin
from postrider.pipeline.resend import resend
from postrider.store import audit_log, events
from postrider.store.audit_log import AuditFilter

EDITED = b'{"data":{"total":1.10}}'


def dead(house: House, receiver: Receiver) -> Delivery:
    """Make a dead letter, beside another integration that observes the same."""
    house.integrate(receiver.url_of("/broken"), delivery={"retry_waits": []})
    house.integrate(receiver.url_of("/other"))
    receiver.answer(400, path="/broken")
    house.publish("order.paid")
    house.run_until_idle()
    receiver.answer(200, path="/broken")
    receiver.forget()
    (letter,) = house.deliveries(statuses=(DeliveryStatus.DEAD,))
    return letter


def log(house: House) -> list[AuditEntry]:
    with house.services.database.read() as tx:
        return audit_log.page(tx, house.tenant.id, AuditFilter(), own_actors=False, before=None, limit=10)


def all_events(house: House) -> list[Event]:
    with house.services.database.read() as tx:
        heads = events.page(tx, house.tenant.id, events.EventFilter(event_type="order.paid"), before=None, limit=100)
        found = [events.get(tx, house.tenant.id, head.id) for head in heads]
    return [one for one in found if one is not None]


def test_what_was_edited_arrives_where_the_first_did_not(house: House, receiver: Receiver) -> None:
    """A new event with the new payload goes to the delivery's integration alone; the first stays dead."""
    letter = dead(house, receiver)

    made = resend(house.services, house.tenant.id, letter.id, payload=b" \n" + EDITED + b"\n", by=COMMAND_LINE)
    house.run_until_idle()

    (request,) = receiver.requests
    assert request.path == "/broken"
    assert EDITED in request.body
    assert json.loads(request.body)["triggered_by"] == "order.paid"
    stored, first = all_events(house)
    assert (stored, first.id) == (made, letter.event_id)
    assert (made.origin, made.origin_event_id, made.target_id) == (
        EventOrigin.EDITED, letter.event_id, letter.integration_id
    )  # fmt: skip
    assert made.payload == EDITED
    assert [one.status for one in house.deliveries(event_id=letter.event_id)].count(DeliveryStatus.DEAD) == 1


def test_the_first_can_be_let_go(house: House, receiver: Receiver) -> None:
    """Then both things happen or none, and both are told of."""
    letter = dead(house, receiver)

    made = resend(house.services, house.tenant.id, letter.id, payload=EDITED, discard_original=True, by=COMMAND_LINE)

    after = house.deliveries(event_id=letter.event_id, integration_id=letter.integration_id)
    assert [(one.status, one.reason) for one in after] == [(DeliveryStatus.DISCARDED, "resent")]
    discarded, resent = log(house)[:2]
    assert (discarded.action, discarded.object_id) == (Action.DELIVERY_DISCARDED, str(letter.id))
    assert (resent.action, resent.object_id, resent.actor) == (Action.EVENT_RESENT, str(made.id), COMMAND_LINE)
    assert {(one.field, one.new) for one in resent.changes} == {
        ("origin_event_id", str(letter.event_id)),
        ("delivery_id", str(letter.id)),
        ("integration_id", str(letter.integration_id)),
    }


def test_what_arrived_is_not_let_go(house: House, receiver: Receiver) -> None:
    """A refusal leaves nothing behind: no event, no record."""
    dead(house, receiver)
    (arrived,) = house.deliveries(statuses=(DeliveryStatus.DELIVERED,))
    before = log(house)

    with pytest.raises(Conflict, match="the delivery is delivered"):
        resend(house.services, house.tenant.id, arrived.id, payload=EDITED, discard_original=True)

    assert len(all_events(house)) == 1
    assert log(house) == before
    assert resend(house.services, house.tenant.id, arrived.id, payload=EDITED).target_id == arrived.integration_id


def test_a_disabled_or_deleted_integration_gets_nothing(house: House, receiver: Receiver) -> None:
    """It would be skipped, or there is nowhere to send it: that is said at once."""
    letter = dead(house, receiver)
    integration_control.set_enabled(house.services, house.tenant.id, letter.integration_id, enabled=False)
    with pytest.raises(Conflict, match="disabled"):
        resend(house.services, house.tenant.id, letter.id, payload=EDITED)
    integration_control.delete(house.services, house.tenant.id, letter.integration_id)
    with pytest.raises(Conflict, match="deleted"):
        resend(house.services, house.tenant.id, letter.id, payload=EDITED)

    assert len(all_events(house)) == 1


def test_only_json_is_sent(house: House, receiver: Receiver) -> None:
    """The payload keeps to the rules of publishing."""
    letter = dead(house, receiver)

    with pytest.raises(InvalidInput, match="not valid JSON") as refusal:
        resend(house.services, house.tenant.id, letter.id, payload=b"{'a': 1}")

    assert refusal.value.pointer == "payload"


def test_another_tenants_delivery_is_not_found(house: House, receiver: Receiver) -> None:
    """Nor one that is not there."""
    letter = dead(house, receiver)

    for tenant_id, delivery_id in ((uuid4(), letter.id), (house.tenant.id, uuid4())):
        with pytest.raises(NotFound):
            resend(house.services, tenant_id, delivery_id, payload=EDITED)


def test_an_edited_event_can_be_edited_again(house: House, receiver: Receiver) -> None:
    """Each names the one before."""
    letter = dead(house, receiver)
    receiver.answer(400, path="/broken")
    second = resend(house.services, house.tenant.id, letter.id, payload=b"2")
    house.run_until_idle()
    (again,) = house.deliveries(event_id=second.id)

    third = resend(house.services, house.tenant.id, again.id, payload=b"3")

    assert (again.status, third.origin_event_id, third.target_id) == (
        DeliveryStatus.DEAD, second.id, letter.integration_id
    )  # fmt: skip
