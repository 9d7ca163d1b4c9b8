"""The only place that joins the parts."""

from __future__ import annotations

import gc
import logging
import os
import random
import secrets
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import TextIO, cast
from uuid import UUID

import structlog

from postrider.bell.app import Bell, make_app
from postrider.bell.depths import QueueDepths
from postrider.bell.hear import bind
from postrider.bell.ringer import Ringer
from postrider.control import rotation
from postrider.domain.errors import NotReadyToStart, Unavailable
from postrider.domain.ports import Clock
from postrider.pipeline.dispatch import Dispatcher
from postrider.pipeline.fan_out import FanOut
from postrider.pipeline.presence import Presence
from postrider.pipeline.publish import Publisher
from postrider.pipeline.sweep import Sweep
from postrider.services import Ids, Knob, Options, Services
from postrider.settings import Settings
from postrider.store import bells, tenants
from postrider.store.clock import DatabaseClock, SystemClock
from postrider.store.engine import Database
from postrider.store.migrate import is_current
from postrider.store.processes import Process, ProcessKind
from postrider.store.secrets import SecretBox
from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import Registry, Surroundings

RING_AGAIN_AFTER = timedelta(seconds=5)
STOP_MARGIN_SECONDS = 5.0
LONGEST_TIMEOUT_SECONDS = 60.0
PEPPER = "pepper"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A process's parts, and how to end them."""

    services: Services
    settings: Settings
    bell: Bell
    http: HttpEngine
    ringer: Ringer

    def publisher(self) -> Publisher:
        """Make and start the publisher of a web process."""
        publisher = Publisher(self.services)
        publisher.start()
        return publisher

    def presence(self, kind: ProcessKind, in_flight: Callable[[], int] = lambda: 0) -> Presence:
        """Make what tells others that this process is there; the caller starts and stops it."""
        now = self.services.clock.now()
        process = Process(
            id=self.services.ids.new(),
            kind=kind,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=version("postrider"),
            started_at=now,
            seen_at=now,
            in_flight=0,
        )
        return Presence(self.services, process, in_flight=in_flight)

    def close(self) -> None:
        """End what `build` started; after the workers, whose flights need it."""
        self.ringer.stop()
        self.services.transports.close()
        self.http.stop()
        if isinstance(self.services.clock, DatabaseClock):
            self.services.clock.stop()
        self.services.database.close()


def build(settings: Settings) -> Runtime:
    """Put a process together.

    Raises NotReadyToStart when the settings are not enough or the database was not migrated, and Unavailable when it
    does not answer.
    """
    database = open_database(settings)
    if not is_current(database):
        raise NotReadyToStart("the database has not had all migrations: run `postrider migrate` first")
    box = secret_box(settings)
    clock = _clock(database)
    guard = Guard(settings.networks())
    http = HttpEngine(guard, per_host=settings.host_in_flight)
    bell = make_app(
        _required(settings.broker_url.get_secret_value(), "POSTRIDER_BROKER_URL"), prefix=settings.queue_prefix
    )
    ringer = Ringer(bell, _may_ring(database, clock))
    # Not for secrets: ids, jitter and spreading.
    randomness = random.Random()  # noqa: S311
    services = Services(
        database=database,
        clock=clock,
        ids=Ids(clock, randomness),
        box=box,
        transports=Registry(Surroundings(http, guard, settings.aws_endpoint_url)),
        ring=ringer,
        broker=QueueDepths(bell),
        random=randomness,
        options=Options(
            public_url=settings.public_url,
            lease_margin=timedelta(seconds=settings.lease_margin_seconds),
            retention=timedelta(days=settings.retention_days),
            dead_letter_retention=timedelta(days=settings.dead_letter_retention_days),
            audit_retention=timedelta(days=settings.audit_days),
            broker_kind=settings.broker_kind(),
            knobs=tuple(Knob(*one) for one in settings.shown()),
        ),
        pepper=_pepper(database, box),
    )
    ringer.start()
    return Runtime(services, settings, bell, http, ringer)


def open_database(settings: Settings) -> Database:
    """Reach the configured database."""
    url = _required(settings.database_url.get_secret_value(), "POSTRIDER_DATABASE_URL")
    try:
        return Database(url, pool_size=settings.database_pool)
    except ValueError as error:
        raise NotReadyToStart(f"POSTRIDER_DATABASE_URL: {error}") from None


