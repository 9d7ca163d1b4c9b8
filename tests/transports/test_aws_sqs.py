"""What the SQS transport promises, beside the contract of all transports."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from contracts.cases import Trip, message_for, trip
from mypy_boto3_sqs import SQSClient
from servers import answers
from servers.aws import AwsServer
from servers.receiver import Receiver
from transports.sqs_queue import KEY_ID, SECRET, Queue, configuration, transport_to
from transports.sqs_service import SqsService

from postrider.domain.errors import InvalidInput
from postrider.domain.outcome import Verdict
from postrider.transports.aws_clients import Account, SqsClients
from postrider.transports.aws_sqs import SqsConfiguration, SqsTransport
from postrider.transports.sqs_calls import CALL_LIMIT


@pytest.fixture
def moto_transport(aws_server: AwsServer) -> Iterator[SqsTransport]:
    with transport_to(aws_server.endpoint_url) as transport:
        yield transport


def received(sqs: SQSClient, url: str) -> list[dict[str, Any]]:
    """Take everything that is in a queue."""
    messages: list[dict[str, Any]] = []
    while True:
        answer = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        if not answer.get("Messages"):
            return messages
        messages += [dict(message) for message in answer["Messages"]]
        for message in answer["Messages"]:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


# With a real server of AWS's API


def test_messages_lie_in_the_queue(sqs: SQSClient, moto_transport: SqsTransport) -> None:
    """Each message is in the queue once, its bytes unchanged, with the attributes that receivers filter by."""
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    with trip(Queue(moto_transport, configuration(url))) as flight:
        messages = flight.messages(23)
        landed = flight.send(messages)

    assert {outcome.verdict for outcome in landed.values()} == {Verdict.DELIVERED}
    assert {outcome.status_code for outcome in landed.values()} == {200}
    arrived = received(sqs, url)
    assert sorted(each["Body"].encode() for each in arrived) == sorted(message.body for message in messages)
    by_body = {message.body: message for message in messages}
    for each in arrived:
        attributes = {name: value["StringValue"] for name, value in each["MessageAttributes"].items()}
        assert attributes == {
            "event-type": "order.paid",
            "webhook-id": str(by_body[each["Body"].encode()].id),
            "attempt": "1",
            "content-type": "application/cloudevents+json",
        }


def test_fifo_queue_drops_a_repeat(sqs: SQSClient, moto_transport: SqsTransport) -> None:
    """On a FIFO queue a delivery's second attempt is recognised by its id, and an integration keeps one group."""
    url = sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    with trip(Queue(moto_transport, configuration(url))) as flight:
        message = flight.messages(1)[0]
        first = flight.send([message])
        second = flight.send([replace(message, attempt=2)])

    assert [outcome.verdict for outcome in (*first.values(), *second.values())] == [Verdict.DELIVERED] * 2
    (only,) = received(sqs, url)
    assert only["Attributes"]["MessageDeduplicationId"] == str(message.id)
    assert only["Attributes"]["MessageGroupId"] == str(message.integration_id)


def test_exhibit_shows_what_goes_beside_the_body(sqs: SQSClient, moto_transport: SqsTransport) -> None:
    """The queue, the ids of a FIFO queue and the attributes are shown as SQS gets them."""
    url = sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    with trip(Queue(moto_transport, configuration(url))) as flight:
        message = flight.messages(1)[0]
        flight.send([message])
        shown = moto_transport.exhibit(flight.integration, message)

    (only,) = received(sqs, url)
    assert (shown.kind, shown.title) == ("sqs", f"SendMessageBatch {url}")
    told = {name: only["Attributes"][name] for name in ("MessageGroupId", "MessageDeduplicationId")}
    told |= {
        f"MessageAttributes.{name} ({one['DataType']})": one["StringValue"]
        for name, one in only["MessageAttributes"].items()
    }
    assert dict(shown.headers) == told


def test_queue_that_does_not_exist_is_final(sqs: SQSClient, moto_transport: SqsTransport) -> None:
    """A queue that is not there will not be there in five minutes either: a person must look."""
    url = sqs.create_queue(QueueName="gone")["QueueUrl"]
    sqs.delete_queue(QueueUrl=url)
    with trip(Queue(moto_transport, configuration(url))) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error, outcome.status_code) == (Verdict.PERMANENT, "queue_not_found", 400)


def test_largest_message_passes_without_attributes(sqs: SQSClient, moto_transport: SqsTransport) -> None:
    """A body of exactly the limit is delivered: the attributes, which repeat what it says, make room."""
    url = sqs.create_queue(QueueName="large")["QueueUrl"]
    with trip(Queue(moto_transport, configuration(url))) as flight:
        message = filled(flight, CALL_LIMIT)
        (outcome,) = flight.send([message]).values()

    assert len(message.body) == CALL_LIMIT
    assert outcome.verdict is Verdict.DELIVERED
    (only,) = received(sqs, url)
    assert only["Body"].encode() == message.body
    assert "MessageAttributes" not in only


