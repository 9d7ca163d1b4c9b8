"""The page of the system."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from api import Api
from web.dashboard.visitor import Visitor

from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission
from postrider.settings import Settings
from postrider.store import processes, vitals
from postrider.store.engine import Database
from postrider.store.processes import Process, ProcessKind

PAGE = "/dashboard/system"
Visit = Callable[[str | None], Visitor]


def runs(api: Api, number: int, *, kind: ProcessKind = ProcessKind.WORKER, seen: timedelta = timedelta()) -> None:
    """Note a process, last seen so long ago."""
    now = api.house.clock.now()
    process = Process(
        id=UUID(int=number),
        kind=kind,
        host=f"machine-{number}",
        pid=4000 + number,
        version="0.0.1",
        started_at=now - timedelta(hours=1),
        seen_at=now - seen,
        in_flight=7,
    )
    with api.house.services.database.write() as tx:
        processes.any_tenant_seen(tx, process)


def test_versions_and_states_are_told(api: Api, pages: Visitor) -> None:
    """What Postrider, Python and the database are, that they answer, and how many rings wait in which queue."""
    page = pages.get(PAGE)

    assert page.status == 200
    assert "DatabaseSQLite 3." in page.text
    assert "Python3." in page.text
    assert "Databaseanswers in" in page.text


def test_processes_are_told_to_operators(api: Api, pages: Visitor) -> None:
    """Those that were seen lately are up; one that was killed is told apart, and one of another version."""
    runs(api, 1)
    runs(api, 2, seen=timedelta(minutes=5))
    runs(api, 3, kind=ProcessKind.WEB)

    page = pages.get(PAGE)

    assert "worker up machine-1 4001 0.0.1 differs 1 hour ago just now 7" in page.text
    assert "worker not seen machine-2 4002" in page.text
    assert "web up machine-3 4003 0.0.1 differs 1 hour ago just now —" in page.text
    assert "Attempts under way7of all tenants" in page.text
    assert "No worker was seen" not in page.text


def test_machines_and_settings_are_for_operators_alone(api: Api, reader: Visitor) -> None:
    """A tenant's key sees what waits, and not where it is worked on."""
    runs(api, 1)

    page = reader.get(PAGE)

    assert page.status == 200
    assert "Backlog" in page.text
    assert "machine-1" not in page.html
    assert "Settings" not in page.text


def test_a_missing_worker_is_told_to_everybody(api: Api, reader: Visitor) -> None:
    """Whoever asks where an event is has to know that nobody delivers, and what to run."""
    runs(api, 1, seen=timedelta(minutes=5))
    runs(api, 2, kind=ProcessKind.WEB)

    assert "No worker was seen within the last minute." in reader.get(PAGE).text


def test_what_waits_is_counted(api: Api, pages: Visitor) -> None:
    """Events that are not fanned out yet, and deliveries that have not arrived; of this tenant alone."""
    api.house.integrate("http://127.0.0.1:9/")
    for _ in range(3):
        api.publish()
    api.house.publish("order.paid", tenant=create_tenant(api.house.services, name="other"))
    before = pages.get(PAGE)
    api.house.fan_out()
    after = pages.get(PAGE)

    # Creating the integration is an event too.
    assert "Events waiting for fan-out4the oldest from" in before.text
    assert "Backlog0no delivery waits" in before.text
    assert "Events waiting for fan-out0" in after.text
    assert "Backlog3the oldest from" in after.text


def test_who_may_see_neither_is_told_neither(api: Api, visit: Visit) -> None:
    """Without the permission for events or deliveries their numbers are left out."""
    page = visit(api.new_key(Permission.INTEGRATIONS_READ)).get(PAGE)

    assert page.status == 200
    assert "fan-out" not in page.text.replace("postrider.fan_out", "")
    assert "Backlog" not in page.text


def test_an_old_event_that_is_replayed_waits_since_then(api: Api) -> None:
    """Not since it was published first."""
    (event,) = api.house.publish()
    api.house.fan_out()
    api.house.clock.move(hours=5)
    api.post(f"/v2/events/{event.id}/replay", {})

    with api.house.services.database.read() as tx:
        queue = vitals.fan_out_queue(tx, api.house.tenant.id)

    assert (queue.events, queue.oldest) == (1, api.house.clock.now())


def test_the_version_of_either_database_is_told(database: Database) -> None:
    """Its name and its number, without what a distribution adds."""
    with database.read() as tx:
        told = vitals.database_version(tx)

    name, number = told.split(" ")
    assert name == ("SQLite" if database.is_sqlite else "PostgreSQL")
    assert number.replace(".", "").isdigit()


def test_settings_are_told_without_their_secrets() -> None:
    """Every setting that is a secret is left out, and so is a password in the URL of another."""
    canary = "canary-canary-canary-canary"
    settings = Settings(
        database_url=f"postgresql://u:{canary}@db/x",  # type: ignore[arg-type]
        broker_url=f"redis://:{canary}@redis/0",  # type: ignore[arg-type]
        secret_keys=(canary,),  # type: ignore[arg-type]
        api_key=canary,  # type: ignore[arg-type]
        rate_limit_redis_url=f"redis://:{canary}@redis/1",  # type: ignore[arg-type]
        public_url=f"https://u:{canary}@postrider.example/{canary}",
        aws_endpoint_url=f"https://u:{canary}@aws.example/?{canary}",
        retention_days=7,
    )

    told = settings.shown()

    assert canary not in repr(told)
    assert settings.broker_kind() == "Redis"
    values = {name: value for name, value, _ in told}
    assert values["POSTRIDER_PUBLIC_URL"] == "https://postrider.example/…"
    assert values["POSTRIDER_RETENTION_DAYS"] == "7"
    secret = {"DATABASE_URL", "BROKER_URL", "SECRET_KEYS", "API_KEY", "RATE_LIMIT_REDIS_URL"}
    assert set(values) == {f"POSTRIDER_{name.upper()}" for name in Settings.model_fields} - {
        f"POSTRIDER_{name}" for name in secret
    }
