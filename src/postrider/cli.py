"""The command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click
from pydantic import SecretStr, ValidationError

from postrider.domain.access import COMMAND_LINE, TENANT_PERMISSIONS, Permission
from postrider.domain.complaints import complaint
from postrider.domain.errors import PostriderError
from postrider.settings import Settings

from .bench.plan import SCENARIO_NAMES

if TYPE_CHECKING:
    from postrider.services import Services

# Each command imports what it works with when it runs, and after it has read the settings: `--help`, `tenants` and who
# mistyped a setting should not wait for a web server.


PORT = click.IntRange(0, 65_535)
ALL_SCENARIOS = "all"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="postrider")
def cli() -> None:
    """Postrider brings published events to the integrations that observe them."""


def main() -> None:
    """Run a command; what a person can mend is said in one sentence, without a traceback."""
    try:
        cli()
    except PostriderError as error:
        sys.exit(f"postrider: {error.detail}")
    except OSError as error:
        sys.exit(f"postrider: {error}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "POSTRIDER_" + "_".join(str(part) for part in first["loc"]).upper()
        sys.exit(f"postrider: {name}: {complaint(first)}")


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=PORT, help="Port to listen on; 0: any free one.")
@click.option(
    "--data-dir",
    default=".postrider",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the database and the keys.",
)
@click.option("--demo", is_flag=True, help="With receivers, integrations and a stream of orders to look at.")
def up(host: str, port: int, data_dir: Path, *, demo: bool) -> None:
    """Start everything in one process; nothing else needs to be installed."""
    given = Settings()

    from .embedded import Embedded, Place, greeting

    embedded = Embedded(Place(host, port, data_dir), given, demo=demo)
    embedded.run(greeting(embedded.place, embedded.api_key, embedded.dashboard_link(), demo=demo))


@cli.command()
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")  # noqa: S104 - a server's door
@click.option(
    "--port", default=8080, envvar="PORT", show_default="$PORT, or 8080", type=PORT, help="Port to listen on."
)
@click.option("--processes", default=1, show_default=True, help="Web processes.")
def web(host: str, port: int, processes: int) -> None:
    """Serve the API."""
    given = Settings()

    from .embedded import survive_signals
    from .web_server import patience, serve

    allowed = patience(given)
    survive_signals(lambda: 0)
    serve("postrider.web_app:create", host=host, port=port, processes=processes, patience=allowed)


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def worker(arguments: tuple[str, ...]) -> None:
    """Deliver; one process a core. Further arguments go to Celery's worker."""
    from .worker import run

    run(list(arguments))


@cli.command()
def migrate() -> None:
    """Bring the database to this version's tables."""
    from postrider.runtime import open_database
    from postrider.store.migrate import migrate as migrate_database

    migrate_database(open_database(Settings()))
    click.echo("the database is up to date")


@cli.command()
@click.option(
    "--scenario",
    "scenarios",
    default=[ALL_SCENARIOS],
    show_default=True,
    multiple=True,
    type=click.Choice([*SCENARIO_NAMES, ALL_SCENARIOS]),
    help="May be given several times.",
)
@click.option("--events", type=click.IntRange(min=2), help="Of each scenario.  [default: enough for a steady figure]")
@click.option("--rate", type=click.FloatRange(min=1), help="Events a second of steady, steady-lists.  [default: any]")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Worker processes.")
@click.option("--samples", default=200, show_default=True, type=click.IntRange(min=1), help="Of idle-latency.")
@click.option("--seconds", default=3.0, show_default=True, type=click.FloatRange(min=0.1), help="Of each bare loop.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON instead of tables.")
def bench(scenarios: tuple[str, ...], *, json_wanted: bool, **plan: Any) -> None:
    """Measure what this machine delivers, beside a bare HTTP loop that stores nothing.

    With POSTRIDER_DATABASE_URL (PostgreSQL) and POSTRIDER_BROKER_URL set, it measures web and worker processes with
    them, in a database of its own on that server, which is dropped at the end; else the embedded mode, in a temporary
    folder. Exits with 1 when a delivery was lost.
    """
    from .bench.plan import Plan
    from .bench.report import as_json, as_text
    from .bench.run import run as run_bench

    everything = ALL_SCENARIOS in scenarios
    names = SCENARIO_NAMES if everything else scenarios
    wanted = Plan(names, leave_out=everything, **plan)
    report = run_bench(Settings(), wanted, say=lambda text: click.echo(text, err=True))
    click.echo(as_json(report) if json_wanted else as_text(report))
    sys.exit(1 if any(figures.audit.lost for figures in report.figures) else 0)


