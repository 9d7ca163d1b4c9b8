"""The command that plays the matrix."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence

import click
from faults.grounds import Grounds
from faults.matrix import Figures, Row, all_rows
from faults.needs import missing

HEAD = ("fault", "events", "lost", "duplicates", "unknown attempts", "recovery s", "publish p99 ms", "verdict")


@click.command()
@click.option("--row", "names", multiple=True, help="Play only this one; may be given several times.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON instead of a table.")
@click.option("--quick", is_flag=True, help="Leave out the rows that take long.")
def main(names: tuple[str, ...], json_wanted: bool, quick: bool) -> None:  # noqa: FBT001 - click's way
    """Break Postrider in every way of the matrix and print what became of the events; exits with 1 unless all held."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rows = all_rows()
    if unknown := set(names) - set(rows):
        raise click.UsageError(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    wanted = [row for row in rows.values() if row.name in names or (not names and not (quick and row.long))]
    with Grounds() as grounds:
        found = {row.name: _play(row, grounds) for row in wanted}
    click.echo(as_json(found) if json_wanted else as_table([(row, found[row.name]) for row in wanted]))
    sys.exit(1 if any(figures.broken for figures in found.values()) else 0)


def _play(row: Row, grounds: Grounds) -> Figures:
    click.echo(f"{row.name}: {row.fault}", err=True)
    started = time.monotonic()
    if lacking := missing(row):
        return Figures(events=0, broken=(lacking,))
    try:
        figures = row.play(grounds)
    except Exception as error:  # noqa: BLE001 - one row that cannot be played must not keep the others from being told
        traceback.print_exc()
        figures = Figures(events=0, broken=(f"{type(error).__name__}: {error}",))
    verdict = "; ".join(figures.broken) or "held"
    click.echo(f"  {verdict}, {time.monotonic() - started:.0f} s: {figures.note}", err=True)
    return figures


def as_json(found: dict[str, Figures]) -> str:
    """Write the figures for programs."""
    return json.dumps({name: dataclasses.asdict(figures) for name, figures in found.items()}, indent=2)


def as_table(found: Sequence[tuple[Row, Figures]]) -> str:
    """Write the figures for people, as Markdown: a table, and below it what the rows measured beside it."""
    lines = [HEAD, *(_cells(row, figures) for row, figures in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    text = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    rule = "-|-".join("-" * width for width in widths)
    table = [f"| {text[0]} |", f"|-{rule}-|", *(f"| {line} |" for line in text[1:])]
    notes = [f"* {row.fault}: {told}" for row, figures in found if (told := _told(figures))]
    return "\n".join([*table, "", *notes])


def _cells(row: Row, figures: Figures) -> tuple[str, ...]:
    return (
        row.fault,
        f"{figures.events:,}",
        str(figures.lost),
        str(figures.duplicates),
        str(figures.unknown),
        "" if figures.recovery is None else f"{figures.recovery:.1f}",
        "" if figures.publish_p99 is None else f"{figures.publish_p99:.1f}",
        "BROKEN" if figures.broken else "held",
    )


def _told(figures: Figures) -> str:
    return "; ".join([*(f"BROKEN: {promise}" for promise in figures.broken), *([figures.note] if figures.note else [])])
