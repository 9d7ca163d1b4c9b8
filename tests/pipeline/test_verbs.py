"""Which of the things that people do with a delivery fit which status: the whole table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from house import House
from servers.receiver import Receiver
from sqlalchemy import update

from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.domain.errors import Conflict
from postrider.pipeline import redrive
from postrider.store.tables import deliveries

PENDING, SENDING, DELIVERED = DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.DELIVERED
DEAD, DISCARDED, SKIPPED = DeliveryStatus.DEAD, DeliveryStatus.DISCARDED, DeliveryStatus.SKIPPED

VERBS: dict[str, tuple[Callable[..., Delivery], set[DeliveryStatus], DeliveryStatus]] = {
    "redrive": (redrive.redrive, {PENDING, DEAD, DISCARDED, SKIPPED}, PENDING),
    "redrive by force": (partial(redrive.redrive, force=True), {PENDING, DELIVERED, DEAD, DISCARDED, SKIPPED}, PENDING),
    "cancel": (partial(redrive.cancel, reason="no"), {PENDING}, DISCARDED),
    "discard": (partial(redrive.discard, reason="no"), {DEAD, SKIPPED}, DISCARDED),
    "undo": (redrive.undo_discard, {DISCARDED}, DEAD),
}
"""From a verb's name to what does it, from which statuses, to which one."""


@pytest.mark.parametrize("status", list(DeliveryStatus))
@pytest.mark.parametrize("verb", list(VERBS))
def test_each_verb_has_its_statuses(house: House, receiver: Receiver, verb: str, status: DeliveryStatus) -> None:
    """A verb does what it says from its own statuses; from all others it is a conflict and changes nothing."""
    act, allowed, after = VERBS[verb]
    house.integrate(receiver.url)
    house.publish("order.paid")
    house.fan_out()
    delivery_id = house.only_delivery().id
    with house.services.database.write() as tx:
        tx.execute(update(deliveries).values(status=status.value))

    if status in allowed:
        act(house.services, house.tenant.id, delivery_id)
    else:
        with pytest.raises(Conflict):
            act(house.services, house.tenant.id, delivery_id)

    assert house.only_delivery().status is (after if status in allowed else status)
