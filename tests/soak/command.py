"""The command that watches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import click
from faults.grounds import Grounds
from faults.world import World, a_world
from flows.installed import Running
from soak.crowd import IN_FLIGHT, megabytes_in_a_crowd
from soak.memory import EACH, Sample, megabytes, slope

INTEGRATIONS = 10
LOOK_SECONDS = 5.0


@click.command()
@click.option("--minutes", default=5.0, show_default=True, help="How long events are published.")
@click.option("--threads", default=2, show_default=True, help="Publishers.")
def main(minutes: float, threads: int) -> None:
    """Print what a worker holds with a thousand requests under way, and what comes with each 100,000 deliveries."""
    with Grounds() as grounds:
        click.echo(f"with {IN_FLIGHT:,} requests under way a worker holds {megabytes_in_a_crowd(grounds):.0f} MB")
        with a_world(grounds) as world:
            for number in range(INTEGRATIONS):
                world.integrate(f"{world.landing.url}/{number}")
            (worker,) = world.workers(1)
            watched = {"worker": worker, "web process": world.deployment.web}
            samples = _watch(world, watched, seconds=minutes * 60, threads=threads)
    for name, seen in samples.items():
        click.echo(as_text(name, seen))


def _watch(
    world: World, watched: Mapping[str, Running], *, seconds: float, threads: int
) -> Mapping[str, Sequence[Sample]]:
    """Look at the processes again and again while events are published."""
    end = time.monotonic() + seconds
    samples: dict[str, list[Sample]] = {name: [] for name in watched}
    with world.load.going_on(threads=threads):
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            arrived = world.landing.count()
            for name, running in watched.items():
                samples[name].append(Sample(arrived, megabytes(running)))
    return samples


def as_text(name: str, samples: Sequence[Sample]) -> str:
    """Write what was seen of a process, for people."""
    first, last = samples[0], samples[-1]
    return (
        f"{name}: {first.megabytes:.1f} MB after {first.deliveries:,} deliveries, {last.megabytes:.1f} MB after "
        f"{last.deliveries:,}; after the warm-up {slope(samples):+.2f} MB for each {EACH:,}"
    )
