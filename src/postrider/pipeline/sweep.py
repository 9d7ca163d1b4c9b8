"""What rings and workers forgot: due work, lost leases, un-fanned events, old rows and the steps of stored jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from postrider.domain.errors import PostriderError
from postrider.services import Services
from postrider.store import (
    audit_log,
    bells,
    deliveries,
    events,
    folding,
    forgotten,
    idempotency,
    integrations,
    jobs,
    losses,
    processes,
)
from postrider.store.forgotten import Forgotten

from .redrive import PLANNED_AHEAD, step_jobs

WALK_PAGE = 1_000
WALK_SECONDS = 0.1
"""How long one turn may walk the integrations; the next goes on where it ended."""
EXPIRE_LIMIT = 500
FORGET_LIMIT = 1_000
FORGET_SECONDS = 60.0
FOLD_LIMIT = 1_000
FOLD_ROUNDS = 10
FOLD_SECONDS = 5.0
"""From one folding to the next: sums of some seconds cost little more than those of one, and drains wait less."""
PROCESS_KEPT = timedelta(days=1)
"""How long a process that ended without a word is told of."""
LEASE = "sweep"
LEASE_TURNS = 3
"""A sweeper that is not heard of for so many turns, and seconds, is followed by another."""
RENEW_TURNS = 1.5
"""A lease that ends within so many turns is renewed: not each second, because each time is a write."""

log = structlog.get_logger()


class Sweep:
    """A thread in every worker; one at a time sweeps, by a leased row."""

    def __init__(
        self,
        services: Services,
        *,
        wake: Callable[[list[UUID]], None],
        fan_out: Callable[[], None],
        every: timedelta,
    ) -> None:
        """`wake` and `fan_out` set this process to work at once; other workers are rung."""
        self._services, self._wake, self._fan_out = services, wake, fan_out
        self._every = every
        self._holder = services.ids.new()
        self._leased_until: datetime | None = None
        self._cursor: UUID | None = None
        self._forget_at = 0.0
        self._fold_at = 0.0
        self._past_term = PastTerm()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def start(self) -> None:
        """Begin to sweep."""
        self._thread.start()

    def stop(self) -> None:
        """End after the turn in hand, and let another worker sweep at once."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            with self._services.database.write_lightly() as tx:
                bells.any_tenant_drop_lease(tx, LEASE, holder=self._holder)
        except PostriderError as error:
            log.warning("sweep.lease_not_dropped", detail=error.detail)

    def _run(self) -> None:
        while not self._stopping.wait(self._every.total_seconds()):
            try:
                self.turn()
            except PostriderError as error:
                log.warning("sweep.interrupted", detail=error.detail)
            except Exception:
                log.exception("sweep.failed")

    def turn(self) -> None:
        """Sweep once, unless another worker is at it."""
        now = self._services.clock.now()
        if not self._has_lease(now):
            return
        with self._services.database.read() as tx:
            found = forgotten.any_tenant_look(tx, now=now, jobs_before=now + PLANNED_AHEAD)
        for duty in self._duties(found):
            self._do(duty)

    def _has_lease(self, now: datetime) -> bool:
        turn = max(self._every, timedelta(seconds=1))
        if self._leased_until is not None and now < self._leased_until - turn * RENEW_TURNS:
            return True
        until = now + turn * LEASE_TURNS
        with self._services.database.write_lightly() as tx:
            taken = bells.any_tenant_take_lease(tx, LEASE, holder=self._holder, now=now, until=until)
        self._leased_until = until if taken else None
        return taken

    def _duties(self, found: Forgotten) -> list[Callable[[], None]]:
        """Give what there is to do, in its order: what was taken back is due, and found by the walk."""
        return [
            *([self._take_back] if found.leases else []),
            *([self._step_jobs] if found.jobs else []),
            self._walk,
            *([self._wake_fan_out] if found.events else []),
            *([self._fold] if found.changes else []),
            self._forget,
        ]

    def _do(self, duty: Callable[[], None]) -> None:
        try:
            duty()
        except PostriderError:
            # The database is away: the others would only wait for it too.
            raise
        except Exception:
            # A row that one duty cannot do with must not keep the others from theirs, for good.
            log.exception("sweep.failed", duty=duty.__name__.removeprefix("_"))

    def _step_jobs(self) -> None:
        step_jobs(self._services)

    def _take_back(self) -> None:
        expired = take_back(self._services)
        if expired:
            log.warning("leases.expired", deliveries=expired)

    def _walk(self) -> None:
        end = time.monotonic() + WALK_SECONDS
        while True:
            with self._services.database.read() as tx:
                self._cursor, due = integrations.any_tenant_walk(
                    tx, after=self._cursor, limit=WALK_PAGE, now=self._services.clock.now()
                )
            if due:
                self._wake(due)
                self._services.ring.deliver(due)
            if self._cursor is None or time.monotonic() > end:
                return

    def _wake_fan_out(self) -> None:
        self._fan_out()

    def _fold(self) -> None:
        if time.monotonic() >= self._fold_at:
            self._fold_at = time.monotonic() + FOLD_SECONDS
            fold(self._services)

    def _forget(self) -> None:
        if time.monotonic() < self._forget_at:
            return
        if forget(self._services, self._past_term) < FORGET_LIMIT:
            self._forget_at = time.monotonic() + FORGET_SECONDS


