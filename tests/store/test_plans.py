"""No statement walks over a table that grows: all that the product sends is looked at as it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta

from growth.filling import HOT_TABLES, Amounts, fill
from growth.lap import run_lap
from growth.scene import Scene, furnish
from house import House, build_house
from pipeline.by_hand import claim
from plans import BY_INDEX, Planned, Scanned, planned, scanned
from servers.receiver import Receiver
from sqlalchemy import select, text

from postrider.control import integrations as integration_control
from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.pipeline.publish import NewEvent, Publishing, store_group
from postrider.pipeline.sweep import Sweep
from postrider.store.deliveries import DeliveryFilter
from postrider.store.engine import Database
from postrider.store.jobs import JobKind
from postrider.store.tables import events

AMOUNTS = Amounts(delivered=20_000, pending=4_000, letters=4_000)
DEAD = 50
MOST_ROWS = 2_500
"""That one scan may look at: what a turn of the sweep takes, twice over; the tables hold some ten times as many."""
GROWING = {*HOT_TABLES, "idempotency", "jobs", "audit_log"}


def work(house: House, receiver: Receiver) -> None:
    """Let an event live through all that can become of it, and people do what they can do with it."""
    integration = house.integrate(receiver.url, delivery={"retry_waits": []})
    publish_keyed(house)
    claim(house, integration.id)
    house.clock.move(seconds=31)
    sweep(house)
    receiver.answer(500)
    house.run_until_idle()
    (letter,) = house.deliveries(statuses=(DeliveryStatus.DEAD,), integration_id=integration.id)
    receiver.answer(200)
    redrive.redrive(house.services, house.tenant.id, letter.id)
    house.run_until_idle()
    redrive.replay(house.services, house.tenant.id, letter.event_id)
    house.fan_out()
    for kind in (JobKind.REDRIVE, JobKind.DISCARD):
        wanted = DeliveryFilter(statuses=(DeliveryStatus.DEAD,), integration_id=integration.id)
        redrive.start_job(house.services, house.tenant.id, kind=kind, wanted=wanted, rate=None, reason="")
    sweep(house)
    integration_control.delete(house.services, house.tenant.id, integration.id)
    house.clock.move(days=31)
    sweep(house)


def publish_keyed(house: House) -> None:
    publishing = Publishing(house.tenant.id, (NewEvent("order.paid", b"1"),), "key", b"hash")
    store_group(house.services, [publishing])
    house.fan_out()


def sweep(house: House) -> None:
    Sweep(house.services, wake=lambda _: None, fan_out=house.fan_out, every=timedelta(seconds=1)).turn()


def run_everything(scene: Scene, receiver: Receiver) -> None:
    run_lap(scene, lambda _: nullcontext())
    work(scene.house, receiver)


@contextmanager
def filled(database: Database) -> Iterator[Scene]:
    with build_house(database) as house:
        scene = furnish(house, dead=DEAD)
        with scene.connect() as connection:
            fill(connection, AMOUNTS, scene.owners)
            connection.execute("ANALYZE")
        yield scene


def too_many_rows(found: list[Planned]) -> dict[str, dict[str, int]]:
    """Tell which statements look at more rows of a growing table, or of an index, than they may."""
    return {
        one.statement: many
        for one in found
        if (many := {name: rows for name, rows in one.rows_looked_at().items() if rows > MOST_ROWS})
    }


def walks(found: list[Scanned]) -> dict[str, set[str]]:
    """Tell which statements walk over growing tables."""
    return {one.statement: many for one in found if (many := GROWING.intersection(one.tables))}


def test_postgresql_finds_all_by_an_index(postgresql: Database, receiver: Receiver) -> None:
    """Among thousands each statement looks at no more rows than it may take in hand."""
    with filled(postgresql) as scene, planned(postgresql, prepare=BY_INDEX) as found:
        run_everything(scene, receiver)

    assert len(found) > 100
    assert too_many_rows(found) == {}


def test_a_missing_index_of_postgresql_is_noticed(postgresql: Database, receiver: Receiver) -> None:
    """Without the index of what is due, the statements that look for it are named."""
    with filled(postgresql) as scene:
        with postgresql.write() as tx:
            tx.execute(text("DROP INDEX ix_deliveries_due"))
        with planned(postgresql, prepare=BY_INDEX) as found:
            run_lap(scene, lambda _: nullcontext())

    named = too_many_rows(found)
    assert any("SET status = 'sending'" in statement for statement in named)


def test_sqlite_finds_all_by_an_index(sqlite: Database, receiver: Receiver) -> None:
    """No statement scans a growing table there either."""
    with build_house(sqlite) as house:
        scene = furnish(house, dead=DEAD)
        with scanned(sqlite) as found:
            run_everything(scene, receiver)

    assert len(found) > 100
    assert walks(found) == {}


def test_a_scan_of_sqlite_is_noticed(sqlite: Database) -> None:
    """A statement that no index serves is named."""
    walk = select(events.c.id).where(events.c.origin == "test")
    with scanned(sqlite) as found, sqlite.read() as tx:
        tx.execute(walk)

    assert [set(tables) for tables in walks(found).values()] == [{"events"}]
