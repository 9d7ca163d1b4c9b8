"""What a process asks of its database and its broker while nothing happens: told by the servers themselves."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import redis
from flows.deployment import Deployment
from flows.installed import Running
from servers.postgres import PostgresServer
from servers.redis import RedisServer

REST_SECONDS = 8.0
"""After its start a process looks once at what waited from before."""
BEGUN = "[queues]"
"""What Celery's worker says once ours works."""
LOGGED = {"log_statement": "all", "log_line_prefix": "@ ", "log_parameter_max_length": "0"}
_LINE = re.compile(r"^@ LOG:  (?:statement|execute [^:]+): (.*?)(?=^@ |\Z)", re.MULTILINE | re.DOTALL)
_LENGTH = 90


@dataclass(frozen=True, slots=True)
class Asked:
    """What a process did in a minute."""

    statements: dict[str, float]
    """How often each, by its begin, was asked of PostgreSQL."""
    broker: dict[str, float]
    """How often each command was asked of Redis."""
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Listener:
    """Listens to one process and to its database and broker, which nobody else uses."""

    postgres: PostgresServer
    redis: RedisServer
    process: psutil.Process

    def listen(self, seconds: float) -> Asked:
        """Count for so many seconds from now on."""
        log = self.postgres._process.log
        with redis.Redis(host=self.redis.host, port=self.redis.port) as client:
            begin, commands, cpu = log.stat().st_size, _commands(client), _cpu(self.process)
            time.sleep(seconds)
            broker, worked = _commands(client) - commands, _cpu(self.process) - cpu
        text = log.read_bytes()[begin:].decode(errors="replace")
        return Asked(_a_minute(statements_of(text), seconds), _a_minute(broker, seconds), worked * 60 / seconds)


def statements_of(log: str) -> Counter[str]:
    """Count the statements that stand in a server's log, by their begin."""
    return Counter(" ".join(found[1].split())[:_LENGTH] for found in _LINE.finditer(log))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _commands(client: redis.Redis) -> Counter[str]:
    told = client.info("commandstats")
    counts = {name.removeprefix("cmdstat_"): int(figures["calls"]) for name, figures in told.items()}
    counts.pop("info", None)  # our own
    return Counter(counts)


def _a_minute(counts: Counter[str], seconds: float) -> dict[str, float]:
    return {name: number * 60 / seconds for name, number in counts.most_common()}


@contextmanager
def _deployment() -> Iterator[tuple[PostgresServer, RedisServer, Deployment]]:
    with (
        PostgresServer(options=LOGGED) as postgres,
        RedisServer() as broker,
        TemporaryDirectory(prefix="postrider-idle-") as folder,
        Deployment(postgres.create_database(), broker.url(), Path(folder)) as deployment,
    ):
        yield postgres, broker, deployment


def of_web(seconds: float) -> Asked:
    """Count what an idle web process asks."""
    with _deployment() as (postgres, broker, deployment):
        return _rested(postgres, broker, deployment.web, seconds)


def of_worker(seconds: float) -> Asked:
    """Count what an idle worker asks."""
    with _deployment() as (postgres, broker, deployment):
        deployment.web.kill()
        worker = deployment.worker()
        worker.wait_for(BEGUN)
        return _rested(postgres, broker, worker, seconds)


def _rested(postgres: PostgresServer, broker: RedisServer, running: Running, seconds: float) -> Asked:
    time.sleep(REST_SECONDS)
    return Listener(postgres, broker, psutil.Process(running.process.pid)).listen(seconds)


PROCESSES: dict[str, Callable[[float], Asked]] = {"web process": of_web, "worker": of_worker}
