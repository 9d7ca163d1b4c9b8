"""Services for tests of what people manage: a real database and real transports, a clock and a bell to look at."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from postrider.domain.event import Event
from postrider.services import Ids, Options, Services
from postrider.store import events, tenants
from postrider.store.engine import Database
from postrider.store.events import EventFilter
from postrider.store.migrate import migrate
from postrider.store.secrets import SecretBox, new_key
from postrider.store.tenants import Tenant
from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import Registry, Surroundings

START = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)
PUBLIC_URL = "https://postrider.test"


@dataclass
class MovableClock:
    """Stands still until it is moved."""

    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def move(self, **step: float) -> None:
        self.moment += timedelta(**step)


@dataclass
class HeardRing:
    """Notes what was rung."""

    fan_outs: int = 0
    delivered: list[UUID] = field(default_factory=list)

    def fan_out(self) -> None:
        self.fan_outs += 1

    def deliver(self, integration_ids: Iterable[UUID]) -> None:
        self.delivered.extend(integration_ids)

    def healthy(self) -> bool:
        return True


@contextmanager
def services_over(url: str) -> Iterator[Services]:
    """Build services over a migrated database, with tenants still to be made."""
    database = Database(url)
    clock, randomness, guard = MovableClock(), random.Random(1), Guard(["127.0.0.0/8"])
    http = HttpEngine(guard)
    try:
        yield Services(
            database=database,
            clock=clock,
            ids=Ids(clock, randomness),
            box=SecretBox([new_key()]),
            transports=Registry(Surroundings(http, guard)),
            ring=HeardRing(),
            random=randomness,
            options=Options(
                public_url=PUBLIC_URL,
                lease_margin=timedelta(seconds=20),
                retention=timedelta(days=30),
                dead_letter_retention=timedelta(days=90),
            ),
            pepper=b"pepper",
        )
    finally:
        http.stop()
        database.close()


def migrated(folder: Path) -> Path:
    """Make a migrated SQLite file, to be copied."""
    path = folder / "migrated.sqlite3"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return path


def copied(template: Path, folder: Path) -> str:
    """Copy a migrated SQLite file; gives its SQLAlchemy URL."""
    path = folder / "postrider.sqlite3"
    shutil.copy(template, path)
    return f"sqlite:///{path}"


def new_tenant(services: Services) -> UUID:
    """Store a tenant."""
    tenant = Tenant(services.ids.new(), "Shop", "org-1", services.clock.now())
    with services.database.write() as tx:
        tenants.add(tx, tenant)
    return tenant.id


def published(services: Services, tenant_id: UUID) -> list[Event]:
    """List the tenant's events, oldest first."""
    with services.database.read() as tx:
        return events.page(tx, tenant_id, EventFilter(), before=None, limit=100)[::-1]
