"""Where a scenario plays: a fresh database, the processes of Postrider, and the endpoint that they deliver to."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx
from pydantic import SecretStr

from postrider.control import integrations as integration_control
from postrider.control import keys, tenants
from postrider.domain.access import TENANT_PERMISSIONS
from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline.fan_out import fan_out_round
from postrider.pipeline.publish import NewEvent, Publishing, store_group
from postrider.runtime import LONGEST_TIMEOUT_SECONDS, Runtime, build, open_database
from postrider.services import Services
from postrider.settings import Settings
from postrider.store import deliveries, scratch
from postrider.store.deliveries import DeliveryFilter
from postrider.store.migrate import migrate
from postrider.store.secrets import new_key

from . import load
from .child import BenchFailed, Child, Usage
from .endpoint import Endpoint
from .figures import Audit, Price, audit, price

LOOPBACK = "127.0.0.0/8"
GROUP = 1_000
_LAST = UUID(int=2**128 - 1)
_UNDER_WAY = (DeliveryStatus.PENDING, DeliveryStatus.SENDING)


@dataclass(slots=True)
class Stage:
    """One scenario's own Postrider."""

    embedded: bool
    services: Services
    endpoint: Endpoint
    tenant_id: UUID
    api_key: str
    say: Callable[[str], None]
    _environment: dict[str, str]
    _folder: Path
    _stack: ExitStack
    _processes: dict[str, list[Child]] = field(default_factory=dict)
    _integration_id: UUID | None = None

    # -- what is to be delivered -------------------------------------------------------------------------------------

    def integrate(self) -> None:
        """Create the integration that everything is delivered to."""
        made = integration_control.create(self.services, self.tenant_id, load.integration_data(self.endpoint.url))
        self._integration_id = made.id

    def fill(self, events: int) -> None:
        """Store events and fan them out, as the web and the worker do, while neither runs."""
        for start in range(0, events, GROUP):
            numbers = range(start, min(start + GROUP, events))
            new = tuple(NewEvent(load.EVENT_TYPE, load.payload(number)) for number in numbers)
            store_group(self.services, [Publishing(self.tenant_id, new, None, b"")])
        while fan_out_round(self.services) is not None:
            self.say(f"{self._count():,} of {events:,} deliveries stored")

    # -- the processes -----------------------------------------------------------------------------------------------

    def start_workers(self, count: int) -> None:
        """Start what delivers: worker processes, or embedded the one process that does everything."""
        if self.embedded:
            self.start_web()
            return
        for _ in range(count):
            self._start("worker", ["worker"])

    def start_web(self) -> str:
        """Start what takes events over HTTP; give its URL once it is ready."""
        port = _free_port()
        if self.embedded:
            child = self._start("up", ["up", "--port", str(port), "--data-dir", str(self._folder)])
        else:
            child = self._start("web", ["web", "--host", "127.0.0.1", "--port", str(port)])
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, child)
        return url

    def check(self) -> None:
        """Raise BenchFailed when a process has ended by itself."""
        for child in self._all():
            child.check()

    def usage(self) -> dict[str, list[Usage]]:
        """Ask every process what it has used so far."""
        return {kind: [child.usage() for child in children] for kind, children in self._processes.items()}

    def prices(self, before: dict[str, list[Usage]], *, deliveries_made: int) -> dict[str, Price]:
        """Tell what each kind of process used since `before`."""
        after = self.usage()
        return {kind: price(before[kind], after[kind], deliveries=deliveries_made) for kind in after}

    # -- what became of it -------------------------------------------------------------------------------------------

    def wait_until_settled(self) -> None:
        """Return once no delivery is pending or under way; BenchFailed when that takes too long."""
        give_up_at = time.monotonic() + LONGEST_TIMEOUT_SECONDS
        while left := self._count(*_UNDER_WAY):
            if time.monotonic() > give_up_at:
                raise BenchFailed(f"{left:,} deliveries were not settled in {LONGEST_TIMEOUT_SECONDS:g} s")
            self.check()
            time.sleep(0.005)

    def audit(self, events: int) -> Audit:
        """Compare what the database holds with what came."""
        came = self.endpoint.arrivals()
        made, delivered = self._ids(), self._ids(DeliveryStatus.DELIVERED)
        return audit(made, delivered, self.endpoint.ids(), requests=came.requests, events=events)

    def _count(self, *statuses: DeliveryStatus) -> int:
        with self.services.database.read() as tx:
            return deliveries.count(tx, self.tenant_id, self._filter(*statuses))

    def _ids(self, *statuses: DeliveryStatus) -> list[UUID]:
        with self.services.database.read() as tx:
            wanted = self._filter(*statuses)
            return deliveries.next_ids(tx, self.tenant_id, wanted, after=None, upto=_LAST, limit=1 << 31)

    def _filter(self, *statuses: DeliveryStatus) -> DeliveryFilter:
        return DeliveryFilter(statuses=statuses, integration_id=self._integration_id)

    def _start(self, kind: str, arguments: list[str]) -> Child:
        child = Child(f"postrider {kind}", "postrider.bench.measured", arguments, environment=self._environment)
        self._stack.enter_context(child)
        self._processes.setdefault(kind, []).append(child)
        self.say(f"started postrider {kind}, process {child.pid}")
        return child

    def _all(self) -> list[Child]:
        return [child for children in self._processes.values() for child in children]


