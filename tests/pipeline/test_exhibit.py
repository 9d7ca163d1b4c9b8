"""What an attempt sent can be looked at, and sent again by hand; no secret can be read from it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
from house import House
from pipeline.test_unreadable_secrets import lose
from servers.answers import reply
from servers.receiver import Receiver

from postrider.control import integrations as integration_control
from postrider.domain.delivery import Delivery
from postrider.domain.errors import NotFound
from postrider.domain.exhibit import LONGEST_COMMAND, MASK, SECRET, SIGNATURE, Exhibit, as_curl
from postrider.domain.integration import Integration
from postrider.domain.message import Dialect, Message
from postrider.domain.ports import FlightLimits
from postrider.pipeline.exhibit import CHANGED, DELETED, UNREADABLE, exhibit
from postrider.transports.http_flight import HttpFlight
from postrider.transports.registry import ConfiguredTransport, Registry, Surroundings
from postrider.transports.webhook import WebhookConfiguration, WebhookTransport

SECRET_KEY = 'it\'s "$ecret" `x` \\ key'
PAYLOAD = """{"data":{"total":1.10,"who":"it's \\"Zoë\\" $HOME `id` \\\\ !!","card":"********"}}""".encode()


def sent(house: House, receiver: Receiver, *, payload: bytes = PAYLOAD, secret_key: str = SECRET_KEY) -> Delivery:
    """Deliver an event by webhook."""
    house.integrate(receiver.url_of("/a[1]?b={c}"), configuration=configuration(receiver, secret_key))
    house.publish("order.paid", payload=payload)
    house.run_until_idle()
    return house.deliveries(event_type="order.paid")[-1]


def configuration(receiver: Receiver, secret_key: str) -> dict[str, str]:
    return {"url": receiver.url_of("/a[1]?b={c}"), "secret_key": secret_key} if secret_key else {"url": receiver.url}


def shown(house: House, delivery: Delivery, attempt: int = 1) -> Exhibit:
    found = exhibit(house.services, house.tenant.id, delivery.id, attempt)
    assert found is not None
    return found


def run(command: str | None) -> None:
    assert command is not None
    subprocess.run(["/bin/sh", "-c", command], check=True, timeout=20, capture_output=True)


def test_an_attempt_shows_what_was_sent(house: House, receiver: Receiver) -> None:
    """Line, headers and body are those that arrived; the secret key is masked, signatures are cut short."""
    delivery = sent(house, receiver)

    found = shown(house, delivery)

    (request,) = receiver.requests
    assert (found.kind, found.title) == ("http", f"POST {receiver.url.rstrip('/')}{request.path}")
    arrived = dict(request.header_pairs)
    for name, value in found.headers:
        if name == "X-MOLTIN-SECRET-KEY":
            assert value == MASK
        elif name == "webhook-signature":
            assert arrived[name].startswith(value.rstrip("…"))
            assert len(value) == len("v1,abcd…")
        else:
            assert arrived[name] == value
    assert {name for name, _ in found.headers} >= {name for name in arrived if name.lower().startswith(("web", "x-"))}
    key = SECRET_KEY.replace("\\", "\\\\").replace('"', '\\"')
    assert found.body == request.body.decode().replace(f'"secret_key":"{key}"', f'"secret_key":"{MASK}"')


def test_each_attempt_has_its_own(house: House, receiver: Receiver) -> None:
    """A later attempt shows its number and time."""
    receiver.script(reply(500))
    delivery = sent(house, receiver)
    house.clock.move(minutes=1)
    house.run_until_idle()

    first, second = shown(house, delivery, 1), shown(house, delivery, 2)

    assert ['"attempt":1' in first.body, '"attempt":2' in second.body] == [True, True]
    times = [dict(one.headers)["webhook-timestamp"] for one in (first, second)]
    assert times == [request.headers["webhook-timestamp"] for request in receiver.requests]


def test_what_does_not_exist_is_not_found(house: House, receiver: Receiver) -> None:
    """Another tenant's, an unknown delivery's and an attempt that was not made yet are alike."""
    delivery = sent(house, receiver)

    for tenant_id, delivery_id, number in (
        (house.tenant.id, delivery.id, 2),
        (house.tenant.id, uuid4(), 1),
        (uuid4(), delivery.id, 1),
    ):
        with pytest.raises(NotFound):
            exhibit(house.services, tenant_id, delivery_id, number)


def test_a_change_since_is_told(house: House, receiver: Receiver) -> None:
    """Who looks at an old attempt of an integration that was changed is told that it may have looked different."""
    delivery = sent(house, receiver)
    before = shown(house, delivery)
    house.clock.move(seconds=1)

    house.change(integration_of(house, delivery), name="other")

    assert CHANGED not in before.note
    assert CHANGED in shown(house, delivery).note


def integration_of(house: House, delivery: Delivery) -> Integration:
    return integration_control.get(house.services, house.tenant.id, delivery.integration_id)


def test_a_deleted_integration_is_told(house: House, receiver: Receiver) -> None:
    """What went with the integration is not shown, and that is said."""
    delivery = sent(house, receiver)
    integration_control.delete(house.services, house.tenant.id, delivery.integration_id)

    assert shown(house, delivery) == Exhibit("", "", (), "", DELETED)


def test_unreadable_secrets_are_told(house: House, receiver: Receiver) -> None:
    """Without its secrets nothing can be composed, and that is said."""
    delivery = sent(house, receiver)
    lose(house, integration_of(house, delivery))

    assert shown(house, delivery) == Exhibit("", "", (), "", UNREADABLE)


class OlderTransport:
    """A third party's, of before there were exhibits."""

    type_name = "webhook"
    dialect = Dialect.ELASTIC_PATH
    body_limit = None
    configuration_model = WebhookConfiguration

    def __init__(self, surroundings: Surroundings) -> None:
        self._webhook = WebhookTransport(surroundings)

    def open(self, integration: Integration, limits: FlightLimits, wake: Callable[[], None]) -> HttpFlight:
        return self._webhook.open(integration, limits, wake)


