"""Where a scenario plays: a fresh database, the processes of Postrider, and the endpoint that they deliver to."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
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
from .database_server import DatabaseServer, find_server
from .endpoint import Endpoint, FarSide
from .figures import Audit, Price, audit, price
from .http_child import free_port, wait_until_ready
from .measured import POSTRIDER

LOOPBACK = "127.0.0.0/8"
GROUP = 1_000
WARM_UP = 100
"""Events that are not measured: they open connections and fill caches."""
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
    _server: DatabaseServer | None
    _processes: dict[str, list[Child]] = field(default_factory=dict)

    # -- what is to be delivered -------------------------------------------------------------------------------------

    def integrate(self, data: Mapping[str, object] | None = None) -> UUID:
        """Create an integration: the one described, or one that the endpoint gets everything of."""
        wanted = load.integration_data(self.endpoint.url) if data is None else data
        return integration_control.create(self.services, self.tenant_id, wanted).id

    def store(self, events: int) -> None:
        """Store events as the web does, while no worker runs."""
        for start in range(0, events, GROUP):
            numbers = range(start, min(start + GROUP, events))
            new = tuple(NewEvent(load.EVENT_TYPE, load.payload(number)) for number in numbers)
            store_group(self.services, [Publishing(self.tenant_id, new, None, b"")])

    def fill(self, events: int) -> None:
        """Store events and fan them out as the worker does, while none runs."""
        self.store(events)
        while fan_out_round(self.services) is not None:
            self.say(f"{self._count(None):,} of {events:,} deliveries stored")

    # -- the processes -----------------------------------------------------------------------------------------------

    def give(self, setting: str, value: str) -> None:
        """Let the processes that are started from now on have a setting."""
        self._environment[setting] = value

    def start(self, workers: int) -> str:
        """Start what takes events over HTTP and what delivers them; give the URL."""
        url = self.start_web()
        if not self.embedded:
            self.start_workers(workers)
        return url

    def start_workers(self, count: int) -> None:
        """Start what delivers: worker processes, or embedded the one process that does everything."""
        if self.embedded:
            self.start_web()
            return
        for _ in range(count):
            self._start("worker", ["worker"])

    def start_web(self) -> str:
        """Start what takes events over HTTP; give its URL once it is ready."""
        port = free_port()
        if self.embedded:
            child = self._start("up", ["up", "--port", str(port), "--data-dir", str(self._folder)])
        else:
            child = self._start("web", ["web", "--host", "127.0.0.1", "--port", str(port)])
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(child, f"{url}/readyz")
        return url

    def warm_up(self, url: str) -> None:
        """Publish a list of events and wait until the endpoint has them all."""
        body = load.publish_request(range(WARM_UP), sent_ns=0)
        answer = httpx.post(f"{url}/v2/events", content=body, headers=self.headers(), trust_env=False, timeout=30)
        if answer.status_code != httpx.codes.ACCEPTED:
            raise BenchFailed(f"publishing was answered {answer.status_code}: {answer.text[:300]}")
        self.endpoint.wait_for(WARM_UP, look=lambda _: self.check())

    def headers(self) -> dict[str, str]:
        """Give what a request to the web must carry."""
        return {"authorization": f"Bearer {self.api_key}", "content-type": "application/json"}

    def check(self) -> None:
        """Raise BenchFailed when a process has ended by itself."""
        for child in self._all():
            child.check()

    def usage(self) -> dict[str, list[Usage]]:
        """Ask every process, and the database where it runs beside us, what it has used so far."""
        used = {kind: [child.usage() for child in children] for kind, children in self._processes.items()}
        return used if self._server is None else {**used, "database": [self._server.usage()]}

    def prices(self, before: dict[str, list[Usage]], *, deliveries_made: int) -> dict[str, Price]:
        """Tell what each kind of process used since `before`."""
        after = self.usage()
        return {kind: price(before[kind], after[kind], deliveries=deliveries_made) for kind in after}

    # -- what became of it -------------------------------------------------------------------------------------------

    def wait_until_settled(self, integration_id: UUID | None = None) -> None:
        """Return once no delivery, of one integration or of all, is pending or under way.

        BenchFailed when that takes too long.
        """
        give_up_at = time.monotonic() + LONGEST_TIMEOUT_SECONDS
        while left := self._count(integration_id, *_UNDER_WAY):
            if time.monotonic() > give_up_at:
                raise BenchFailed(f"{left:,} deliveries were not settled in {LONGEST_TIMEOUT_SECONDS:g} s")
            self.check()
            time.sleep(0.005)

    def audit(
        self, events: int, *, copies: int = 1, to: FarSide | None = None, integration_id: UUID | None = None
    ) -> Audit:
        """Compare what the database holds, for one integration or for all, with what came to a far side.

        The far side is the endpoint if none is named; each event was to go out in so many `copies`.
        """
        far_side = to or self.endpoint
        made, delivered = self._ids(integration_id), self._ids(integration_id, DeliveryStatus.DELIVERED)
        requests = far_side.arrivals().requests
        return audit(made, delivered, far_side.ids(), requests=requests, events=events, copies=copies)

    def _count(self, integration_id: UUID | None, *statuses: DeliveryStatus) -> int:
        with self.services.database.read() as tx:
            return deliveries.count(tx, self.tenant_id, DeliveryFilter(statuses, integration_id))

    def _ids(self, integration_id: UUID | None, *statuses: DeliveryStatus) -> list[UUID]:
        with self.services.database.read() as tx:
            wanted = DeliveryFilter(statuses, integration_id)
            return deliveries.next_ids(tx, self.tenant_id, wanted, after=None, upto=_LAST, limit=1 << 31)

    def _start(self, kind: str, arguments: list[str]) -> Child:
        arguments = [POSTRIDER, *arguments]
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
            _server=find_server(runtime.services.database),
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