@contextmanager
def open_stage(given: Settings, endpoint: Endpoint, *, say: Callable[[str], None]) -> Iterator[Stage]:
    """Set a stage up, and take it away at the end: no process, database or file is left."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="postrider-bench-")))
        settings = _settings(given, _database_url(given, folder, stack))
        runtime = _runtime(settings)
        stack.callback(runtime.close)
        tenant = tenants.create_tenant(runtime.services, name="bench")
        key = keys.create_key(runtime.services, tenant.id, name="bench", permissions=TENANT_PERMISSIONS)
        # Entered after all that the processes use, so that they end before it.
        processes = stack.enter_context(ExitStack())
        yield Stage(
            embedded=not is_distributed(given),
            services=runtime.services,
            endpoint=endpoint,
            tenant_id=tenant.id,
            api_key=key.secret,
            say=say,
            _environment=_environment(settings, key.secret),
            _folder=folder,
            _stack=processes,
        )


def is_distributed(given: Settings) -> bool:
    """Tell which mode the settings ask for; BenchFailed when they are half of one."""
    database, broker = given.database_url.get_secret_value(), given.broker_url.get_secret_value()
    if bool(database) != bool(broker):
        raise BenchFailed(
            "set both POSTRIDER_DATABASE_URL and POSTRIDER_BROKER_URL to measure that database and that broker, "
            "or neither to measure the embedded mode"
        )
    if database and not scratch.is_postgresql(database):
        raise BenchFailed("POSTRIDER_DATABASE_URL is not one of PostgreSQL; leave it out to measure SQLite")
    return bool(database)


def _database_url(given: Settings, folder: Path, stack: ExitStack) -> str:
    if not is_distributed(given):
        return f"sqlite:///{folder / 'postrider.db'}"
    url = given.database_url.get_secret_value()
    made = scratch.create(url)
    stack.callback(scratch.drop, url, scratch_url=made)
    return made


def _settings(given: Settings, database_url: str) -> Settings:
    changes = {
        "database_url": SecretStr(database_url),
        "broker_url": SecretStr(given.broker_url.get_secret_value() or "memory://localhost"),
        "secret_keys": (SecretStr(new_key()),),
        "allowed_networks": (LOOPBACK,),
    }
    return given.model_copy(update=changes)


def _runtime(settings: Settings) -> Runtime:
    """Put this process's parts together; it rings nobody, so that a backlog waits for its worker."""
    database = open_database(settings)
    migrate(database)
    database.close()
    return build(settings.model_copy(update={"broker_url": SecretStr("memory://localhost")}))


def _environment(settings: Settings, api_key: str) -> dict[str, str]:
    """Let the processes have the user's own settings, apart from what must be the stage's."""
    return {
        **os.environ,
        "POSTRIDER_DATABASE_URL": settings.database_url.get_secret_value(),
        "POSTRIDER_BROKER_URL": settings.broker_url.get_secret_value(),
        "POSTRIDER_SECRET_KEYS": settings.secret_keys[0].get_secret_value(),
        "POSTRIDER_ALLOWED_NETWORKS": LOOPBACK,
        "POSTRIDER_API_KEY": api_key,
        # Its rings must not reach the workers of whoever uses the same broker.
        "POSTRIDER_QUEUE_PREFIX": f"postrider_bench_{secrets.token_hex(6)}",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(url: str, child: Child, *, seconds: float = 60.0) -> None:
    give_up_at = time.monotonic() + seconds
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < give_up_at:
            child.check()
            try:
                if client.get(f"{url}/readyz").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
    raise BenchFailed(f"{child.name} was not ready in {seconds:g} s")