def filled(flight: Trip, size: int) -> Any:
    """Make a message whose body has this many bytes."""
    empty = len(message_for(flight.integration, flight.transport, b'{"x":""}').body)
    return message_for(flight.integration, flight.transport, b'{"x":"' + b"x" * (size - empty) + b'"}')


# Batches


def test_ten_messages_go_in_a_call(queue: Queue, service: SqsService) -> None:
    """A call carries ten messages, as many as SQS takes."""
    with trip(queue, max_in_flight=40) as flight:
        flight.send(flight.messages(40))

    assert [len(call) for call in service.calls] == [10] * 4


def test_calls_run_at_the_same_time(queue: Queue, service: SqsService) -> None:
    """Slow answers do not queue up: four calls of a flight are under way at once, not more."""
    service.use(answers.hang())
    with trip(queue, max_in_flight=60, timeout=1.0) as flight:
        flight.flight.put(flight.messages(60))
        service.receiver.wait_for(4)
        flight.take_all(60, within=1.5)

    assert service.receiver.busiest == 4


def test_call_stays_below_the_limit(queue: Queue, service: SqsService) -> None:
    """Large messages share a call only as long as they fit into 256 KiB together, attributes included."""
    with trip(queue, max_in_flight=10) as flight:
        messages = [filled(flight, 100_000) for _ in range(6)]
        landed = flight.send(messages)

    assert {outcome.verdict for outcome in landed.values()} == {Verdict.DELIVERED}
    assert len(service.calls) == 3
    for call in service.calls:
        assert sum(entry_size(entry) for entry in call) <= CALL_LIMIT


def entry_size(entry: Mapping[str, Any]) -> int:
    """Count an entry's bytes as SQS does."""
    attributes = entry.get("MessageAttributes", {})
    return len(entry["MessageBody"].encode()) + sum(
        len((name + value["DataType"] + value["StringValue"]).encode()) for name, value in attributes.items()
    )


def test_too_large_body_costs_no_call(queue: Queue, service: SqsService) -> None:
    """What SQS would refuse for its size is refused here, for good."""
    with trip(queue) as flight:
        (outcome,) = flight.send([filled(flight, CALL_LIMIT + 1)]).values()

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "body_too_large")
    assert service.calls == []


def test_order_with_many_items_is_elided_to_fit(queue: Queue, service: SqsService) -> None:
    """A message over 256 KiB goes without its included resources, as Elastic Path's."""
    payload = json.dumps({"data": {"id": "1"}, "included": {"items": ["x" * 1000] * 300}}).encode()
    with trip(queue) as flight:
        (outcome,) = flight.send(flight.messages(1, payload)).values()

    assert outcome.verdict is Verdict.DELIVERED
    (body,) = service.bodies
    assert json.loads(body)["data"] == {"data": {"id": "1"}, "included": {"meta": {"includes_elided": True}}}


# Whose credentials, and where to


def test_environment_decides_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, service: SqsService) -> None:
    """The dispatcher's own credentials, profile, files, proxies and endpoints stay out of a tenant's call."""
    (tmp_path / "config").write_text("[default]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:9/config\n")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAOFTHEDISPATCHER0",
        "AWS_SECRET_ACCESS_KEY": "of-the-dispatcher",
        "AWS_SESSION_TOKEN": "token-of-the-dispatcher",
        "AWS_PROFILE": "missing",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9/env",
        "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9/env",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    with (
        transport_to(service.endpoint_url) as transport,
        trip(Queue(transport, configuration(service.queue_url))) as flight,
    ):
        (outcome,) = flight.send(flight.messages(1)).values()

    assert outcome.verdict is Verdict.DELIVERED
    (request,) = service.receiver.requests
    assert f"Credential={KEY_ID}/" in request.headers["authorization"]
    assert "/eu-central-1/sqs/" in request.headers["authorization"]
    assert "x-amz-security-token" not in request.headers


