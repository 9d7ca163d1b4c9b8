"""The command that measures growth."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import click
from growth.figures import LAPS, Compared, as_table, measure
from growth.filling import Amounts, Owners, fill, tidy, without_indexes
from growth.scene import DEAD, Scene, a_scene
from servers.postgres import PostgresServer

LITTLE = Amounts(delivered=10_000, pending=3_000, letters=3_000)
FEW_DEAD = 3
"""What there is before: of each integration that is listed as much as afterwards waits for it, or is dead."""
_SERVER = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # What is measured is what the filling left, not who tidies up behind it at that moment.
    "autovacuum": "off",
}


@click.command()
@click.option("--scale", default=1.0, show_default=True, help="How much of the full amounts is filled in.")
@click.option("--laps", default=LAPS, show_default=True, help="How often each is measured; the median counts.")
@click.option("--dead", default=DEAD, show_default=True, help="Dead integrations.")
def main(scale: float, laps: int, dead: int) -> None:
    """Fill PostgreSQL with a month's deliveries and print what each statement takes before and after.

    Exits with 1 when one of them has grown beyond the bar.
    """
    with PostgresServer(options=_SERVER) as server, a_scene(server.create_database(), dead=dead) as scene:
        _fill(scene, LITTLE, replace(scene.owners, dead=scene.dead[:FEW_DEAD]))
        before = measure(scene, laps=laps)
        _fill(scene, Amounts().scaled(scale), scene.owners)
        after = measure(scene, laps=laps)
    compared = [Compared(name, before[name], after[name]) for name in before]
    click.echo(as_table(compared))
    sys.exit(1 if any(one.grows for one in compared) else 0)


def _fill(scene: Scene, amounts: Amounts, owners: Owners) -> None:
    started = time.monotonic()
    with scene.connect() as connection:
        with without_indexes(connection):
            fill(connection, amounts, owners)
        tidy(connection)
    click.echo(
        f"{amounts.delivered:,} delivered, {amounts.pending:,} pending, {amounts.letters:,} dead letters: "
        f"filled in {time.monotonic() - started:.0f} s",
        err=True,
    )
