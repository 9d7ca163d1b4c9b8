"""The system: which parts there are, whether they answer, what runs and what waits."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from postrider.domain.access import Permission
from postrider.services import Services
from postrider.store import counts, processes, vitals
from postrider.store.engine import Transaction
from postrider.store.migrate import is_current
from postrider.store.processes import Process, ProcessKind
from postrider.web.auth import ServicesDep

from .pages import show
from .session import Anyone, Session

SECTION = "/system"
BROKER_SECONDS = 0.5
UNSEEN_AFTER = timedelta(seconds=50)
"""A process writes of itself every 15 seconds: one that has missed three times is probably gone."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """How the database is."""

    version: str
    answer_ms: float
    current: bool
    """It has had every migration."""


@router.get(SECTION)
def show_system(request: Request, services: ServicesDep, session: Anyone) -> Response:
    """Show the parts; the machines that they run on, and the settings, to operators alone."""
    now, current = services.clock.now(), is_current(services.database)
    with services.database.read() as tx:
        state = _database(tx, current=current)
        waiting = _waiting(session, tx)
        running = processes.any_tenant_list(tx)
    workers = [one for one in running if one.kind is ProcessKind.WORKER and _lives(one, now)]
    return show(
        request,
        session,
        "system.html",
        section=SECTION,
        python=platform.python_version(),
        database=state,
        broker_kind=services.options.broker_kind,
        rings_go_out=services.ring.healthy(),
        depths=_depths(services),
        works=bool(workers),
        in_flight=sum(one.in_flight for one in workers),
        running=running if session.operator else [],
        lives=lambda process: _lives(process, now),
        knobs=services.options.knobs if session.operator else (),
        counted=vitals.COUNTED,
        **waiting,
    )


def _database(tx: Transaction, *, current: bool) -> DatabaseState:
    begun = time.perf_counter()
    version = vitals.database_version(tx)
    answer_ms = (time.perf_counter() - begun) * 1000
    return DatabaseState(version, answer_ms, current)


def _depths(services: Services) -> Mapping[str, int] | None:
    return services.broker.depths(timeout_seconds=BROKER_SECONDS)


def _waiting(session: Session, tx: Transaction) -> dict[str, Any]:
    """Tell what of the tenant's waits, as far as the reader may know; None for what they may not."""
    queue = backlog = oldest = None
    if session.caller.may(Permission.EVENTS_READ):
        queue = vitals.fan_out_queue(tx, session.tenant_id)
    if session.caller.may(Permission.DELIVERIES_READ):
        backlog = counts.backlog(tx, session.tenant_id)
        oldest = counts.oldest_waiting(tx, session.tenant_id)
    return {"queue": queue, "backlog": backlog, "oldest": oldest}


def _lives(process: Process, now: datetime) -> bool:
    return now - process.seen_at < UNSEEN_AFTER
