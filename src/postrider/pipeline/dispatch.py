"""The dispatcher of a worker process: its drains, and the few threads that serve them in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import structlog

from postrider.services import Services

from .agenda import Agenda
from .drain import Budget, Drain
from .solitude import Solitude

KEPT_DRAINS = 2_000
"""Idle drains that are kept, with their open connections, for the next ring."""
THREADS_FOR_ONE_UNKNOWN = 4
"""Of so many threads one serves endpoints that are not known to answer."""
SCRIBES = 2
"""Threads that write down what came back while their drains go on sending."""

log = structlog.get_logger()


class Dispatcher:
    """Serves the drains that were woken; a ring only names one and returns."""

    def __init__(self, services: Services, *, threads: int, in_flight: int) -> None:
        self._services = services
        self._holder = services.ids.new()
        self._budget = Budget(in_flight)
        self._agenda: Agenda[UUID] = Agenda(
            goes_first=self._answers, others_at_once=max(threads // THREADS_FOR_ONE_UNKNOWN, 1)
        )
        self._solitude = Solitude()
        self._scribes = ThreadPoolExecutor(SCRIBES, thread_name_prefix="scribe")
        self._drains: dict[UUID, Drain] = {}
        self._guard = threading.Lock()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"drain-{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        """Begin to serve."""
        for thread in self._threads:
            thread.start()

    def wake(self, integration_ids: Iterable[UUID]) -> None:
        """Note that integrations may have due deliveries; never blocks."""
        if self._stopping:
            return
        for integration_id in integration_ids:
            with self._guard:
                drain = self._drains.get(integration_id) or self._new(integration_id)
                drain.heard = True
            if not drain.is_full():
                self._agenda.add(integration_id)

    def claim_no_more(self) -> None:
        """Begin to stop: what is in flight ends, the rest is given back."""
        self._stopping = True
        for integration_id in list(self._drains):
            self._agenda.add(integration_id)

    def stop(self, wait: float) -> bool:
        """Claim no more, let what is in flight end, give back the rest; False when `wait` seconds were not enough."""
        self.claim_no_more()
        until = time.monotonic() + wait
        while not self.idle() and time.monotonic() < until:
            time.sleep(0.01)
        clean = self.idle()
        self._agenda.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(until - time.monotonic(), 1))
        self._scribes.shutdown(wait=False)
        for drain in self._drains.values():
            drain.close()
        log.info("dispatcher.stopped", clean=clean)
        return clean

    def idle(self) -> bool:
        """Tell whether no drain has anything in hand, to send or to write down."""
        with self._guard:
            return self._agenda.quiet() and all(drain.idle() for drain in self._drains.values())

    def in_flight(self) -> int:
        """Tell how many attempts are under way."""
        return self._budget.used

    def _answers(self, integration_id: UUID) -> bool:
        """Tell whether an endpoint is known to answer: it does not wait behind many that may hang."""
        drain = self._drains.get(integration_id)
        return drain is not None and drain.answers()

    def _new(self, integration_id: UUID) -> Drain:
        self._drop_idle()
        drain = Drain(
            integration_id=integration_id,
            services=self._services,
            holder=self._holder,
            budget=self._budget,
            wake=lambda: self._agenda.add(integration_id),
            solitude=self._solitude,
            scribes=self._scribes,
        )
        self._drains[integration_id] = drain
        return drain

    def _drop_idle(self) -> None:
        if len(self._drains) < KEPT_DRAINS:
            return
        for integration_id, drain in list(self._drains.items()):
            if drain.idle() and self._agenda.free(integration_id):
                del self._drains[integration_id]
                drain.close()
                return

    def _run(self) -> None:
        while (integration_id := self._agenda.take()) is not None:
            try:
                self._serve(integration_id)
            except Exception:
                log.exception("drain.failed", integration_id=str(integration_id))
                self._agenda.add_at(integration_id, time.monotonic() + 1)
            finally:
                self._agenda.done(integration_id)

    def _serve(self, integration_id: UUID) -> None:
        with self._guard:
            drain = self._drains.get(integration_id)
        if drain is None:
            return
        again = drain.turn(stopping=self._stopping)
        if again is not None:
            self._agenda.add_at(integration_id, again)