def test_queue_url_does_not_choose_the_host(queue: Queue, service: SqsService) -> None:
    """Whatever host stands in an integration's queue URL, the call goes to the operator's endpoint alone."""
    with Receiver() as trap:
        elsewhere = configuration(trap.url_of("/123456789012/orders"))
        with trip(Queue(queue.transport, elsewhere)) as flight:
            (outcome,) = flight.send(flight.messages(1)).values()

        assert outcome.verdict is Verdict.DELIVERED
        assert trap.connections == 0
        assert len(service.calls) == 1


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "https://sqs.eu-west-1.amazonaws.com"),
        ("cn-north-1", "https://sqs.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "https://sqs.us-gov-west-1.amazonaws.com"),
    ],
)
def test_without_the_operators_endpoint_aws_is_asked(monkeypatch: pytest.MonkeyPatch, region: str, host: str) -> None:
    """The region alone leads to AWS's own endpoint."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    clients = SqsClients()

    assert clients.get(Account(region, KEY_ID, SECRET, seconds=10)).meta.endpoint_url == host
    clients.close()


def test_clients_are_kept_and_the_oldest_closed() -> None:
    """One client serves all flights of an account, and the number of clients is bounded."""
    clients = SqsClients("http://127.0.0.1:9", most=2)
    accounts = [Account("eu-west-1", KEY_ID, f"{SECRET}{number}", seconds=10) for number in range(3)]
    first, second = clients.get(accounts[0]), clients.get(accounts[1])

    assert clients.get(accounts[0]) is first
    clients.get(accounts[2])
    assert clients.get(accounts[0]) is first
    assert clients.get(accounts[1]) is not second
    clients.close()


def test_nothing_secret_is_logged(queue: Queue, service: SqsService, caplog: pytest.LogCaptureFixture) -> None:
    """Neither success nor failure writes a credential to any log, at any level that runs in production."""
    caplog.set_level(logging.INFO)
    with trip(queue) as flight:
        flight.send(flight.messages(1))
        service.refuse(403, "SignatureDoesNotMatch", SECRET)
        flight.send(flight.messages(1))

    assert SECRET not in caplog.text
    assert KEY_ID not in caplog.text


def test_account_shows_no_credentials() -> None:
    """What a log or a traceback prints of an account holds no credential."""
    shown = repr(Account("eu-west-1", KEY_ID, SECRET, seconds=10))

    assert KEY_ID not in shown
    assert SECRET not in shown


# Configuration


@pytest.mark.parametrize(
    ("field_name", "value"),
    [
        ("url", "sqs.eu-west-1.amazonaws.com/1/orders"),
        ("url", "ftp://sqs.eu-west-1.amazonaws.com/1/orders"),
        ("url", "https://sqs.eu-west-1.amazonaws.com"),
        ("url", "https://sqs.eu-west-1.amazonaws.com/1/or ders"),
        ("url", "https://user:word@sqs.eu-west-1.amazonaws.com/1/orders"),
        ("url", "https://sqs.eu-west-1.amazonaws.com/1/orders?Action=DeleteQueue"),
        ("region", "eu-west-1.evil.test"),
        ("region", "eu-west-1/"),
        ("region", "-eu"),
        ("region", ""),
        ("region", "EU-WEST-1"),
        ("region", "x" * 64),
        ("aws_access_key_id", ""),
        ("aws_access_key_id", "AKIA\r\nX-Evil: 1"),
        ("aws_access_key_id", "AKIA/eu/sqs"),
        ("aws_secret_access_key", ""),
        ("aws_secret_access_key", "two words"),
        ("aws_secret_access_key", "line\n"),
        ("aws_secret_access_key", "schlüssel"),
    ],
)
def test_wrong_configuration_is_refused(field_name: str, value: str) -> None:
    """A value that cannot work, or would lead somewhere else, is refused by its field's name, and not repeated."""
    given = configuration("https://sqs.eu-west-1.amazonaws.com/123456789012/orders") | {field_name: value}

    with pytest.raises(InvalidInput) as refusal:
        SqsConfiguration.parse(given)

    assert refusal.value.pointer == f"data.configuration.{field_name}"


def test_elastic_paths_example_is_taken() -> None:
    """Elastic Path's own example of a configuration is valid here."""
    given = {
        "url": "https://sqs.eu-west-1.amazonaws.com/123456789/epcc-external-queue",
        "aws_access_key_id": "ASIAJLVYNHUWCPKOPSYQ",
        "aws_secret_access_key": "a" * 36 + "HK4o",
        "region": "eu-west-1",
    }

    assert SqsConfiguration.parse(given).stored() == given


@pytest.mark.quiet
def test_close_gives_back_what_was_not_sent(queue: Queue, service: SqsService) -> None:
    """A close takes back what no call has begun with; what is under way lands."""
    service.use(answers.hang())
    with trip(queue, max_in_flight=100, timeout=1.0) as flight:
        messages = flight.messages(100)
        flight.flight.put(messages)
        service.receiver.wait_for(4)
        unsent = flight.flight.close()
        landed = flight.take_all(40, within=1.5)

    assert len(unsent) == 60
    assert set(unsent) | set(landed) == {message.id for message in messages}
    assert len(service.calls) == 4
