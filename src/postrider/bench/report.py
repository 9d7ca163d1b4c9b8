"""How the findings are shown: as tables for people, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from . import receiver
from .endpoint import Bare
from .figures import Figures
from .machine import Machine

_GAP = "   "


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run of the bench found."""

    machine: Machine
    mode: str
    database: str
    broker: str
    workers: int
    bare: tuple[Bare, ...]
    """Each measure of the bare loop, in the order of measuring."""
    figures: tuple[Figures, ...]


def as_json(report: Report) -> str:
    """Write the report for programs; every figure with its unit in its name, where it has one."""
    return json.dumps(
        {
            "machine": asdict(report.machine),
            "mode": report.mode,
            "database": report.database,
            "broker": report.broker,
            "workers": report.workers,
            "receiver": receiver.NAME,
            "bare_loop_requests_per_second": [dict(bare.per_second) for bare in report.bare],
            "scenarios": [asdict(figures) for figures in report.figures],
        },
        indent=2,
    )


def as_text(report: Report) -> str:
    """Write the report for people."""
    blocks = [_headline(report), _throughput(report.figures), _latencies(report.figures), _prices(report.figures)]
    return "\n\n".join(block for block in [*blocks, _audits(report.figures)] if block)


def _headline(report: Report) -> str:
    machine = report.machine
    bare = "; ".join(
        ", ".join(f"{rate:,.0f}/s with {width} in flight" for width, rate in one.per_second.items())
        for one in report.bare
    )
    workers = "" if report.mode == "embedded" else f", {report.workers} worker process" + "es" * (report.workers > 1)
    rows = [
        ("Postrider", f"{machine.postrider}, {report.mode}{workers}"),
        ("machine", f"{machine.cpus} x {machine.cpu}, {machine.system}, {machine.python}"),
        ("database", report.database),
        ("broker", report.broker),
        ("receiver", receiver.NAME),
        ("bare loop", f"{bare} (aiohttp, one process, the same requests, nothing stored)"),
    ]
    return "\n".join(f"{name:<{_GAP_AFTER}}{text}" for name, text in rows)


_GAP_AFTER = 12


def _throughput(figures: Sequence[Figures]) -> str:
    rows = [
        [one.scenario, f"{one.audit.events:,}", f"{one.per_second:,.0f}", f"{one.of_bare_loop or 0:.2f}"]
        for one in figures
        if one.per_second is not None
    ]
    return _table(["scenario", "events", "deliveries/s", "of the bare loop"], rows)


def _latencies(figures: Sequence[Figures]) -> str:
    rows = [
        [one.scenario, name, *(f"{value:.1f}" for value in (took.p50, took.p95, took.p99, took.longest))]
        for one in figures
        for name, took in one.latencies.items()
    ]
    return _table(["scenario", "milliseconds from, to", "p50", "p95", "p99", "longest"], rows, left=2)


def _prices(figures: Sequence[Figures]) -> str:
    rows = [
        [one.scenario, kind, f"{price.cpu_seconds_per_1000:.3f}", f"{price.peak_memory_mb:,.0f}"]
        for one in figures
        for kind, price in one.prices.items()
    ]
    return _table(["scenario", "process", "CPU s per 1,000 deliveries", "peak memory MB"], rows, left=2)


def _audits(figures: Sequence[Figures]) -> str:
    rows = [
        [one.scenario, *(f"{count:,}" for count in (told.events, told.received, told.twice, told.lost, told.foreign))]
        for one in figures
        for told in [one.audit]
    ]
    return _table(["scenario", "published", "received", "twice", "lost", "foreign"], rows)


def _table(head: list[str], rows: list[list[str]], *, left: int = 1) -> str:
    """Align columns, the first `left` of them to the left; empty without rows."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        _GAP.join(
            text.ljust(width) if column < left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    ]
    return "\n".join(lines)
