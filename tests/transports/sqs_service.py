"""SQS as the wire sees it, on top of the tests' HTTP receiver: for what moto cannot be made to do, such as failing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from servers.answers import Answer, reply
from servers.receiver import Receiver, Request

_JSON = {"Content-Type": "application/x-amz-json-1.0"}

Verdicts = Callable[[Mapping[str, Any]], tuple[str, str, bool] | None]
"""Says of an entry: None when it is taken, or its code, message and whether the sender is at fault."""


def take_all(_: Mapping[str, Any]) -> None:
    """Find nothing wrong with an entry."""


class SqsService:
    """Takes SendMessageBatch calls and answers as it was told."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.endpoint_url = f"http://{receiver.host}:{receiver.port}"
        self.queue_url = f"{self.endpoint_url}/123456789012/orders"
        self.succeed()

    def succeed(self) -> None:
        self.judge(take_all)

    def judge(self, verdicts: Verdicts) -> None:
        """Take or refuse each entry by itself from now on."""
        self.receiver.choose(lambda request: _batch_answer(entries_of(request), verdicts))

    def refuse(self, status: int, code: str, message: str, *, when: Callable[[Request], bool] = lambda _: True) -> None:
        """Answer calls with an error from now on; where `when` says no, take everything."""
        self.receiver.choose(
            lambda request: (
                error_answer(status, code, message) if when(request) else _batch_answer(entries_of(request), take_all)
            )
        )

    def use(self, answer: Answer) -> None:
        """Give every call this answer from now on."""
        self.receiver.choose(lambda _: answer)

    @property
    def calls(self) -> list[list[dict[str, Any]]]:
        """List the entries of each call so far."""
        return [entries_of(request) for request in self.receiver.requests]

    @property
    def bodies(self) -> list[bytes]:
        return [entry["MessageBody"].encode() for call in self.calls for entry in call]


def entries_of(request: Request) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(request.body)["Entries"]
    return entries


def error_answer(status: int, code: str, message: str) -> Answer:
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message}).encode()
    return reply(status, body, _JSON)


def _batch_answer(entries: Sequence[Mapping[str, Any]], verdicts: Verdicts) -> Answer:
    taken, failed = [], []
    for entry in entries:
        verdict = verdicts(entry)
        if verdict is None:
            # What SQS checks for us: it is not there to keep secrets.
            digest = hashlib.md5(entry["MessageBody"].encode(), usedforsecurity=False).hexdigest()
            taken.append({"Id": entry["Id"], "MessageId": f"m-{entry['Id']}", "MD5OfMessageBody": digest})
        else:
            code, message, sender_fault = verdict
            failed.append({"Id": entry["Id"], "Code": code, "Message": message, "SenderFault": sender_fault})
    return reply(200, json.dumps({"Successful": taken, "Failed": failed}).encode(), _JSON)
