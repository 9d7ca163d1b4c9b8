"""A signing secret that is replaced, as receivers see it: none of them has to change at the same moment."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from house import House, MovableClock
from servers.answers import reply
from servers.receiver import Receiver, Request
from standardwebhooks import Webhook, WebhookVerificationError

from postrider.control import integrations
from postrider.domain.integration import Integration
from postrider.domain.signature import MOST_RETIRED


def rotate(house: House, integration: Integration, **overlap: float) -> Integration:
    return integrations.rotate_secret(
        house.services, house.tenant.id, integration.id, overlap=timedelta(**overlap) if overlap else timedelta(days=1)
    )


def send(house: House, receiver: Receiver) -> Request:
    """Publish an event and give what arrived for it."""
    receiver.forget()
    house.publish()
    house.run_until_idle()
    (request,) = receiver.requests
    return request


def accepts(secret: str, request: Request, clock: MovableClock) -> bool:
    """Tell whether the reference package takes the request, at the moment of the house's clock."""
    webhook = Webhook(secret)
    signed = webhook.sign(request.headers["webhook-id"], clock.now(), request.body.decode())
    return signed in request.headers["webhook-signature"].split(" ")


def test_both_secrets_sign_until_the_old_one_ends(house: House, receiver: Receiver) -> None:
    """Within the overlap receivers with either secret take the message, the new one first; after it only the new."""
    made = house.integrate(receiver.url)
    rotated = rotate(house, made, hours=2)

    house.clock.move(hours=1, minutes=59)
    during = send(house, receiver)
    took = [accepts(one.signing_secret, during, house.clock) for one in (rotated, made)]
    house.clock.move(minutes=1)
    after = send(house, receiver)

    assert took == [True, True]
    assert during.headers["webhook-signature"].split(" ")[0] == Webhook(rotated.signing_secret).sign(
        during.headers["webhook-id"], house.clock.now() - timedelta(minutes=1), during.body.decode()
    )
    assert [accepts(one.signing_secret, after, house.clock) for one in (rotated, made)] == [True, False]
    assert len(after.headers["webhook-signature"].split(" ")) == 1


def test_the_reference_package_verifies_either(house: House, receiver: Receiver) -> None:
    """What is sent verifies with the standardwebhooks package by the old and by the new secret, and by no other."""
    # The package goes by the time of day.
    house.clock.move(seconds=(datetime.now(UTC) - house.clock.now()).total_seconds())
    made = house.integrate(receiver.url)
    rotated = rotate(house, made)
    stranger = house.integrate("http://127.0.0.1:9/", "cart.updated")

    request = send(house, receiver)

    for one in (made, rotated):
        assert Webhook(one.signing_secret).verify(request.body, dict(request.headers)) == json.loads(request.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(stranger.signing_secret).verify(request.body, dict(request.headers))


def test_without_overlap_only_the_new_one_signs(house: House, receiver: Receiver) -> None:
    """A secret that got out ends at once, and with it those before it."""
    made = house.integrate(receiver.url)
    second = rotate(house, made)
    third = integrations.rotate_secret(house.services, house.tenant.id, made.id, overlap=timedelta(0))

    request = send(house, receiver)

    took = [accepts(one.signing_secret, request, house.clock) for one in (made, second, third)]
    assert took == [False, False, True]


def test_old_secrets_are_bounded(house: House, receiver: Receiver) -> None:
    """Of many rotations within the overlap only the newest old secrets still sign: the header stays short."""
    integration = house.integrate(receiver.url)
    rotated = [rotate(house, integration, days=7) for _ in range(MOST_RETIRED + 2)]
    secrets = [one.signing_secret for one in (integration, *rotated)]

    request = send(house, receiver)

    took = [accepts(secret, request, house.clock) for secret in secrets]
    assert took == [False, False, *[True] * (MOST_RETIRED + 1)]


def test_an_ended_secret_is_forgotten_with_the_next_change(house: House) -> None:
    """What signs no more is not kept longer than it must be."""
    made = house.integrate("http://127.0.0.1:9/")
    rotate(house, made, hours=1)
    house.clock.move(hours=2)

    changed = house.change(made, name="Other")

    assert changed.retired_secrets == ()


def test_an_old_secret_that_a_receiver_repeats_is_not_kept(house: House, receiver: Receiver) -> None:
    """Neither old and new signing secrets nor the signatures stand in the attempt's row."""
    made = house.integrate(receiver.url)
    rotated = rotate(house, made)
    told = f"{made.signing_secret} {made.signing_secret.removeprefix('whsec_')} {rotated.signing_secret}".encode()
    receiver.choose(
        lambda request: reply(
            500, told, {"X-Echo": request.headers["webhook-signature"], "X-More": made.signing_secret}
        )
    )

    house.publish()
    house.run_until_idle()

    (attempt,) = house.attempts(house.only_delivery())
    assert attempt.response_body == "*** *** ***"
    assert (attempt.response_headers["x-echo"], attempt.response_headers["x-more"]) == ("v1,*** v1,***", "***")


def test_what_lies_in_the_database_says_nothing_of_them(house: House) -> None:
    """Old secrets stay encrypted and are read back as they were."""
    made = house.integrate("http://127.0.0.1:9/")
    rotated = rotate(house, made)

    found = integrations.get(house.services, house.tenant.id, made.id)

    assert found == rotated
    assert [old.secret for old in found.retired_secrets] == [made.signing_secret]
    assert made.signing_secret not in repr(found)
