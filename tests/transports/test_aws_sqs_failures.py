"""What the SQS transport makes of a service that refuses, fails, breaks off or says nothing."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from contracts.cases import trip
from servers import answers
from servers.process import free_port
from transports.sqs_queue import KEY_ID, SECRET, Queue, configuration, transport_to
from transports.sqs_service import SqsService

from postrider.domain.outcome import Verdict


@pytest.mark.parametrize(
    ("code", "sender_fault", "verdict", "error"),
    [
        ("InvalidMessageContents", True, Verdict.PERMANENT, "body_refused"),
        ("NobodyKnowsThis", True, Verdict.PERMANENT, "sqs_refused"),
        ("NobodyKnowsThis", False, Verdict.TEMPORARY, "sqs_refused"),
        ("InternalError", False, Verdict.TEMPORARY, "internal_error"),
        ("RequestThrottled", True, Verdict.TEMPORARY, "throttled"),
        ("KMS.ThrottlingException", True, Verdict.TEMPORARY, "throttled"),
    ],
)
def test_half_failed_batch(
    queue: Queue, service: SqsService, *, code: str, sender_fault: bool, verdict: Verdict, error: str
) -> None:
    """Each message of a half-failed call has its own outcome; throttling is never the message's fault."""
    with trip(queue) as flight:
        messages = flight.messages(4)
        bad = {str(message.id) for message in messages[1:3]}
        service.judge(
            lambda entry: (
                (code, f"because of {SECRET}", sender_fault)
                if entry["MessageAttributes"]["webhook-id"]["StringValue"] in bad
                else None
            )
        )
        landed = flight.send(messages)

    assert [landed[message.id].verdict for message in messages] == [
        Verdict.DELIVERED,
        verdict,
        verdict,
        Verdict.DELIVERED,
    ]
    assert {landed[message.id].error for message in messages[1:3]} == {error}
    assert all(code in landed[message.id].detail for message in messages[1:3])
    assert all(SECRET not in landed[message.id].detail for message in messages)


def test_message_missing_from_the_answer_is_tried_again(queue: Queue, service: SqsService) -> None:
    """An answer that is silent about a message proves nothing."""
    service.use(answers.reply(200, b'{"Successful":[]}', {"Content-Type": "application/x-amz-json-1.0"}))
    with trip(queue) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")


def test_one_bad_message_does_not_bury_its_neighbours(queue: Queue, service: SqsService) -> None:
    """When a whole call is refused for what one message may have done, each is sent by itself once more."""
    with trip(queue) as flight:
        messages = flight.messages(5)
        poison = str(messages[2].id)
        service.refuse(400, "InvalidParameterValue", "no", when=lambda request: poison.encode() in request.body)
        landed = flight.send(messages)

    assert [landed[message.id].verdict for message in messages] == [
        Verdict.DELIVERED,
        Verdict.DELIVERED,
        Verdict.PERMANENT,
        Verdict.DELIVERED,
        Verdict.DELIVERED,
    ]
    assert len(service.calls) == 6


