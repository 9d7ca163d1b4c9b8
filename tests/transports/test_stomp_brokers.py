"""The STOMP transport against real brokers: CoilMQ, RabbitMQ, and ActiveMQ, the engine of Amazon MQ."""

from __future__ import annotations

import pytest
from contracts.cases import trip
from servers.activemq import ActiveMqServer
from servers.rabbitmq import RabbitMqServer
from servers.stomp_broker import StompBroker
from transports.stomp_queue import PASSWORD, destination, drain

from postrider.domain.outcome import Verdict


def test_coilmq_gets_every_message(stomp_broker: StompBroker) -> None:
    """A broker that refuses STOMP 1.2 gets 1.1; every message is in its queue, byte for byte."""
    far = destination(f"stomp://127.0.0.1:{stomp_broker.port}", destination="/queue/coil")
    with trip(far) as flight:
        messages = flight.messages(5)
        landed = flight.send(messages)
    arrived = drain(stomp_broker.port, "/queue/coil", 5)

    assert [outcome.verdict for outcome in landed.values()] == [Verdict.DELIVERED] * 5
    assert sorted(body for _, body in arrived) == sorted(message.body for message in messages)


@pytest.mark.rabbitmq
def test_rabbitmq_gets_every_message(rabbitmq_server: RabbitMqServer) -> None:
    """RabbitMQ takes a full pipeline of persistent messages, with the headers that receivers need."""
    address = f"stomp://localhost:{rabbitmq_server.stomp_port}"
    far = destination(address, destination="/queue/full", username="guest", password="guest")
    with trip(far, max_in_flight=128) as flight:
        messages = flight.messages(300)
        landed = flight.send(messages)
    arrived = drain(rabbitmq_server.stomp_port, "/queue/full", 300)

    assert {outcome.verdict for outcome in landed.values()} == {Verdict.DELIVERED}
    by_id = {headers["webhook-id"]: (headers, body) for headers, body in arrived}
    assert {message: by_id[str(message.id)][1] for message in messages} == {each: each.body for each in messages}
    headers, _ = by_id[str(messages[0].id)]
    assert headers["persistent"] == "true"
    assert headers["content-type"] == "application/cloudevents+json"
    assert (headers["event-type"], headers["attempt"]) == ("order.paid", "1")


@pytest.mark.rabbitmq
def test_address_can_name_a_virtual_host(rabbitmq_server: RabbitMqServer) -> None:
    """A path in the address is the virtual host: the one that exists works, another is refused."""
    address = f"stomp://127.0.0.1:{rabbitmq_server.stomp_port}"
    login = {"username": "guest", "password": "guest"}
    with trip(destination(f"{address}/%2F", **login)) as flight:
        (right,) = flight.send(flight.messages(1)).values()
    with trip(destination(f"{address}/elsewhere", **login)) as flight:
        (wrong,) = flight.send(flight.messages(1)).values()

    assert right.verdict is Verdict.DELIVERED
    assert (wrong.verdict, wrong.error) == (Verdict.TEMPORARY, "connect_refused")
    assert "elsewhere" in wrong.detail


@pytest.mark.rabbitmq
def test_rabbitmq_refuses_a_destination(rabbitmq_server: RabbitMqServer) -> None:
    """RabbitMQ names no message when it refuses a destination; all that went there have the same final outcome."""
    address = f"stomp://127.0.0.1:{rabbitmq_server.stomp_port}"
    login = {"username": "guest", "password": "guest"}
    with trip(destination(address, destination="/exchange/none/key", **login)) as flight:
        missing = flight.send(flight.messages(5))
    with trip(destination(address, destination="/exchange/amq.rabbitmq.trace/key", **login)) as flight:
        forbidden = flight.send(flight.messages(5))

    assert {(each.verdict, each.error) for each in missing.values()} == {(Verdict.PERMANENT, "destination_not_found")}
    assert {(each.verdict, each.error) for each in forbidden.values()} == {(Verdict.PERMANENT, "access_denied")}


@pytest.mark.rabbitmq
def test_rabbitmq_refuses_a_password(rabbitmq_server: RabbitMqServer) -> None:
    """A wrong password is tried again later, in case it is the broker's directory that is wrong."""
    far = destination(f"stomp://127.0.0.1:{rabbitmq_server.stomp_port}", username="guest")
    with trip(far) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "login_refused")
    assert PASSWORD not in outcome.detail


@pytest.mark.activemq
def test_activemq_lets_the_right_user_in(activemq_server_with_login: ActiveMqServer) -> None:
    """ActiveMQ, the engine of Amazon MQ, takes messages of its user, and of nobody else."""
    server = activemq_server_with_login
    address = f"stomp://127.0.0.1:{server.port}"
    with trip(destination(address, username=server.user, password=server.password)) as flight:
        messages = flight.messages(50)
        landed = flight.send(messages)
    with trip(destination(address, username=server.user)) as flight:
        (refused,) = flight.send(flight.messages(1)).values()
    arrived = drain(server.port, "/queue/orders", 50, login=(server.user, server.password))

    assert {outcome.verdict for outcome in landed.values()} == {Verdict.DELIVERED}
    assert sorted(body for _, body in arrived) == sorted(message.body for message in messages)
    assert (refused.verdict, refused.error) == (Verdict.TEMPORARY, "login_refused")
