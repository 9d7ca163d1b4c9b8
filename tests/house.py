"""A whole Postrider in the test's own process, with a clock that can be moved."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from typing import Any
from uuid import UUID

from servers.process import wait_until

from postrider.control import integrations as integration_control
from postrider.control import tenants as tenant_control
from postrider.domain.delivery import Attempt, Delivery
from postrider.domain.integration import Integration
from postrider.pipeline.dispatch import Dispatcher
from postrider.pipeline.fan_out import fan_out_round
from postrider.pipeline.publish import NewEvent, Published, Publishing, store_group
from postrider.services import Ids, Options, Services
from postrider.store import deliveries, integrations
from postrider.store.deliveries import DeliveryFilter
from postrider.store.engine import Database
from postrider.store.secrets import SecretBox, new_key
from postrider.store.tenants import Tenant
from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import Registry, Surroundings

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LOOPBACK = ("127.0.0.0/8", "::1/128")
ORDER = b'{"data":{"type":"order","id":"1","total":1.10}}'


class MovableClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def move(self, **by: float) -> None:
        """Go on by so much, in the words of `timedelta`."""
        self._now += timedelta(**by)


@dataclass
class RecordingRing:
    """Notes what is rung; the house looks for work itself."""

    fan_outs: int = 0
    rung: list[UUID] = field(default_factory=list)

    def fan_out(self) -> None:
        self.fan_outs += 1

    def deliver(self, integration_ids: Iterable[UUID]) -> None:
        self.rung += integration_ids

    def healthy(self) -> bool:
        return True


@dataclass
class QuietBroker:
    """Tells what it was told to tell: the house has no queues."""

    waiting: dict[str, int] | None = field(default_factory=dict)

    def depths(self, *, timeout_seconds: float) -> dict[str, int] | None:  # noqa: ARG002 - it answers at once
        return self.waiting


class House:
    """Services over a real database and the real transports, driven step by step."""

    def __init__(self, services: Services, clock: MovableClock, ring: RecordingRing) -> None:
        self.services, self.clock, self.ring = services, clock, ring
        self.tenant: Tenant = tenant_control.create_tenant(services, name="shop")
        self._dispatchers: list[Dispatcher] = []
        self.dispatcher = self.another_dispatcher()

    def another_dispatcher(self) -> Dispatcher:
        """Start what a further worker process would run."""
        dispatcher = Dispatcher(self.services, threads=2, in_flight=500)
        dispatcher.start()
        self._dispatchers.append(dispatcher)
        return dispatcher

    def integrate(self, url: str, *observes: str, **changes: Any) -> Integration:
        """Create an enabled webhook integration."""
        data = {
            "type": "integration",
            "name": "hook",
            "enabled": True,
            "integration_type": "webhook",
            "observes": list(observes) or ["order.paid"],
            "configuration": {"url": url, "secret_key": "s3cret-key"},
        }
        return integration_control.create(self.services, self.tenant.id, {**data, **changes})

    def change(self, integration: Integration, **data: Any) -> Integration:
        """Update an integration as the API does."""
        return integration_control.update(
            self.services, self.tenant.id, integration.id, {"type": "integration", **data}
        )

    def publish(self, *event_types: str, payload: bytes = ORDER, tenant: Tenant | None = None) -> tuple[Published, ...]:
        """Publish one event of each type, in one request."""
        publishing = Publishing(
            tenant_id=(tenant or self.tenant).id,
            events=tuple(NewEvent(name, payload) for name in event_types or ("order.paid",)),
            idempotency_key=None,
            body_hash=b"",
        )
        (answer,) = store_group(self.services, [publishing])
        assert isinstance(answer, tuple)
        return answer

    def fan_out(self) -> None:
        """Fan out until nothing waits."""
        while fan_out_round(self.services) is not None:
            pass

    def deliver(self) -> None:
        """Deliver what is due now, until every drain is at rest."""
        self.dispatcher.wake(self.due())
        wait_until(self.dispatcher.idle, "the dispatcher is idle", seconds=30)

    def run_until_idle(self) -> None:
        """Do all the work that there is at this moment of the clock."""
        self.fan_out()
        while self.due():
            self.deliver()
            self.fan_out()

    def due(self) -> list[UUID]:
        """List the integrations that have something due."""
        with self.services.database.read() as tx:
            return integrations.any_tenant_walk(tx, after=None, limit=100_000, now=self.clock.now())[1]

    def deliveries(self, **wanted: Any) -> list[Delivery]:
        """List deliveries, oldest first."""
        with self.services.database.read() as tx:
            page = deliveries.page(tx, self.tenant.id, DeliveryFilter(**wanted), before=None, limit=100_000)
        return page[::-1]

    def only_delivery(self) -> Delivery:
        """Give the delivery when there is just one."""
        (only,) = self.deliveries()
        return only

    def attempts(self, delivery: Delivery) -> Sequence[Attempt]:
        """List a delivery's attempts."""
        with self.services.database.read() as tx:
            return deliveries.attempts_of(tx, self.tenant.id, delivery.id)

    def close(self) -> None:
        """Stop the dispatchers."""
        for dispatcher in self._dispatchers:
            dispatcher.stop(20)


@contextmanager
def build_house(
    database: Database, *, aws_endpoint_url: str | None = None, transports: Iterable[EntryPoint] | None = None
) -> Iterator[House]:
    """Build a house in a migrated database, with all transports that are installed or with these."""
    clock, ring = MovableClock(), RecordingRing()
    randomness = random.Random(1)
    guard = Guard(LOOPBACK)
    http = HttpEngine(guard)
    services = Services(
        database=database,
        clock=clock,
        ids=Ids(clock, randomness),
        box=SecretBox([new_key()]),
        transports=Registry(Surroundings(http, guard, aws_endpoint_url), transports),
        ring=ring,
        broker=QuietBroker(),
        random=randomness,
        options=Options("https://postrider.test", timedelta(seconds=20), timedelta(days=30), timedelta(days=90)),
        pepper=b"pepper" * 6,
    )
    house = House(services, clock, ring)
    try:
        yield house
    finally:
        house.close()
        services.transports.close()
        http.stop()
