"""One SendMessageBatch call: its entries, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from postrider.domain.message import Message
from postrider.domain.outcome import Outcome, Verdict

from .aws_clients import Account, SqsClients
from .sqs_errors import ABOUT_ONE_MESSAGE, CALL_ERRORS, call_outcome, entry_outcome

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchResultTypeDef

CALL_LIMIT = 256 * 1024
"""Bytes of bodies and attributes, of one message as of a whole call."""

DELIVERED = Outcome(Verdict.DELIVERED, status_code=200)
TOO_LARGE = Outcome(
    Verdict.PERMANENT, "body_too_large", f"the message is larger than the {CALL_LIMIT} bytes that SQS takes."
)
UNNAMED = Outcome(Verdict.TEMPORARY, "bad_response", "SQS's answer does not speak of this message.")


@dataclass(frozen=True, slots=True)
class Queue:
    """Where to send, and as whom."""

    url: str
    account: Account
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def is_fifo(self) -> bool:
        return self.url.endswith(".fifo")


def weight(message: Message) -> int:
    """Count the bytes of a message as SQS does: the body, and names, types and values of the attributes."""
    return len(message.body) + _attributes_weight(message)


def send_batch(
    clients: SqsClients, queue: Queue, messages: Sequence[Message], seconds: float
) -> Iterable[tuple[UUID, Outcome]]:
    """Send up to ten messages that fit into one call.

    When the call is refused for what may be the fault of one message, each is sent once more by itself, while
    there is time: innocent ones must not share its end.
    """
    until = time.monotonic() + seconds
    small = [message for message in messages if len(message.body) <= CALL_LIMIT]
    outcomes = {message.id: TOO_LARGE for message in messages}
    outcomes.update(_call(clients, queue, small) if small else {})
    if len(small) > 1 and all(outcomes[message.id].error in ABOUT_ONE_MESSAGE for message in small):
        for message in small:
            if time.monotonic() < until:
                outcomes.update(_call(clients, queue, [message]))
    return outcomes.items()


def _call(clients: SqsClients, queue: Queue, messages: Sequence[Message]) -> dict[UUID, Outcome]:
    try:
        client = clients.get(queue.account)
        entries: Any = [entry_of(str(at), message, queue) for at, message in enumerate(messages)]
        answer = client.send_message_batch(QueueUrl=queue.url, Entries=entries)
    except CALL_ERRORS as error:
        outcome = call_outcome(error, seconds=queue.account.seconds, secrets=queue.secrets)
        return dict.fromkeys((message.id for message in messages), outcome)
    return _read(answer, messages, queue.secrets)


def _read(
    answer: SendMessageBatchResultTypeDef, messages: Sequence[Message], secrets: Sequence[str]
) -> dict[UUID, Outcome]:
    by_entry: dict[str, Outcome] = {entry["Id"]: DELIVERED for entry in answer.get("Successful", [])}
    for entry in answer.get("Failed", []):
        by_entry[entry["Id"]] = entry_outcome(
            entry.get("Code", ""),
            entry.get("Message", ""),
            sender_fault=entry.get("SenderFault", False),
            secrets=secrets,
        )
    return {message.id: by_entry.get(str(at), UNNAMED) for at, message in enumerate(messages)}


def entry_of(entry_id: str, message: Message, queue: Queue) -> dict[str, Any]:
    """Write a message as an entry of SendMessageBatch."""
    entry: dict[str, Any] = {"Id": entry_id, "MessageBody": message.body.decode()}
    if _attributes_weight(message):
        entry["MessageAttributes"] = {
            name: {"DataType": kind, "StringValue": value} for name, kind, value in _attributes(message)
        }
    if queue.is_fifo:
        entry["MessageGroupId"] = str(message.integration_id)
        entry["MessageDeduplicationId"] = str(message.id)
    return entry


def _attributes(message: Message) -> list[tuple[str, str, str]]:
    return [
        ("event-type", "String", message.event_type),
        ("webhook-id", "String", str(message.id)),
        ("attempt", "Number", str(message.attempt)),
        *((name, "String", value) for name, value in message.headers if value),
    ]


def _attributes_weight(message: Message) -> int:
    """Count the attributes' bytes; none when the body leaves no room for them, for then they stay at home.

    All they say stands in the body too.
    """
    total = sum(len(part.encode()) for attribute in _attributes(message) for part in attribute)
    return total if len(message.body) + total <= CALL_LIMIT else 0
