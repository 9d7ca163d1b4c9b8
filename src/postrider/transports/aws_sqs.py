"""The way out to an Amazon SQS queue: up to ten messages a call, with the integration's own credentials."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from postrider.domain.exhibit import Exhibit
from postrider.domain.integration import Integration
from postrider.domain.message import Dialect, Message
from postrider.domain.ports import FlightLimits

from .aws_clients import Account, SqsClients
from .configuration import Secret, TransportConfiguration
from .registry import Surroundings
from .scrub import secrets_of
from .sqs_calls import CALL_LIMIT, Queue, entry_of, send_batch, weight
from .threaded import ThreadedFlight, batches_within
from .url import http_url
from .watch import Watch

BATCH = 10
"""The most messages that SQS takes in a call."""
CALLS_AT_ONCE = 4
IN_A_BATCH = f"One of up to {BATCH} entries of the call, which is signed with the integration's credentials."

_CREDENTIAL = Secret(sent_to=())
"""Never sent anywhere: requests are signed with it."""
_QUEUE_PATH = re.compile(r"/(?:[A-Za-z0-9_-]+/)+[A-Za-z0-9_-]{1,80}(?:\.fifo)?")
_REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_]{1,128}")
_SECRET_ACCESS_KEY = re.compile(r"[!-~]{1,256}")


def _check_queue_url(text: str) -> str:
    url = http_url(text)
    if url.raw_query_string or url.raw_fragment or not _QUEUE_PATH.fullmatch(url.raw_path):
        raise ValueError("must be a queue's URL, such as https://sqs.eu-west-1.amazonaws.com/123456789012/orders")
    return text


def _check_region(text: str) -> str:
    # It becomes a part of the host that we connect to.
    if not _REGION.fullmatch(text):
        raise ValueError("must be a region's name, such as eu-west-1")
    return text


def _check_access_key_id(text: str) -> str:
    if not _ACCESS_KEY_ID.fullmatch(text):
        raise ValueError("must be an access key id: letters and digits only")
    return text


def _check_secret_access_key(text: str) -> str:
    if not _SECRET_ACCESS_KEY.fullmatch(text):
        raise ValueError("must be a secret access key: visible ASCII characters without spaces")
    return text


class SqsConfiguration(TransportConfiguration):
    """Which queue, and whose credentials."""

    url: Annotated[str, AfterValidator(_check_queue_url)] = Field(
        title="Queue URL",
        description="The queue's URL, as SQS shows it. A FIFO queue's ends with .fifo.",
        examples=["https://sqs.eu-west-1.amazonaws.com/123456789012/orders"],
    )
    aws_access_key_id: Annotated[str, _CREDENTIAL, AfterValidator(_check_access_key_id)] = Field(
        title="AWS access key id",
        description="Of a user that may do sqs:SendMessage on the queue, and nothing else.",
    )
    aws_secret_access_key: Annotated[str, _CREDENTIAL, AfterValidator(_check_secret_access_key)] = Field(
        title="AWS secret access key", description="The secret that belongs to the access key id."
    )
    region: Annotated[str, AfterValidator(_check_region)] = Field(
        title="AWS region", description="The region that the queue is in.", examples=["eu-west-1"]
    )


class SqsTransport:
    """Sends to queues of AWS's own endpoints, or to the one that the operator names; never to a URL's host."""

    type_name: ClassVar[str] = "aws_sqs"
    dialect: ClassVar[Dialect] = Dialect.CLOUDEVENTS
    body_limit: ClassVar[int | None] = CALL_LIMIT
    configuration_model: ClassVar[type[TransportConfiguration]] = SqsConfiguration

    def __init__(self, surroundings: Surroundings) -> None:
        self._clients = SqsClients(surroundings.aws_endpoint_url)
        self._watch = Watch()

    def open(self, integration: Integration, limits: FlightLimits, wake: Callable[[], None]) -> ThreadedFlight:
        queue = _queue(integration, limits.timeout.total_seconds())
        return ThreadedFlight(
            partial(send_batch, self._clients, queue),
            limits,
            wake,
            watch=self._watch,
            fits=batches_within(BATCH, budget=CALL_LIMIT, weigh=weight),
            threads=CALLS_AT_ONCE,
        )

    def exhibit(self, integration: Integration, message: Message) -> Exhibit:
        queue = _queue(integration, 0)
        entry = entry_of("0", message, queue)
        return Exhibit("sqs", f"SendMessageBatch {queue.url}", _headers(entry), entry["MessageBody"], note=IN_A_BATCH)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._clients.close()


def _headers(entry: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """List what goes beside the body, as AWS names it."""
    fifo = [(name, entry[name]) for name in ("MessageGroupId", "MessageDeduplicationId") if name in entry]
    attributes = entry.get("MessageAttributes", {})
    told = [(f"MessageAttributes.{name} ({one['DataType']})", one["StringValue"]) for name, one in attributes.items()]
    return (*fifo, *told)


def _queue(integration: Integration, seconds: float) -> Queue:
    configuration = SqsConfiguration.parse(integration.configuration)
    account = Account(
        region=configuration.region,
        access_key_id=configuration.aws_access_key_id,
        secret_access_key=configuration.aws_secret_access_key,
        seconds=seconds,
    )
    return Queue(configuration.url, account, secrets_of(integration, SqsConfiguration))
