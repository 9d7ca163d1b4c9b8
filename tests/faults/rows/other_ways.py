"""Queues and brokers refuse: what passes is tried again, what does not is a dead letter, and nothing is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from faults.audit import audit
from faults.grounds import Grounds
from faults.landing import Arrival
from faults.matrix import Figures, row
from faults.world import SHORT_SECONDS, World, a_world
from servers.process import wait_until
from servers.receiver import Receiver
from transports import scripted_broker
from transports.scripted_broker import Answers, Came, Say, ScriptedBroker
from transports.sqs_queue import configuration
from transports.sqs_service import SqsService

EVENTS, FAILURES = 200, 5


class CloudEvent(msgspec.Struct):
    """What the audit needs of a body; the data stays the bytes that came."""

    id: str
    data: msgspec.Raw


@dataclass(slots=True)
class Taken:
    """What a far side took and confirmed."""

    bodies: list[bytes] = field(default_factory=list)

    def arrivals(self) -> list[Arrival]:
        events = [msgspec.json.decode(body, type=CloudEvent) for body in self.bodies]
        return [Arrival(one.id, hashlib.sha256(one.data).hexdigest(), 200, 0.0) for one in events]


@row("stomp", "STOMP without receipt, STOMP ERROR, STOMP access refused", long=True)
def the_broker_does_not_take_it(grounds: Grounds) -> Figures:
    """What passes is tried again; a broker that does not let us write there makes dead letters, to be sent again."""
    taken = Taken()
    with a_world(grounds) as world, ScriptedBroker() as broker:
        world.workers(1)
        address = {"addresses": [broker.address], "destination": "/queue/orders"}
        integration_id = world.integrate(
            changes={"integration_type": "stomp", "configuration": address}, timeout_seconds=SHORT_SECONDS
        )

        def take(frame: Came) -> Say:
            taken.bodies.append(frame.body)
            return scripted_broker.receipt(frame)

        def answer(answers: Answers) -> None:
            broker.on_send = answers

        found = [
            _temporary(world, lambda: answer(scripted_broker.nothing), lambda: answer(take)),
            _temporary(world, lambda: answer(_error("out of disk")), lambda: answer(take)),
        ]
        # An ERROR ends the connection: of several that are under way only one is told why.
        world.api.change(
            f"/v2/integrations/{integration_id}", {"type": "integration", "delivery": {"max_in_flight": 1}}
        )
        found.append(_permanent(world, lambda: answer(_error("access refused")), lambda: answer(take)))
        return _judged(world, taken, found)


@row("sqs", "SQS throttling, SQS 403", long=True)
def sqs_refuses(grounds: Grounds) -> Figures:
    """Throttling passes; a refusal makes dead letters, which are sent once the permission is there."""
    taken = Taken()
    with Receiver() as receiver:
        service = SqsService(receiver)
        with a_world(grounds, settings={"POSTRIDER_AWS_ENDPOINT_URL": service.endpoint_url}) as world:
            world.workers(1)
            queue = configuration(service.queue_url)
            world.integrate(changes={"integration_type": "aws_sqs", "configuration": queue})

            def take(entry: Mapping[str, Any]) -> None:
                taken.bodies.append(entry["MessageBody"].encode())

            found = [
                _temporary(
                    world,
                    lambda: service.refuse(400, "ThrottlingException", "slow down"),
                    lambda: service.judge(take),
                ),
                _permanent(
                    world,
                    lambda: service.refuse(403, "AccessDeniedException", "no such right"),
                    lambda: service.judge(take),
                ),
            ]
            return _judged(world, taken, found)


def _error(message: str) -> Answers:
    return lambda frame: scripted_broker.error(message, of=frame)


def _temporary(world: World, break_it: Callable[[], None], mend: Callable[[], None]) -> float:
    """Break the far side until it has failed a few times; gives the seconds from its mending to the last delivery."""
    break_it()
    failed = _failed(world)
    world.load.publish(EVENTS)
    wait_until(lambda: _failed(world) >= failed + FAILURES, "some attempts to fail")
    mend()
    return world.settle()


def _permanent(world: World, break_it: Callable[[], None], mend: Callable[[], None]) -> float:
    """Have all refused for good, mend it, and send the dead letters again."""
    break_it()
    world.load.publish(EVENTS)
    world.settle()
    (dead,) = world.sql("SELECT count(*) FROM deliveries WHERE status = 'dead'")[0]
    assert dead == EVENTS, f"{dead} dead letters of {EVENTS} refused messages"
    mend()
    world.api.post("/v2/dead-letters/redrive", {"filter": {}}, status=202)
    wait_until(lambda: world.sql("SELECT count(*) FROM deliveries WHERE status = 'dead'")[0][0] == 0, "the redrive")
    return world.settle()


def _failed(world: World) -> int:
    count: int = world.sql("SELECT count(*) FROM attempts WHERE verdict <> 'delivered'")[0][0]
    return count


def _judged(world: World, taken: Taken, recoveries: Sequence[float]) -> Figures:
    return audit(world, arrivals=taken.arrivals()).figures(
        recovery=max(recoveries), note="what was refused for good was a dead letter, sent again when it was mended"
    )
