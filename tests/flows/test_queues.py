"""From publish to real queues: SQS's API and STOMP brokers, and what happens while they are away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from house import House, build_house
from mypy_boto3_sqs import SQSClient
from servers.activemq import ActiveMqServer
from servers.aws import AwsServer
from servers.proxy import Proxy
from servers.rabbitmq import RabbitMqServer
from servers.stomp_broker import StompBroker
from transports.stomp_queue import drain

from postrider.domain.delivery import DeliveryStatus
from postrider.store.engine import Database

ORDER = b'{"data":{"type":"order","id":"1","total":1.10},"included":{"items":[]}}'


@pytest.fixture
def aws_proxy(aws_server: AwsServer) -> Iterator[Proxy]:
    with Proxy(aws_server.port) as proxy:
        yield proxy


@pytest.fixture
def sqs_house(sqlite: Database, aws_server: AwsServer, aws_proxy: Proxy) -> Iterator[House]:
    with build_house(sqlite, aws_endpoint_url=aws_proxy.through(aws_server.endpoint_url)) as built:
        yield built


def to_sqs(house: House, url: str) -> None:
    house.integrate(
        "",
        integration_type="aws_sqs",
        configuration={
            "url": url,
            "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "region": "eu-central-1",
        },
        delivery={"timeout_seconds": 2, "retry_waits": [1] * 5},
    )


def messages(sqs: SQSClient, url: str, count: int) -> list[dict[str, Any]]:
    """Take so many messages from a queue."""
    bodies: list[dict[str, Any]] = []
    while len(bodies) < count:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        assert got, f"{len(bodies)} of {count} messages lie in the queue"
        bodies += [json.loads(message["Body"]) for message in got]
        for message in got:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def test_events_lie_in_the_sqs_queue(sqs_house: House, sqs: SQSClient) -> None:
    """Each published event is one CloudEvent in the queue, its payload as it was published."""
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    to_sqs(sqs_house, url)

    sqs_house.publish(*["order.paid"] * 25, payload=ORDER)
    sqs_house.run_until_idle()

    bodies = messages(sqs, url, 25)
    assert {body["id"] for body in bodies} == {str(d.id) for d in sqs_house.deliveries(event_type="order.paid")}
    assert bodies[0]["data"] == json.loads(ORDER)
    assert bodies[0]["type"] == "order.paid"


def test_sqs_comes_back(sqs_house: House, sqs: SQSClient, aws_proxy: Proxy) -> None:
    """While SQS cannot be reached deliveries wait; afterwards each arrives once."""
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    to_sqs(sqs_house, url)
    aws_proxy.refuse()
    sqs_house.publish(*["order.paid"] * 12)
    sqs_house.run_until_idle()
    assert {d.status for d in sqs_house.deliveries(event_type="order.paid")} == {DeliveryStatus.PENDING}

    aws_proxy.heal()
    sqs_house.clock.move(seconds=7)
    sqs_house.run_until_idle()

    assert len({body["id"] for body in messages(sqs, url, 12)}) == 12


def test_a_missing_sqs_queue_is_a_dead_letter(sqs_house: House, sqs: SQSClient) -> None:
    """What trying again cannot mend is dead at once, with AWS's reason."""
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.delete_queue(QueueUrl=url)
    to_sqs(sqs_house, url)

    sqs_house.publish("order.paid")
    sqs_house.run_until_idle()

    (dead,) = sqs_house.deliveries(event_type="order.paid")
    assert dead.status is DeliveryStatus.DEAD
    assert "queue" in sqs_house.attempts(dead)[0].detail.lower()


class Broker:
    """A STOMP broker behind a proxy."""

    def __init__(self, proxy: Proxy, port: int, login: tuple[str, str]) -> None:
        self.proxy, self.port, self.login = proxy, port, login
        self.address = proxy.through(f"stomp://127.0.0.1:{port}")


@pytest.fixture(params=["coilmq", "rabbitmq", "activemq"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "coilmq":
        coilmq: StompBroker = request.getfixturevalue("stomp_broker")
        port, login = coilmq.port, ("guest", "guest")
    elif request.param == "rabbitmq":
        rabbitmq: RabbitMqServer = request.getfixturevalue("rabbitmq_server")
        port, login = rabbitmq.stomp_port, (rabbitmq.user, rabbitmq.password)
    else:
        activemq: ActiveMqServer = request.getfixturevalue("activemq_server_with_login")
        port, login = activemq.port, (activemq.user, activemq.password)
    with Proxy(port) as proxy:
        yield Broker(proxy, port, login)


def test_a_stomp_broker_comes_back(house: House, broker: Broker) -> None:
    """Events reach the destination; while the broker is away they wait, and arrive when it is back."""
    destination = f"/queue/orders-{house.services.ids.new().hex}"
    house.integrate(
        "",
        integration_type="stomp",
        configuration={
            "addresses": [broker.address],
            "destination": destination,
            "username": broker.login[0],
            "password": broker.login[1],
        },
        delivery={"timeout_seconds": 3, "retry_waits": [1] * 5},
    )
    house.publish("order.paid", payload=ORDER)
    house.run_until_idle()
    broker.proxy.refuse()
    broker.proxy.cut()
    house.publish(*["order.paid"] * 8, payload=ORDER)
    house.run_until_idle()
    waiting = len(house.deliveries(statuses=(DeliveryStatus.PENDING,)))

    broker.proxy.heal()
    house.clock.move(seconds=2)
    house.run_until_idle()

    bodies = [json.loads(body) for _, body in drain(broker.port, destination, 9, login=broker.login)]
    assert waiting == 8
    assert {body["id"] for body in bodies} == {str(d.id) for d in house.deliveries(event_type="order.paid")}
    assert {d.status for d in house.deliveries()} == {DeliveryStatus.DELIVERED}
