"""From events to deliveries: one row for each integration that observes an event."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.domain.errors import PostriderError
from postrider.domain.observe import observes, patterns_for
from postrider.services import Services
from postrider.store import bells, deliveries, events, integrations
from postrider.store.engine import Transaction
from postrider.store.events import Waiting
from postrider.store.integrations import Observer

DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much one transaction of fan-out takes on."""

    events: int = 500
    rows: int = 5_000
    """How many deliveries it may make; an event with more integrations takes several."""


LIMITS = BatchLimits()
REST_SECONDS = 5.0
PACE_SECONDS = 0.01
"""From the beginning of one round to that of the next."""
SHARED_FROM = 20
"""For so many new deliveries of an integration other processes are rung too."""

log = structlog.get_logger()


class Resting:
    """The tenants whose events could not be fanned out just now: each is let alone for a while, then tried again."""

    def __init__(self, seconds: float = REST_SECONDS) -> None:
        self._seconds = seconds
        self._until: dict[UUID, float] = {}

    def add(self, tenant_id: UUID) -> None:
        """Let a tenant alone from now on."""
        self._until[tenant_id] = time.monotonic() + self._seconds

    def has(self, tenant_id: UUID) -> bool:
        """Tell whether a tenant is still to be let alone."""
        if self._until.get(tenant_id, 0) > time.monotonic():
            return True
        self._until.pop(tenant_id, None)
        return False


class FanOut:
    """A thread that fans out when it is poked, tenant after tenant, until nothing waits."""

    def __init__(self, services: Services, wake: Callable[[list[UUID]], None]) -> None:
        """`wake` gets the integrations that have new deliveries, before other processes are rung for them."""
        self._services, self._wake = services, wake
        self._poked = threading.Event()
        self._resting = Resting()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="fan-out", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End after the batch in hand."""
        self._stopping = True
        self._poked.set()
        if self._thread.is_alive():
            self._thread.join()

    def poke(self) -> None:
        """Have a look soon; never blocks."""
        self._poked.set()

    def _run(self) -> None:
        while True:
            self._poked.wait()
            self._poked.clear()
            if self._stopping:
                return
            try:
                self._turn()
            except PostriderError as error:
                log.warning("fan_out.failed", detail=error.detail)
            except Exception:
                log.exception("fan_out.failed")

    def _turn(self) -> None:
        """Fan out until nothing waits.

        While events keep coming nobody needs to ring, so the bell is cleared last; then comes one more look, for what
        was stored before that and rang nobody.
        """
        cleared = False
        while not self._stopping:
            began = time.monotonic()
            if fan_out_round(self._services, resting=self._resting, tell=self._tell) is not None:
                cleared = False
                # What comes within moments goes together: a round costs as much as many events.
                time.sleep(max(began + PACE_SECONDS - time.monotonic(), 0))
            elif cleared:
                return
            else:
                with self._services.database.write_lightly() as tx:
                    bells.any_tenant_unring(tx, bells.FAN_OUT)
                cleared = True

    def _tell(self, new: Mapping[UUID, int]) -> None:
        self._wake(list(new))
        # A ring costs more than a few deliveries, which arrive sooner when this process brings them by itself.
        self._services.ring.deliver([integration_id for integration_id, count in new.items() if count >= SHARED_FROM])


def _tell_nobody(_: Mapping[UUID, int]) -> None:
    pass


def fan_out_round(
    services: Services,
    limits: BatchLimits = LIMITS,
    *,
    resting: Resting | None = None,
    tell: Callable[[Mapping[UUID, int]], None] = _tell_nobody,
) -> list[UUID] | None:
    """Fan out one batch of every tenant that has events waiting; None when none had.

    Tenants take turns, so that one tenant's flood does not hold up another's event; nor does its trouble: that is
    logged, and it rests. Gives the integrations that have something to deliver now; `tell` hears after each tenant's
    batch how many deliveries they got.
    """
    resting = resting or Resting()
    woken: dict[UUID, None] = {}
    tenant_id: UUID | None = None
    found = False
    while (tenant_id := _next_tenant(services, tenant_id)) is not None:
        if resting.has(tenant_id):
            continue
        try:
            batch = fan_out_tenant(services, tenant_id, limits)
        except PostriderError:
            # The database is away: for the other tenants too.
            raise
        except Exception:
            log.exception("fan_out.tenant_failed", tenant_id=str(tenant_id))
            resting.add(tenant_id)
            continue
        found = found or batch.events > 0
        if batch.new:
            tell(batch.new)
        woken |= dict.fromkeys(batch.new)
    return list(woken) if found else None


def _next_tenant(services: Services, after: UUID | None) -> UUID | None:
    with services.database.read() as tx:
        return events.any_tenant_next_waiting(tx, after=after)


@dataclass(slots=True)
class Batch:
    """What one transaction of fan-out makes."""

    tenant_id: UUID
    limits: BatchLimits
    now: datetime
    events: int = 0
    rows: list[Delivery] = field(default_factory=list)
    done: list[UUID] = field(default_factory=list)
    published: int = 0
    """How many of them had not been fanned out before."""
    new: Counter[UUID] = field(default_factory=Counter)
    """How many of the rows may be delivered now, by integration."""


def fan_out_tenant(services: Services, tenant_id: UUID, limits: BatchLimits = LIMITS) -> Batch:
    """Fan out a tenant's oldest waiting events, in the order of publishing, as many as a batch holds."""
    now = services.clock.now()
    batch = Batch(tenant_id, limits, now)
    with services.database.write() as tx:
        waiting = events.take_waiting(tx, tenant_id, limit=limits.events)
        observers = _Observers(tx, tenant_id, limits.rows, now)
        for event in waiting:
            if not _add(services, batch, tx, event, observers.of(event)):
                break
        deliveries.add(tx, tenant_id, batch.rows, now=now, published=batch.published)
        if batch.done:
            events.mark_fanned_out(tx, tenant_id, batch.done, now=now)
    if batch.rows:
        log.info("events.fanned_out", tenant_id=str(tenant_id), events=len(batch.done), deliveries=len(batch.rows))
    return batch


