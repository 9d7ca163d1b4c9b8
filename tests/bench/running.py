"""The bench as a process that was started and came to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

EVENTS, SAMPLES = 200, 5


def environment(**given: str) -> dict[str, str]:
    """Give what the test's own surroundings have, apart from settings of Postrider."""
    return {name: value for name, value in os.environ.items() if not name.startswith("POSTRIDER_")} | given


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "postrider.cli", "bench", *arguments]


def bench(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments), env=environment(**given), capture_output=True, text=True, check=False, timeout=110
    )


def tiny_run(scenarios: Sequence[str], *arguments: str, events: int = EVENTS, **given: str) -> Mapping[str, Any]:
    """Measure very little of some scenarios, and read the figures."""
    wanted = [part for name in scenarios for part in ("--scenario", name)]
    ended = bench(
        *wanted, *arguments, "--events", str(events), "--samples", str(SAMPLES), "--seconds", "0.2", "--json", **given
    )
    assert ended.returncode == 0, ended.stderr
    report: Mapping[str, Any] = json.loads(ended.stdout)
    return report


def assert_sound(report: Mapping[str, Any], *, processes: Mapping[str, set[str]]) -> dict[str, Any]:
    """Check that each of these scenarios has its prices and lost nothing; give its figures by its name."""
    figures = {one["scenario"]: one for one in report["scenarios"]}
    assert {name: set(one["prices"]) for name, one in figures.items()} == processes
    for one in figures.values():
        assert one["audit"]["received"] == one["audit"]["deliveries"]
        assert one["audit"]["lost"] == one["audit"]["foreign"] == 0
        assert all(price["cpu_seconds_per_1000"] >= 0 for price in one["prices"].values())
        assert all(price["peak_memory_mb"] > 0 for kind, price in one["prices"].items() if kind != "database")
        assert (one["per_second"] is None) == (one["of_bare_loop"] is None)
        assert one["per_second"] is None or min(one["per_second"], one["of_bare_loop"]) > 0
        assert all(0 < took["p50"] <= took["p99"] <= took["longest"] for took in one["latencies"].values())
    return figures