def take_back(services: Services) -> int:
    """Take back the deliveries whose lease ran out; tells how many."""
    count = 0
    while True:
        now = services.clock.now()
        with services.database.write() as tx:
            expired = losses.any_tenant_expire(tx, services.ids.many(EXPIRE_LIMIT), now=now)
        count += len(expired)
        if len(expired) < EXPIRE_LIMIT:
            return count


def fold(services: Services) -> None:
    """Add up what has happened since the last time; what is more than a turn takes waits for the next."""
    for _ in range(FOLD_ROUNDS):
        with services.database.write() as tx:
            folded = folding.any_tenant_fold(tx, limit=FOLD_LIMIT)
        if folded < FOLD_LIMIT:
            return


@dataclass(slots=True)
class PastTerm:
    """How far the walk over the events past their term has come; it begins anew at its end."""

    after: UUID | None = None


def forget(services: Services, past_term: PastTerm | None = None) -> int:
    """Delete the oldest events past their term with all that came of them, ended jobs, idempotency keys, audit entries.

    Processes that were not seen for a day go too. A job goes with the events, whose deliveries it moved: who started
    it stands in the audit log for longer. Tells how many of the more numerous there were: as many as a turn takes means
    that there may be more.
    """
    now, walk = services.clock.now(), past_term or PastTerm()
    with services.database.write() as tx:
        old = events.any_tenant_forgettable(
            tx,
            ended_before=now - services.options.retention,
            dead_before=now - services.options.dead_letter_retention,
            after=walk.after,
            limit=FORGET_LIMIT,
        )
        if old.ids:
            events.any_tenant_forget(tx, old.ids, now=now)
        keys = idempotency.any_tenant_forget(tx, now=now, limit=FORGET_LIMIT)
        entries = audit_log.any_tenant_forget(tx, before=now - services.options.audit_retention, limit=FORGET_LIMIT)
        ended = jobs.any_tenant_forget(tx, before=now - services.options.retention, limit=FORGET_LIMIT)
        sums = folding.any_tenant_forget(tx, now=now, limit=FORGET_LIMIT)
        processes.any_tenant_forget(tx, before=now - PROCESS_KEPT)
        orphans = deliveries.any_tenant_discard_orphans(tx, now=now, limit=FORGET_LIMIT)
    walk.after = old.goes_on_after
    if old.ids:
        log.info("events.forgotten", events=len(old.ids))
    return max(len(old.ids) if old.goes_on_after is None else FORGET_LIMIT, keys, entries, ended, sums, orphans)
