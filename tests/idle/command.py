"""The command that counts."""

from __future__ import annotations

import click
from idle.count import PROCESSES, Asked


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long each process is listened to.")
def main(seconds: float) -> None:
    """Start a web process and a worker, each with servers of its own, and print what it asks of them a minute."""
    for name, count in PROCESSES.items():
        click.echo(as_text(name, count(seconds)))


def as_text(name: str, asked: Asked) -> str:
    """Write the counts for people: the sums, and what they are made of."""
    parts = [f"an idle {name} works {asked.cpu_seconds:.2f} s of CPU a minute, and asks in it:"]
    for what, counts in (("statements of PostgreSQL", asked.statements), ("commands of Redis", asked.broker)):
        parts.append(f"  {sum(counts.values()):.0f} {what}")
        parts += [f"    {number:6.1f}  {text}" for text, number in counts.items()]
    return "\n".join(parts)
