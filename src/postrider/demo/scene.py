"""The demo as a whole: its receivers, the integrations that lead to them, and the orders that are published."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from postrider.control import integrations
from postrider.domain.access import COMMAND_LINE
from postrider.domain.errors import NotFound, PostriderError
from postrider.domain.integration import Integration
from postrider.pipeline.publish import NewEvent, Publisher, Publishing
from postrider.services import Services

from .kept import Kept
from .orders import Sample, samples
from .receivers import HOST, Receiver, answer_at_once, answer_slowly, has_moved

PAUSE_SECONDS = 0.5
HEALTHY, SLOW, FAILING = "healthy", "slow", "failing"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Role:
    """An integration of the demo."""

    name: str
    description: str
    observes: tuple[str, ...]
    retry_waits: tuple[float, ...] | None = None
    """None: those that every integration gets."""


ROLES: Mapping[str, Role] = {
    HEALTHY: Role("Warehouse", "Demo: takes every order, and answers at once.", ("order.*",)),
    SLOW: Role("Analytics", "Demo: answers after about a second.", ("order.created", "order.paid")),
    FAILING: Role(
        "Accounting",
        "Demo: does not get its orders. Look at what its receiver answers, mend the address, redrive the dead letters.",
        ("order.fulfilled", "order.refunded"),
        retry_waits=(1,),
    ),
}


class Demo:
    """Receivers that listen until the process ends, and a thread that publishes between `start` and `stop`."""

    def __init__(self, services: Services, publisher: Publisher, tenant_id: UUID, *, data: Path) -> None:
        """Find what was there at the last start, and make what was not."""
        self._services, self._publisher, self._tenant_id = services, publisher, tenant_id
        kept = Kept.read(data)
        self._receivers = _open(kept.ports)
        ports = {name: receiver.port for name, receiver in self._receivers.items()}
        moved = {old: ports[name] for name, old in kept.ports.items() if name in ports and ports[name] != old}
        ids = {name: self._integration(name, kept.integrations.get(name), moved) for name in ROLES}
        Kept(ports, ids).write(data)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._publish, name="demo-orders", daemon=True)

    def start(self) -> None:
        """Begin to publish orders."""
        self._thread.start()

    def stop(self) -> None:
        """Publish no more; what was published can still arrive."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _integration(self, name: str, known: UUID | None, moved: Mapping[int, int]) -> UUID:
        """Find the integration of the last start, or make it; lead it to where its receiver is now."""
        found = None if known is None else self._found(known)
        if found is None:
            data = _document(ROLES[name], self._receivers[name].url)
            return integrations.create(self._services, self._tenant_id, data, by=COMMAND_LINE).id
        url = _moved(str(found.configuration.get("url", "")), moved)
        if url is not None:
            changed = {"configuration": {**found.configuration, "url": url}}
            integrations.update(self._services, self._tenant_id, found.id, changed, by=COMMAND_LINE)
        return found.id

    def _found(self, integration_id: UUID) -> Integration | None:
        try:
            return integrations.get(self._services, self._tenant_id, integration_id)
        except NotFound:
            return None

    def _publish(self) -> None:
        clock = self._services.clock
        for sample in samples(int(clock.now().timestamp()), now=clock.now):
            self._submit(sample)
            if self._stopping.wait(PAUSE_SECONDS):
                return

    def _submit(self, sample: Sample) -> None:
        event = NewEvent(sample.event_type, sample.payload)
        stored = self._publisher.submit(Publishing(self._tenant_id, (event,), None, b""))
        try:
            stored.result()
        except PostriderError as error:
            log.info("demo.not_published", event_type=sample.event_type, reason=error.detail)


def _open(ports: Mapping[str, int]) -> dict[str, Receiver]:
    healthy = Receiver(ports.get(HEALTHY, 0), answer_at_once)
    return {
        HEALTHY: healthy,
        SLOW: Receiver(ports.get(SLOW, 0), answer_slowly),
        FAILING: Receiver(ports.get(FAILING, 0), has_moved(healthy.url)),
    }


def _document(role: Role, url: str) -> dict[str, Any]:
    document = {
        "type": "integration",
        "name": role.name,
        "description": role.description,
        "enabled": True,
        "integration_type": "webhook",
        "observes": list(role.observes),
        "configuration": {"url": url, "secret_key": secrets.token_urlsafe(16)},
    }
    waits = {} if role.retry_waits is None else {"delivery": {"retry_waits": list(role.retry_waits)}}
    return document | waits


def _moved(url: str, moved: Mapping[int, int]) -> str | None:
    """Give a URL of one of our receivers with the port that it has now; None when it leads where it should."""
    for old, new in moved.items():
        before = f"http://{HOST}:{old}/"
        if url.startswith(before):
            return f"http://{HOST}:{new}/{url.removeprefix(before)}"
    return None
