"""No key opens an integration's secrets: nothing leaves without them, nothing is lost, and others go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from house import House
from servers.process import wait_until
from servers.receiver import Receiver
from sqlalchemy import update
from structlog.testing import capture_logs

from postrider.control import integrations
from postrider.domain.delivery import DeliveryStatus
from postrider.domain.errors import Conflict, InvalidInput
from postrider.domain.integration import Integration
from postrider.pipeline.dispatch import Dispatcher
from postrider.services import Services
from postrider.store import health as store
from postrider.store.health import Health
from postrider.store.secrets import SecretBox, new_key
from postrider.store.tables import integrations as rows

LOST = SecretBox([new_key()])
"""Locks with a key that nobody else has."""


def lose(house: House, integration: Integration, ciphertext: str | None = None) -> str:
    """Have an integration's secrets lie under a lost key, or broken; gives what lay there."""
    mine = rows.c.id == integration.id
    with house.services.database.write() as tx:
        kept: str = tx.execute(rows.select().where(mine)).one().secrets
        tx.execute(update(rows).where(mine).values(secrets=LOST.lock({}) if ciphertext is None else ciphertext))
    return kept


def health(house: House, integration: Integration) -> Health:
    with house.services.database.read() as tx:
        return store.of(tx, [integration.id])[integration.id]


def work(house: House) -> None:
    """Fan out and let the dispatcher look once at all that is due."""
    house.fan_out()
    house.dispatcher.wake(house.due())
    wait_until(house.dispatcher.idle, "the dispatcher is idle", seconds=30)


@pytest.mark.parametrize("ciphertext", [None, "", "no token", "gAAAAAB" + "A" * 100, "ümlaut", "gAAAAABé"])
def test_deliveries_wait_until_the_key_is_back(house: House, receiver: Receiver, ciphertext: str | None) -> None:
    """With a lost key or a broken ciphertext nothing is sent and no attempt counted; then all goes out, signed."""
    made = house.integrate(receiver.url)
    kept = lose(house, made, ciphertext)
    house.publish(*["order.paid"] * 3)
    work(house)
    work(house)
    waiting, sent = house.deliveries(), list(receiver.requests)

    lose(house, made, kept)
    work(house)

    assert [(one.status, one.attempt) for one in waiting] == [(DeliveryStatus.PENDING, 0)] * 3
    assert sent == []
    assert [(one.status, one.attempt) for one in house.deliveries()] == [(DeliveryStatus.DELIVERED, 1)] * 3
    assert {request.headers["x-moltin-secret-key"] for request in receiver.requests} == {"s3cret-key"}


def test_it_is_said_where_people_look(house: House, receiver: Receiver) -> None:
    """The integration's health names the reason while it lasts, without blaming the far side; one line is logged."""
    made = house.integrate(receiver.url)
    kept = lose(house, made)
    house.publish()

    with capture_logs() as logs:
        work(house)
        work(house)
    blind = health(house, made)
    lose(house, made, kept)
    house.clock.move(seconds=1)
    work(house)

    lines = [line for line in logs if line["event"] == "integration.secrets_unreadable"]
    assert [line["integration_id"] for line in lines] == [str(made.id)]
    assert (blind.last_error, blind.secrets_unreadable) == ("secrets_unreadable", True)
    assert (blind.failures_in_row, blind.failing_since) == (0, None)
    assert not health(house, made).secrets_unreadable


def test_others_go_on(house: House, receiver: Receiver) -> None:
    """One integration's lost key costs no other one anything, in lists and in deliveries."""
    lost = house.integrate(receiver.url_of("/lost"))
    house.integrate(receiver.url_of("/well"))
    lose(house, lost)

    house.publish()
    work(house)

    assert [request.path for request in receiver.requests] == ["/well"]
    listed = integrations.page(house.services, house.tenant.id, offset=0, limit=10).integrations
    assert [one.secrets_unreadable for one in listed] == [True, False]


def test_a_version_that_cannot_be_read_stops_an_open_flight(house: House, receiver: Receiver) -> None:
    """A drain that had the secrets and finds a newer version without them sends nothing of what it claimed."""
    made = house.integrate(receiver.url)
    house.publish()
    house.run_until_idle()
    house.change(made, name="Other")
    lose(house, made)

    house.publish()
    work(house)

    assert len(receiver.requests) == 1
    assert [(one.status, one.attempt) for one in house.deliveries()][1:] == [(DeliveryStatus.PENDING, 0)]


def test_edits_leave_what_cannot_be_read(house: House, receiver: Receiver) -> None:
    """A new name does not overwrite the secrets: they are whole when the key is back."""
    made = house.integrate(receiver.url)
    with blind_to(house) as services:
        renamed = integrations.update(services, house.tenant.id, made.id, {"name": "Other", "enabled": True})

    found = integrations.get(house.services, house.tenant.id, made.id)

    assert renamed.secrets_unreadable
    assert found == replace(made, name="Other", version=2)


@contextmanager
def blind_to(house: House) -> Iterator[Services]:
    """Give the services of a process that was started without the key."""
    yield replace(house.services, box=SecretBox([new_key()]))


def test_a_new_configuration_mends_it(house: House, receiver: Receiver) -> None:
    """Who gives the secrets anew gets a new signing secret, and what waited is sent with both."""
    made = house.integrate(receiver.url)
    lose(house, made)
    house.publish()
    work(house)

    mended = house.change(made, configuration={"url": receiver.url, "secret_key": "another-key"})
    work(house)

    (request,) = receiver.requests
    assert not mended.secrets_unreadable
    assert mended.signing_secret not in {"", made.signing_secret}
    assert request.headers["x-moltin-secret-key"] == "another-key"
    assert house.only_delivery().status is DeliveryStatus.DELIVERED


def test_its_masks_cannot_be_sent_back(house: House) -> None:
    """What is shown in the place of unreadable secrets never becomes a secret, and no secret is dropped by accident."""
    made = house.integrate("http://127.0.0.1:9/")
    lose(house, made)
    blind = integrations.get(house.services, house.tenant.id, made.id)
    shown = integrations.document(house.services, blind, for_writer=True)

    with pytest.raises(InvalidInput, match="masked"):
        house.change(made, configuration=shown["configuration"])

    assert shown["configuration"] == {"url": "http://127.0.0.1:9/", "secret_key": "********"}
    assert shown["signing_secret"] == "********"


def test_no_part_of_it_is_rotated(house: House) -> None:
    """A new signing secret alone would lose the others, so it is refused."""
    made = house.integrate("http://127.0.0.1:9/")
    lose(house, made)

    with pytest.raises(Conflict, match="send its whole configuration"):
        integrations.rotate_secret(house.services, house.tenant.id, made.id)


def test_a_blind_worker_beside_a_seeing_one_loses_nothing(house: House, receiver: Receiver) -> None:
    """While a new key is rolled out some workers cannot read: they leave the work to those who can."""
    integration = house.integrate(receiver.url)
    house.publish(*["order.paid"] * 5)
    house.fan_out()
    with blind_to(house) as services:
        blind = Dispatcher(services, threads=1, in_flight=10)
        blind.start()
        blind.wake([integration.id])
        wait_until(blind.idle, "it has given up", seconds=10)

        house.run_until_idle()
        blind.stop(5)

    assert {(one.status, one.attempt) for one in house.deliveries()} == {(DeliveryStatus.DELIVERED, 1)}
    assert len(receiver.requests) == 5
