"""One row's own Postrider: database, web and workers as processes, a publisher and the auditor's receiver."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from faults.grounds import Grounds
from faults.landing import Landing
from faults.load import EVENT_TYPE, Load
from flows.deployment import Deployment
from flows.installed import COMMAND, Api, Running
from servers.process import wait_until

from postrider.pipeline.sweep import LEASE_TURNS

_UNDER_WAY = """
SELECT (SELECT count(*) FROM events WHERE fanned_out_at IS NULL)
     + (SELECT count(*) FROM deliveries WHERE status IN ('pending', 'sending'))
"""
_LOSSES = """
WITH lost AS (
    SELECT *, row_number() OVER (PARTITION BY delivery_id ORDER BY number) AS losses
    FROM attempts WHERE verdict = 'unknown' OR late
)
SELECT extract(epoch FROM lost.started_at)::float8, extract(epoch FROM next.started_at)::float8
FROM lost JOIN attempts next ON next.delivery_id = lost.delivery_id AND next.number = lost.number + 1
WHERE lost.losses = %s
"""

BEGUN = "[queues]"
"""What Celery's worker says once ours works."""
TIMEOUT_SECONDS = 5.0
"""What an integration gives an attempt, unless a row says otherwise."""
SHORT_SECONDS = 1.0
"""For rows that wait for leases to end."""
LEASE_SECONDS = SHORT_SECONDS + 1.0
"""The margin of the deployment's settings is a second."""
SWEEP_SECONDS = LEASE_TURNS + 1.0
"""A sweeper that was killed holds its lease for some turns of a second, and the next one looks each second."""


@dataclass(frozen=True, slots=True)
class World:
    """What a row breaks, and what it looks at."""

    grounds: Grounds
    deployment: Deployment
    landing: Landing
    load: Load
    database_url: str
    """As the servers' owner reaches it: not through a proxy."""

    @property
    def api(self) -> Api:
        return self.deployment.api

    def workers(
        self, number: int, *, changes: Mapping[str, str] | None = None, command: Sequence[str] = (COMMAND,)
    ) -> list[Running]:
        """Start workers; returns when they have begun to work."""
        started = [self.deployment.worker(changes=changes, command=command) for _ in range(number)]
        for worker in started:
            worker.wait_for(BEGUN)
        return started

    def integrate(self, url: str | None = None, *, changes: Mapping[str, Any] | None = None, **delivery: Any) -> str:
        """Create an integration that observes what the load publishes; gives its id.

        `delivery` is its policy; `changes` are made to the rest of it.
        """
        policy = {"timeout_seconds": TIMEOUT_SECONDS, "retry_waits": [1] * 30, **delivery}
        made = self.api.integrate(url or self.landing.url, EVENT_TYPE, delivery=policy, **(changes or {}))
        return str(made["id"])

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database itself, past all code of ours."""
        with self.connect() as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection of the tests' own; each statement is its own transaction."""
        url = self.database_url.replace("+psycopg", "")
        return psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="auditor")

    def sending(self) -> int:
        """Tell how many deliveries are claimed now."""
        count: int = self.sql("SELECT count(*) FROM deliveries WHERE status = 'sending'")[0][0]
        return count

    def wait_until_sending(self, number: int, *, since: float = 0.0, seconds: float = 30) -> None:
        """Return once so many deliveries are under way that were claimed after a moment, in seconds since 1970."""
        claimed = "SELECT count(*) FROM deliveries WHERE status = 'sending' AND started_at > to_timestamp(%s)"
        wait_until(lambda: self.sql(claimed, since)[0][0] >= number, f"{number} deliveries under way", seconds=seconds)

    def settle(self, *, held: int = 0, seconds: float = 120) -> float:
        """Wait until nothing but what is held is left to do; gives the seconds that took."""
        started = time.monotonic()
        wait_until(lambda: self._under_way() == held, "all deliveries to end", seconds=seconds)
        return time.monotonic() - started

    def _under_way(self) -> int:
        try:
            count: int = self.sql(_UNDER_WAY)[0][0]
        except psycopg.OperationalError:
            return -1
        return count

    def recovery(self, moments: list[float], *, losses: int = 1) -> float:
        """Tell how long after the worker was lost the last delivery was tried again; 0 when none was.

        `moments` are the losses; counted are deliveries that were lost for the first time, or as often as said.
        """
        waits = [0.0]
        for started, again in self.sql(_LOSSES, losses):
            waits.append(again - min((moment for moment in moments if started <= moment), default=started))
        return max(waits)


@contextmanager
def a_world(
    grounds: Grounds,
    *,
    broker_url: str | None = None,
    database_url: str | None = None,
    reached_by: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[World]:
    """Set a world up; `reached_by` is the database's address for the processes, where a proxy stands between."""
    with ExitStack() as stack:
        if broker_url is None:
            grounds.redis.flush()
            broker_url = grounds.redis.url(0)
        if database_url is None:
            database_url = grounds.postgres.create_database()
            stack.callback(grounds.postgres.drop_database, database_url)
        landing = stack.enter_context(Landing())
        deployment = stack.enter_context(
            Deployment(reached_by or database_url, broker_url, grounds.folder(), changes=settings)
        )
        yield World(grounds, deployment, landing, Load(deployment.port, deployment.key), database_url)
