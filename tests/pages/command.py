"""The command that measures pages."""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import closing
from dataclasses import dataclass

import click
from api import Api
from growth.filling import EVENT_TYPE, LETTER_ERROR, Amounts, fill, tidy, without_indexes
from growth.scene import DEAD, Scene, a_scene
from pages.filling import fill_sums
from servers.postgres import PostgresServer
from web.dashboard.visitor import Visitor

from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.store import deliveries
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind

BAR_MS = 100.0
_FULL = Amounts(delivered=1_000_000, pending=200_000, letters=12_000)
_SERVER = {"shared_buffers": "512MB", "max_wal_size": "4GB", "autovacuum": "off"}


@dataclass(frozen=True, slots=True)
class Timed:
    """How long a page took, time after time."""

    path: str
    took_ms: list[float]

    @property
    def median_ms(self) -> float:
        return statistics.median(self.took_ms)

    @property
    def verdict(self) -> str:
        return "held" if self.median_ms <= BAR_MS else "SLOW"

    def as_row(self) -> str:
        return f"| {self.path:60} | {self.median_ms:9.1f} | {max(self.took_ms):8.1f} | {self.verdict:7} |"


@click.command()
@click.option("--scale", default=1.0, show_default=True, help="How much of the full amounts is filled in.")
@click.option("--laps", default=15, show_default=True, help="How often each page is asked for; the median counts.")
@click.option("--dead", default=DEAD, show_default=True, help="Dead integrations.")
def main(scale: float, laps: int, dead: int) -> None:
    """Fill PostgreSQL with a million deliveries and print what each page takes.

    Exits with 1 when one of them takes longer than the bar.
    """
    with PostgresServer(options=_SERVER) as server, a_scene(server.create_database(), dead=dead) as scene:
        _fill(scene, _FULL.scaled(scale))
        with Api(scene.house) as api, closing(Visitor(api)) as visitor:
            visitor.sign_in()
            places = places_of(scene)
            timed = [_measure(visitor, path, path.format(**places), laps) for path in PATHS]
    click.echo(f"| {'page':60} | ms median | ms worst | verdict |")
    click.echo(f"|{'-' * 62}|-----------|----------|---------|")
    for one in timed:
        click.echo(one.as_row())
    sys.exit(1 if any(one.verdict != "held" for one in timed) else 0)


def _fill(scene: Scene, amounts: Amounts) -> None:
    with scene.connect() as connection:
        with without_indexes(connection):
            fill(connection, amounts, scene.owners)
        fill_sums(connection, scene.owners)
        tidy(connection)
    click.echo(f"{amounts.delivered:,} delivered, {amounts.pending:,} pending, {amounts.letters:,} dead", err=True)


def _measure(visitor: Visitor, name: str, path: str, laps: int) -> Timed:
    took = []
    for _ in range(laps + 1):
        began = time.perf_counter()
        answer = visitor.client.get(f"/dashboard{path}")
        took.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise click.ClickException(f"{path} was answered {answer.status_code}")
    # The first one compiles its template.
    return Timed(name, took[1:])


def places_of(scene: Scene) -> dict[str, object]:
    """Give what the pages' addresses name: an integration that delivers, a dead one, an old letter, a job."""
    house, healthy, dead = scene.house, scene.healthy[0], scene.dead[0]
    with house.services.database.read() as tx:
        letter = deliveries.page(tx, scene.tenant, DeliveryFilter((DeliveryStatus.DEAD,)), before=None, limit=1)[0]
        old = deliveries.page(tx, scene.tenant, DeliveryFilter(), before=letter.id, limit=1)[0]
    job = redrive.start_job(
        house.services,
        scene.tenant,
        kind=JobKind.REDRIVE,
        wanted=DeliveryFilter((DeliveryStatus.DEAD,), integration_id=healthy),
        rate=1.0,
        reason="",
    )
    return {
        "healthy": healthy,
        "dead": dead,
        "letter": letter.id,
        "event": letter.event_id,
        "old": old.id,
        "job": job.id,
        "type": EVENT_TYPE,
        "error": LETTER_ERROR,
    }


PATHS = (
    "/",
    "/?window=24h",
    "/?window=7d",
    "/deliveries",
    "/deliveries?status=pending",
    "/deliveries?status=dead",
    "/deliveries?integration_id={dead}&status=pending",
    "/deliveries?integration_id={healthy}&status=dead",
    "/deliveries?event_type={type}",
    "/deliveries?error={error}",
    "/deliveries?before={old}",
    "/deliveries/{letter}",
    "/integrations",
    "/integrations?state=failing",
    "/integrations?text=dead",
    "/integrations?before={dead}",
    "/integrations/{healthy}",
    "/integrations/{dead}",
    "/integrations/{healthy}/edit",
    "/integrations/new/webhook",
    "/events",
    "/events?event_type={type}",
    "/events?text=order",
    "/events?text=nothing-says-so",
    "/events/{event}",
    "/events/publish",
    "/deliveries/{letter}/resend",
    "/dead-letters",
    "/dead-letters?integration_id={healthy}",
    "/dead-letters/group",
    "/dead-letters/group?integration_id={healthy}&error={error}",
    "/dead-letters/group?error={error}",
    "/jobs",
    "/jobs/{job}",
    "/event-types",
    "/api-keys",
    "/tenants",
    "/audit-log",
    "/system",
)