class CarelessTransport(WebhookTransport):
    """A third party's, that masks nothing."""

    def exhibit(self, _integration: Integration, message: Message) -> Exhibit:
        return Exhibit("http", "POST http://x", message.headers, message.body.decode())


class WithTransport(Registry):
    """A registry that has another transport for each type."""

    def __init__(self, transport: object) -> None:
        self._transport = transport

    def get(self, _type_name: str) -> ConfiguredTransport:
        return self._transport  # type: ignore[return-value] - an older one lacks a method


def surroundings_of(house: House) -> Surroundings:
    return house.services.transports._surroundings


def test_an_older_transport_shows_nothing(house: House, receiver: Receiver) -> None:
    """A type that knows no exhibits has none, which is no error."""
    delivery = sent(house, receiver)
    older = replace(house.services, transports=WithTransport(OlderTransport(surroundings_of(house))))

    assert exhibit(older, house.tenant.id, delivery.id, 1) is None


def test_a_careless_transport_shows_no_secret(house: House, receiver: Receiver) -> None:
    """What the configuration declares to be secret is taken out whatever a transport gives."""
    delivery = sent(house, receiver, secret_key="canary-secret")
    careless = replace(house.services, transports=WithTransport(CarelessTransport(surroundings_of(house))))

    found = exhibit(careless, house.tenant.id, delivery.id, 1)

    assert found is not None
    assert "canary-secret" not in str(found)
    assert receiver.requests[0].headers["webhook-signature"] not in str(found)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_sends_the_same(house: House, receiver: Receiver) -> None:
    """The command, pasted into a shell, sends what is shown, with words in the place of what is masked."""
    delivery = sent(house, receiver)
    found = shown(house, delivery)

    command = as_curl(found)
    run(command)

    first, second = receiver.wait_for(2)
    assert (second.method, second.path) == (first.method, first.path)
    assert second.body.decode() == SECRET.join(found.body.rsplit(MASK, 1))
    for name, value in found.headers:
        wanted = {"X-MOLTIN-SECRET-KEY": SECRET, "webhook-signature": f"v1,{SIGNATURE}"}.get(name, value)
        assert second.headers[name.lower()] == wanted
    assert command is not None
    assert [line for line in command.splitlines() if line.startswith("# put")] == [
        f"# put the secret in place of {SECRET}, in the header and in the body",
        f"# put the signature of what is sent in place of {SIGNATURE}, or switch its check off",
    ]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_leaves_a_publishers_mask(house: House, receiver: Receiver) -> None:
    """Without a secret key nothing in the body is taken for one."""
    delivery = sent(house, receiver, payload=b'{"secret_key":"********"}', secret_key="")
    found = shown(house, delivery)

    run(as_curl(found))

    assert receiver.wait_for(2)[1].body.decode() == found.body


def test_no_command_for_what_is_no_request(house: House, receiver: Receiver) -> None:
    """A queue's message, a mere note and a body that no shell takes have no command."""
    assert as_curl(Exhibit("sqs", "SendMessageBatch https://x", (), "{}")) is None
    assert as_curl(Exhibit("", "", (), "", DELETED)) is None
    assert as_curl(Exhibit("http", "POST https://x", (), "x" * (LONGEST_COMMAND + 1))) is None
