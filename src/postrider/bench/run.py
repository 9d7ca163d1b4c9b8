"""The order of a bench: the bare loop, then each scenario on a stage of its own, the bare loop again."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import FrameType

import structlog

from postrider.settings import Settings
from postrider.store import scratch

from . import backlog, fanout, idle_latency, neighbours, sqs, steady, stomp
from .child import BenchFailed
from .endpoint import Bare, Endpoint, measure_bare_loop, open_endpoint
from .figures import Figures
from .machine import masked_broker, this_machine
from .plan import Plan
from .report import Report
from .stage import Stage, is_distributed, open_stage

Play = Callable[[Stage, Plan], Figures]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is measured under one name."""

    plays: Sequence[Play]
    """Each gets a stage of its own and gives figures of its own."""
    lacks: Callable[[], str | None] = lambda: None
    """Says in a sentence what this machine lacks for it."""


SCENARIOS = {
    backlog.NAME: Scenario([backlog.run]),
    idle_latency.NAME: Scenario([idle_latency.run]),
    steady.SINGLE: Scenario([steady.run_single]),
    steady.LISTS: Scenario([steady.run_lists]),
    fanout.NAME: Scenario([partial(fanout.run, width=width) for width in fanout.WIDTHS]),
    neighbours.NAME: Scenario([neighbours.run], neighbours.lacks),
    sqs.NAME: Scenario([sqs.run], sqs.lacks),
    stomp.NAME: Scenario([stomp.run]),
}


def run(settings: Settings, plan: Plan, *, say: Callable[[str], None]) -> Report:
    """Measure the plan's scenarios; `say` gets each step.

    Raises BenchFailed, NotReadyToStart and PostriderError, whose messages say what is missing. However it ends, no
    process, database or file of it is left.
    """
    _keep_quiet()
    distributed = is_distributed(settings)
    if plan.workers > 1 and not distributed:
        raise BenchFailed("embedded is one process; set POSTRIDER_DATABASE_URL and POSTRIDER_BROKER_URL for more")
    names = playable(plan, say)
    with _ended_in_order(), open_endpoint(os.environ) as endpoint:
        bench = _Bench(settings, plan, endpoint, say)
        bench.measure_bare_loop()
        figures = tuple(bench.play(name, play) for name in names for play in SCENARIOS[name].plays)
    return Report(
        machine=this_machine(),
        mode="distributed" if distributed else "embedded",
        database=bench.database,
        broker=masked_broker(settings.broker_url.get_secret_value() or "memory://"),
        workers=plan.workers,
        bare=tuple(bench.bare),
        figures=figures,
    )


class _Bench:
    """One run, with the bare loop's figures so far."""

    def __init__(self, settings: Settings, plan: Plan, endpoint: Endpoint, say: Callable[[str], None]) -> None:
        self._settings, self._plan, self._endpoint, self._say = settings, plan, endpoint, say
        self.bare: list[Bare] = []
        self.database = ""

    def measure_bare_loop(self) -> None:
        self._say("bare loop")
        self.bare.append(measure_bare_loop(self._endpoint, os.environ, seconds=self._plan.seconds))

    def play(self, name: str, play: Play) -> Figures:
        """Play a scenario, or a part of it; a throughput is set against the bare loop just before and just after."""

        def say(text: str) -> None:
            self._say(f"{name}: {text}")

        with open_stage(self._settings, self._endpoint, say=say) as stage:
            self.database = scratch.describe(stage.services.database)
            figures = play(stage, self._plan)
        if figures.per_second is None:
            return figures
        self.measure_bare_loop()
        around = (self.bare[-2].best + self.bare[-1].best) / 2
        return replace(figures, of_bare_loop=figures.per_second / around)


def playable(plan: Plan, say: Callable[[str], None]) -> Sequence[str]:
    """Give the plan's scenarios; BenchFailed when this machine lacks something for one and it is not to be left out."""
    names = []
    for name in plan.scenarios:
        lack = SCENARIOS[name].lacks()
        if lack is None:
            names.append(name)
        elif plan.leave_out:
            say(f"{name} is left out: {lack}")
        else:
            raise BenchFailed(f"{name}: {lack}")
    return names


def _keep_quiet() -> None:
    """Let the parts that work in this process say only what is wrong, and nothing on standard output."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM end the bench as Ctrl-C does: through every `with`, so that the children end first."""

    def end(_number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
