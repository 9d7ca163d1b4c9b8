"""The SQS transport's place in the contract suite: a service that speaks SQS's protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from contracts.cases import SIGNING_SECRET, Case
from servers import answers
from servers.receiver import Receiver
from transports.sqs_service import SqsService

from postrider.transports.aws_sqs import SqsTransport
from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import ConfiguredTransport, Surroundings

ACCESS_KEY_ID = "AKIACANARYCANARY0001"
SECRET_ACCESS_KEY = 'canary/secret+"access"key/0123456789'


@dataclass
class SqsFarSide:
    """A service and a transport that is led to it by the operator."""

    stack: ExitStack
    service: SqsService = field(init=False)
    secrets: tuple[str, ...] = (ACCESS_KEY_ID, SECRET_ACCESS_KEY, SIGNING_SECRET)

    def __post_init__(self) -> None:
        self.listening = self.stack.enter_context(ExitStack())
        self.service = SqsService(self.listening.enter_context(Receiver()))
        guard = Guard()
        transport = SqsTransport(Surroundings(HttpEngine(guard), guard, self.service.endpoint_url))
        self.stack.callback(transport.close)
        self.transport: ConfiguredTransport = transport
        self.configuration = {
            "url": self.service.queue_url,
            "aws_access_key_id": ACCESS_KEY_ID,
            "aws_secret_access_key": SECRET_ACCESS_KEY,
            "region": "eu-west-1",
        }

    def succeed(self) -> None:
        self.service.succeed()

    def fail(self) -> None:
        self.service.refuse(403, "SignatureDoesNotMatch", f"Who are you? {' '.join(self.secrets)}")

    def hang(self) -> None:
        self.service.use(answers.hang())

    def vanish(self) -> None:
        self.listening.close()

    def received(self) -> list[bytes]:
        return self.service.bodies

    def guarded(self) -> ConfiguredTransport:
        raise NotImplementedError("an integration cannot choose where SQS is")


@contextmanager
def far_side() -> Iterator[SqsFarSide]:
    with ExitStack() as stack:
        yield SqsFarSide(stack)


CASE = Case("aws_sqs", far_side, guarded=False)
