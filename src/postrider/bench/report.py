"""How the findings are shown: as tables for people, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass

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
    tables = [table(report.figures) for table in (_throughput, _latencies, _ratios, _prices, _audits)]
    return "\n\n".join(block for block in [_headline(report), *tables] if block)


def _headline(report: Report) -> str:
    machine = report.machine
    workers = "" if report.mode == "embedded" else f", {report.workers} worker process" + "es" * (report.workers > 1)
    rows = [
        ("Postrider", f"{machine.postrider}, {report.mode}{workers}"),
        ("machine", f"{machine.cpus} x {machine.cpu}, {machine.system}, {machine.python}"),
        ("database", report.database),
        ("broker", report.broker),
        ("receiver", receiver.NAME),
        ("bare loop", f"{_told(report.bare)} (aiohttp, one process, the same requests, nothing stored)"),
    ]
    return "\n".join(f"{name:<{_GAP_AFTER}}{text}" for name, text in rows)


_GAP_AFTER = 12


def _told(bare: Sequence[Bare]) -> str:
    """Tell the lowest and the highest of all measures, for each number of requests in flight."""
    by_width = {width: [one.per_second[width] for one in bare] for width in bare[0].per_second}
    return ", ".join(f"{_span(rates)}/s with {width} in flight" for width, rates in by_width.items())


def _span(rates: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys(f"{rate:,.0f}" for rate in (min(rates), max(rates))))


def _throughput(figures: Sequence[Figures]) -> str:
    rows = [
        [
            one.scenario,
            f"{one.audit.deliveries:,}",
            _number(one.accepted_per_second, ",.0f"),
            _number(one.per_second, ",.0f"),
            _number(one.of_bare_loop, ".2f"),
        ]
        for one in figures
        if one.per_second is not None
    ]
    return _table(["scenario", "deliveries", "events/s accepted", "deliveries/s", "of the bare loop"], rows)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _latencies(figures: Sequence[Figures]) -> str:
    rows = [
        [one.scenario, name, *(f"{value:.1f}" for value in (took.p50, took.p95, took.p99, took.longest))]
        for one in figures
        for name, took in one.latencies.items()
    ]
    return _table(["scenario", "milliseconds from, to", "p50", "p95", "p99", "longest"], rows, left=2)


def _ratios(figures: Sequence[Figures]) -> str:
    rows = [[one.scenario, name, f"{ratio:.2f}"] for one in figures for name, ratio in one.ratios.items()]
    return _table(["scenario", "set against each other", "ratio"], rows, left=2)


def _prices(figures: Sequence[Figures]) -> str:
    rows = [
        [one.scenario, kind, f"{price.cpu_seconds_per_1000:.3f}", _number(price.peak_memory_mb, ",.0f")]
        for one in figures
        for kind, price in one.prices.items()
    ]
    return _table(["scenario", "process", "CPU s per 1,000 deliveries", "peak memory MB"], rows, left=2)


def _audits(figures: Sequence[Figures]) -> str:
    rows = [[one.scenario, *(f"{count:,}" for count in astuple(one.audit))] for one in figures]
    return _table(["scenario", "published", "deliveries", "received", "twice", "lost", "foreign"], rows)


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