def secret_box(settings: Settings) -> SecretBox:
    """Open the box for stored secrets with the configured keys."""
    keys = [key.get_secret_value() for key in settings.secret_keys]
    try:
        return SecretBox(keys)
    except ValueError as error:
        raise NotReadyToStart(
            f"POSTRIDER_SECRET_KEYS: {error}; make one with `openssl rand -base64 32 | tr '+/' '-_'`"
        ) from None


def rotate_keys(settings: Settings, *, tell: Callable[[str], None]) -> rotation.Rotation:
    """Write every stored secret anew under the first key, beside whatever runs. Raises as `build` does."""
    box, database = secret_box(settings), open_database(settings)
    try:
        if not is_current(database):
            raise NotReadyToStart("the database has not had all migrations: run `postrider migrate` first")
        return rotation.rotate(database, box, tell=tell)
    finally:
        database.close()


def _required(value: str, name: str) -> str:
    if not value:
        raise NotReadyToStart(f"{name} is not set")
    return value


def _clock(database: Database) -> Clock:
    if database.is_sqlite:
        return SystemClock()
    clock = DatabaseClock(database)
    clock.start()
    return clock


def _may_ring(database: Database, clock: Clock) -> Callable[[Iterable[str]], list[str]]:
    def may_ring(names: Iterable[str]) -> list[str]:
        with database.write_lightly() as tx:
            return bells.any_tenant_ring(tx, names, now=clock.now(), again_after=RING_AGAIN_AFTER)

    return may_ring


def _pepper(database: Database, box: SecretBox) -> bytes:
    with database.write() as tx:
        if tenants.installation_secret(tx, PEPPER) is None:
            tenants.keep_installation_secret(tx, PEPPER, box.lock({PEPPER: secrets.token_hex(32)}))
        locked = tenants.installation_secret(tx, PEPPER)
    if locked is None:
        raise Unavailable("the database did not keep the installation's key")
    return bytes.fromhex(box.open(locked)[PEPPER])


class Worker:
    """The threads of a worker process: fan-out, dispatcher and sweep."""

    def __init__(self, runtime: Runtime) -> None:
        services, settings = runtime.services, runtime.settings
        self._dispatcher = Dispatcher(services, threads=settings.drain_threads, in_flight=settings.in_flight)
        self._fan_out = FanOut(services, self._dispatcher.wake)
        self._sweep = Sweep(
            services,
            wake=self._dispatcher.wake,
            fan_out=self._fan_out.poke,
            every=timedelta(seconds=settings.sweep_seconds),
        )
        self._presence = runtime.presence(ProcessKind.WORKER, self._dispatcher.in_flight)

    def start(self) -> None:
        """Begin to work; what waited from before is found at once."""
        _collect_garbage_rarely()
        self._dispatcher.start()
        self._fan_out.start()
        self._fan_out.poke()
        self._sweep.start()
        self._presence.start()

    def stop(self) -> bool:
        """End cleanly: no new claims, what is in flight ends, the rest is given back. False when it had to be left."""
        # First, because the others may have a batch in hand, and a database that takes its time.
        self._dispatcher.claim_no_more()
        self._fan_out.stop()
        self._sweep.stop()
        clean = self._dispatcher.stop(LONGEST_TIMEOUT_SECONDS + STOP_MARGIN_SECONDS)
        # Last: until here it is seen how many attempts still end.
        self._presence.stop()
        return clean

    def listen(self, bell: Bell) -> None:
        """Hear the rings of a bell."""
        bind(bell, fan_out=self._fan_out.poke, deliver=self._heard)

    def _heard(self, integration_ids: Iterable[str]) -> None:
        self._dispatcher.wake(UUID(text) for text in integration_ids)

    def in_flight(self) -> int:
        """Tell how many attempts are under way."""
        return self._dispatcher.in_flight()


def _collect_garbage_rarely() -> None:
    """Spare the collector what lives as long as the process, and let it look for circles less often.

    Messages leave no circles behind; at the default thresholds looking for them took a fifth of a busy worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class _Unbreakable:
    """A stream whose reader may go away: work must not end because nobody reads its log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def configure_logs(settings: Settings, *, least: int = logging.INFO) -> None:
    """Write one structured line for each thing that happened to standard error; libraries' warnings too.

    What matters less than `least`, one of `logging`'s levels, is left out.
    """
    last = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unbreakable(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