@pytest.mark.parametrize(
    ("status", "code", "verdict", "error"),
    [
        (400, "RequestThrottled", Verdict.TEMPORARY, "throttled"),
        (400, "ThrottlingException", Verdict.TEMPORARY, "throttled"),
        (400, "KmsThrottled", Verdict.TEMPORARY, "throttled"),
        (503, "ServiceUnavailable", Verdict.TEMPORARY, "service_unavailable"),
        (500, "InternalError", Verdict.TEMPORARY, "internal_error"),
        (502, "Nonsense", Verdict.TEMPORARY, "http_502"),
        (429, "Nonsense", Verdict.TEMPORARY, "http_429"),
        (403, "AccessDenied", Verdict.PERMANENT, "access_denied"),
        (403, "AccessDeniedException", Verdict.PERMANENT, "access_denied"),
        (403, "InvalidClientTokenId", Verdict.PERMANENT, "invalid_credentials"),
        (403, "SignatureDoesNotMatch", Verdict.PERMANENT, "invalid_credentials"),
        (400, "UnrecognizedClientException", Verdict.PERMANENT, "invalid_credentials"),
        (400, "ExpiredToken", Verdict.PERMANENT, "invalid_credentials"),
        (400, "QueueDoesNotExist", Verdict.PERMANENT, "queue_not_found"),
        (400, "AWS.SimpleQueueService.NonExistentQueue", Verdict.PERMANENT, "queue_not_found"),
        (400, "KmsAccessDenied", Verdict.PERMANENT, "queue_key_refused"),
        (400, "Nonsense", Verdict.PERMANENT, "sqs_refused"),
    ],
)
def test_error_of_a_call(
    queue: Queue, service: SqsService, *, status: int, code: str, verdict: Verdict, error: str
) -> None:
    """What may pass is tried again; what a person must mend is not. The status is kept and no secret is."""
    service.refuse(status, code, f"{KEY_ID} may not, and {SECRET} is wrong")
    with trip(queue) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error, outcome.status_code) == (verdict, error, status)
    assert KEY_ID not in outcome.detail
    assert SECRET not in outcome.detail


def test_failed_call_is_not_repeated(queue: Queue, service: SqsService) -> None:
    """Botocore's own retries are off: whether to try again is decided elsewhere."""
    service.refuse(500, "InternalError", "no")
    with trip(queue) as flight:
        flight.send(flight.messages(1))

    assert len(service.calls) == 1


def test_answer_that_is_no_sqs_is_temporary(queue: Queue, service: SqsService) -> None:
    """A proxy's error page in the place of SQS's answer costs an attempt, not the worker."""
    service.use(answers.reply(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}))
    with trip(queue) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")


def test_reset_connection_is_named(queue: Queue, service: SqsService) -> None:
    """A connection that breaks has the same name as over HTTP."""
    service.use(answers.reset_connection())
    with trip(queue) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "connection_reset")


def test_unknown_host_is_named(service: SqsService) -> None:
    """A host that is not found has the same name as over HTTP."""
    with (
        transport_to("http://nowhere.invalid") as transport,
        trip(Queue(transport, configuration(service.queue_url))) as flight,
    ):
        (outcome,) = flight.send(flight.messages(1)).values()

    assert outcome.verdict is Verdict.TEMPORARY
    # Without any name server the name is not "not known" but not to be found out.
    assert outcome.error in {"dns_not_found", "dns_failed"}


def test_refused_connection_is_named() -> None:
    """A port where nobody listens has the same name as over HTTP."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    with transport_to(endpoint) as transport, trip(Queue(transport, configuration(f"{endpoint}/1/orders"))) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "connection_refused")


@pytest.mark.quiet
@pytest.mark.parametrize("answer", [answers.hang(), answers.drip_headers(), answers.drip_body()])
def test_outcomes_are_there_at_the_deadline(queue: Queue, service: SqsService, answer: answers.Answer) -> None:
    """However slowly an answer drips, all messages have their outcomes at the deadline."""
    service.use(answer)
    with trip(queue, timeout=1.0, max_in_flight=100) as flight:
        began = time.monotonic()
        flight.flight.put(flight.messages(100))
        landed = flight.take_all(100, within=2.0)
        took = time.monotonic() - began

    assert {(outcome.verdict, outcome.error) for outcome in landed.values()} == {(Verdict.TEMPORARY, "timeout")}
    assert len(landed) == 100
    assert took <= 1.5


def test_late_answer_changes_nothing(queue: Queue, service: SqsService) -> None:
    """What a call tells after the deadline is dropped: a message has one outcome, and its next attempt its own."""
    service.use(answers.drip_headers(0.2))
    with trip(queue, timeout=0.5) as flight:
        message = flight.messages(1)[0]
        first = flight.send([message])
        service.succeed()
        second = flight.send([replace(message, attempt=2)])
        rest = flight.flight.take(0.3)

    assert [outcome.verdict for outcome in (*first.values(), *second.values())] == [
        Verdict.TEMPORARY,
        Verdict.DELIVERED,
    ]
    assert rest == []