@cli.command("listen")
@click.option("--port", default=9000, show_default=True, type=PORT, help="Port on 127.0.0.1.")
@click.option(
    "--status", default=200, show_default=True, type=click.IntRange(200, 599), help="HTTP status to answer with."
)
def listen_here(port: int, status: int) -> None:
    """Run a receiver for trying things out: it prints what arrives."""
    from .listen import listen

    listen(port, status=status)


@cli.group()
def tenants() -> None:
    """Manage tenants."""


@tenants.command("create")
@click.argument("name")
@click.option("--org-id", default="", help="Sent to receivers as `org_id`.")
def create_tenant(name: str, org_id: str) -> None:
    """Create a tenant with its first API key, which is shown once."""
    from postrider.control import keys as key_control
    from postrider.control import tenants as tenant_control

    with _services() as services:
        tenant = tenant_control.create_tenant(services, name=name, org_id=org_id, by=COMMAND_LINE)
        made = key_control.create_key(
            services, tenant.id, name="first", permissions=TENANT_PERMISSIONS, by=COMMAND_LINE
        )
    click.echo(f"tenant   {tenant.id}\nAPI key  {made.secret}\nkey id   {made.key.id}")


@cli.group()
def keys() -> None:
    """Manage API keys."""


@keys.command("create")
@click.option("--tenant", "tenant_id", required=True, type=click.UUID, help="Whose key it is.")
@click.option("--name", default="made on the command line", help="What it is for.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    type=click.Choice([permission.value for permission in Permission]),
    help="May be given several times; none: all that a tenant's own key may have.",
)
def create_key(tenant_id: UUID, name: str, permissions: tuple[str, ...]) -> None:
    """Create an API key; it is shown once."""
    from postrider.control import keys as key_control

    allowed = frozenset(Permission(one) for one in permissions) or TENANT_PERMISSIONS
    with _services() as services:
        made = key_control.create_key(services, tenant_id, name=name, permissions=allowed, by=COMMAND_LINE)
    click.echo(f"API key  {made.secret}\nkey id   {made.key.id}")


@keys.command("revoke")
@click.argument("key_id", type=click.UUID)
@click.option("--tenant", "tenant_id", required=True, type=click.UUID, help="Whose key it is.")
def revoke_key(key_id: UUID, tenant_id: UUID) -> None:
    """End an API key for good."""
    from postrider.control import keys as key_control

    with _services() as services:
        key_control.revoke_key(services, tenant_id, key_id, by=COMMAND_LINE)
    click.echo("revoked")


@cli.group()
def secrets() -> None:
    """Manage the keys that encrypt stored secrets."""


@secrets.command("rotate")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Data folder of `postrider up`; without it the environment says which database and keys.",
)
@click.option("--new-key", is_flag=True, help="With --data-dir, while `up` is stopped: make a new key, drop the old.")
def rotate_secrets(data_dir: Path | None, *, new_key: bool) -> None:
    """Encrypt all stored secrets with the first key, so that the others can be removed.

    Everything may go on meanwhile. Exits with 1 when something could not be read, and names it.
    """
    from . import embedded, runtime

    if new_key and data_dir is None:
        raise click.UsageError("--new-key goes with --data-dir: elsewhere add a key to POSTRIDER_SECRET_KEYS")

    def tell(text: str) -> None:
        click.echo(text, err=True)

    if data_dir is None:
        done = runtime.rotate_keys(Settings(), tell=tell)
    else:
        done = embedded.rotate_keys(data_dir, Settings(), new_key=new_key, tell=tell)
    click.echo(f"encrypted anew {done.renewed}, under the first key {done.current}, under other keys {done.stale}")
    for name in done.unreadable:
        click.echo(f"cannot be read with any key: {name}")
    sys.exit(0 if done.complete else 1)


@contextmanager
def _services() -> Iterator[Services]:
    """Put together what a command needs; it rings nobody, so that it works while the broker is away."""
    from postrider.runtime import build

    settings = Settings().model_copy(update={"broker_url": SecretStr("memory://localhost")})
    runtime = build(settings)
    try:
        yield runtime.services
    finally:
        runtime.close()


if __name__ == "__main__":
    main()