@dataclass(frozen=True, slots=True)
class _Page:
    """Some of the integrations that observe an event."""

    observers: list[Observer]
    goes_on_after: UUID | None
    """There may be more behind this one; None: these were all."""


class _Observers:
    """The integrations that observe an event type, read once a batch."""

    def __init__(self, tx: Transaction, tenant_id: UUID, rows: int, now: datetime) -> None:
        self._tx, self._tenant_id, self._rows, self._now = tx, tenant_id, rows, now
        self._known: dict[tuple[str, UUID | None], _Page] = {}

    def of(self, event: Waiting) -> _Page:
        """Give up to a batch's rows, behind the event's mark."""
        if event.target_id is not None:
            only = integrations.observer(self._tx, self._tenant_id, event.target_id, now=self._now)
            return _Page([] if only is None else [only], None)
        key = (event.event_type, event.after)
        if key not in self._known:
            self._known[key] = self._read(*key)
        return self._known[key]

    def _read(self, event_type: str, after: UUID | None) -> _Page:
        found = integrations.observers(
            self._tx, self._tenant_id, patterns_for(event_type), after=after, limit=self._rows, now=self._now
        )
        chosen = [one for one in found if observes(one.observes, event_type)]
        return _Page(chosen, found[-1].id if len(found) == self._rows else None)


def _add(services: Services, batch: Batch, tx: Transaction, event: Waiting, page: _Page) -> bool:
    """Add an event's deliveries to the batch; False when the batch is full."""
    # What an integration observes begins with its making; a test or a resend names its integration itself.
    chosen = [one for one in page.observers if one.created_at <= event.published_at or event.target_id is not None]
    if batch.rows and len(batch.rows) + len(chosen) > batch.limits.rows:
        return False
    batch.events += 1
    for one, delivery_id in zip(chosen, services.ids.many(len(chosen)), strict=True):
        batch.rows.append(_delivery(delivery_id, batch.tenant_id, event, one, batch.now))
        if one.enabled and not one.parked:
            batch.new[one.id] += 1
    if page.goes_on_after is not None:
        events.mark_fanned_out_upto(tx, batch.tenant_id, event.id, integration_id=page.goes_on_after)
        return False
    batch.done.append(event.id)
    batch.published += not event.replayed
    return True


def _delivery(delivery_id: UUID, tenant_id: UUID, event: Waiting, observer: Observer, now: datetime) -> Delivery:
    return Delivery(
        id=delivery_id,
        tenant_id=tenant_id,
        event_id=event.id,
        integration_id=observer.id,
        event_type=event.event_type,
        status=DeliveryStatus.PENDING if observer.enabled else DeliveryStatus.SKIPPED,
        due_at=now if observer.enabled else None,
        attempt=0,
        round_start=0,
        lost=0,
        reason="" if observer.enabled else DISABLED,
        error="",
        created_at=now,
        updated_at=now,
    )
