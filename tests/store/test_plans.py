"""No statement walks over a table that grows: all that the product sends is looked at as it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from uuid import UUID

from growth.filling import LETTER_ERROR, Amounts, fill, fill_counts
from growth.lap import run_lap
from growth.scene import Scene, furnish
from house import START, House, build_house
from pipeline.by_hand import claim
from plans import BY_INDEX, Planned, Stepped, planned, stepped
from servers.receiver import Receiver
from sqlalchemy import select, text

from postrider.control import integrations as integration_control
from postrider.domain.audit import Action
from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.pipeline.publish import NewEvent, Publishing, store_group
from postrider.pipeline.sweep import Sweep
from postrider.store import (
    audit_log,
    claims,
    counts,
    deliveries,
    event_types,
    folding,
    integration_list,
    standings,
    vitals,
)
from postrider.store import events as stored_events
from postrider.store.deliveries import DeliveryFilter
from postrider.store.engine import Database
from postrider.store.events import EventFilter
from postrider.store.integration_list import ListFilter
from postrider.store.jobs import JobKind
from postrider.store.tables import events

AMOUNTS = Amounts(delivered=20_000, pending=10_000, letters=4_000)
DEAD = 2
MOST_ROWS = 2_500
"""That one scan may look at: what a turn of the sweep takes, twice over; the tables hold some ten times as many."""
MOST_STEPS = 30_000
"""Of SQLite's machine: as a page of a hundred takes several times over; to look at all that there is takes more."""
WALKED_BY_SQLITE = ("deliveries.event_type = ?", "deliveries.status IN ('skipped', 'discarded')")
"""Filters that walk over a tenant there: an embedded one is small, and each index costs each delivery."""
# An id begins with the milliseconds of its making.
_FILL_SQLITE = (
    """
    INSERT INTO events (id, tenant_id, event_type, payload, origin, created_at, fanned_out_at)
    SELECT printf('%012x70008%015x', made / 1000, place), :tenant, 'order.refunded', '1', 'published', made, made
    FROM (WITH RECURSIVE n (place) AS (SELECT 1 UNION ALL SELECT place + 1 FROM n LIMIT :amount)
          SELECT place, :now - (:amount - place) * :apart AS made FROM n)
    """,
    """
    INSERT INTO deliveries (id, tenant_id, event_id, integration_id, event_type, status, due_at, error, created_at,
                            updated_at)
    SELECT substr(id, 1, 12) || '70009' || substr(id, 18), tenant_id, id, :integration, event_type, :status,
           CASE :status WHEN 'pending' THEN created_at END, :error, created_at, created_at
    FROM events WHERE event_type = 'order.refunded' AND id NOT IN (SELECT event_id FROM deliveries)
    """,
    """
    INSERT INTO attempts (id, delivery_id, tenant_id, integration_id, number, started_at, duration_ms, verdict,
                          decision, error, detail, response_headers, response_body, late, created_at)
    SELECT id, id, tenant_id, integration_id, 1, created_at, 1.0, 'delivered', 'finish', '', '', '{}', '', 0, created_at
    FROM deliveries WHERE status <> 'pending' AND id NOT IN (SELECT delivery_id FROM attempts)
    """,
    """
    INSERT OR IGNORE INTO counts (tenant_id, integration_id, step_seconds, begins_at, published, delivered, failed,
                                  died, latencies)
    SELECT :tenant, CASE owner WHEN 1 THEN :integration ELSE printf('%032x', owner) END, step,
           :now - n * step * 1000000, 0, 90, 10, 1, json_object('5', 60, '6', 30)
    FROM (WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n LIMIT 768) SELECT n FROM n),
         (SELECT 60 AS step, 120 AS most UNION ALL SELECT 900, 768),
         (WITH RECURSIVE o (owner) AS (SELECT 0 UNION ALL SELECT owner + 1 FROM o LIMIT 20) SELECT owner FROM o)
    WHERE n < most
    """,
)


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


def read_beside_lists(scene: Scene) -> None:
    """Read what the dashboard shows beside events, deliveries and dead letters."""
    letters = DeliveryFilter(statuses=(DeliveryStatus.DEAD,), integration_id=scene.healthy[1], error=LETTER_ERROR)
    with scene.database.read() as tx:
        heads = stored_events.page(tx, scene.tenant, EventFilter(), before=None, limit=50)
        standings.statuses_of_each(tx, scene.tenant, [head.id for head in heads])
        for head in heads[:2]:
            stored_events.waits(tx, scene.tenant, head.id)
        for wanted in (DeliveryFilter(), letters):
            ids = [one.id for one in deliveries.page(tx, scene.tenant, wanted, before=None, limit=101)]
            assert ids
            standings.last_attempts(tx, scene.tenant, ids)
            standings.discarding_jobs(tx, scene.tenant, ids)
            objects = [str(delivery_id) for delivery_id in ids]
            audit_log.latest_of_each(tx, scene.tenant, objects, [Action.DELIVERY_DISCARDED], limit=100)
        assert vitals.fan_out_queue(tx, scene.tenant).events == 0
        assert event_types.observers(tx, scene.tenant)
        assert integration_list.page(tx, scene.tenant, ListFilter(failing=True), behind=None, limit=31)
        assert integration_list.standings(tx, scene.tenant).failing
        assert integration_list.troubled(tx, scene.tenant, limit=10)
        until = scene.house.clock.now()
        since = until - timedelta(days=1)
        counts.attempts_of_each(tx, scene.tenant, scene.healthy, since=since, until=until, step=timedelta(hours=1))


def run_everything(scene: Scene, receiver: Receiver) -> None:
    run_lap(scene, lambda _: nullcontext())
    read_beside_lists(scene)
    work(scene.house, receiver)


@contextmanager
def filled(database: Database) -> Iterator[Scene]:
    with build_house(database) as house:
        scene = furnish(house, dead=DEAD)
        with scene.connect() as connection:
            fill(connection, AMOUNTS, scene.owners)
            connection.execute("ANALYZE")
        yield scene


@contextmanager
def filled_sqlite(database: Database) -> Iterator[Scene]:
    """Fill with as much of each; nothing is past its term, because what is forgotten takes steps too."""
    with build_house(database) as house:
        scene = furnish(house, dead=DEAD)
        for amount, integration, status, error in (
            (AMOUNTS.letters, scene.healthy[1], "dead", LETTER_ERROR),
            (AMOUNTS.pending, scene.dead[0], "pending", ""),
            (AMOUNTS.delivered, scene.healthy[1], "delivered", ""),
        ):
            values = {
                "tenant": scene.tenant.hex,
                "integration": integration.hex,
                "status": status,
                "error": error,
                "amount": amount,
                "now": int(house.clock.now().timestamp() * 1_000_000),
                "apart": 1_000_000,
            }
            with database.write() as tx:
                for statement in _FILL_SQLITE:
                    tx.execute(text(statement), values)
        yield scene


def too_many_rows(found: list[Planned]) -> dict[str, dict[str, int]]:
    """Tell which statements look at more rows of a growing table, or of an index, than they may."""
    return {
        one.statement: many
        for one in found
        if (many := {name: rows for name, rows in one.rows_looked_at().items() if rows > MOST_ROWS})
    }


def too_many_steps(found: list[Stepped]) -> dict[str, int]:
    """Tell which statements take more steps than they may."""
    return {
        one.statement: one.steps
        for one in found
        if one.steps > MOST_STEPS and not any(words in one.statement for words in WALKED_BY_SQLITE)
    }


def test_postgresql_finds_all_by_an_index(postgresql: Database, receiver: Receiver) -> None:
    """Among thousands each statement looks at no more rows than it may take in hand."""
    with filled(postgresql) as scene, planned(postgresql, prepare=BY_INDEX) as found:
        run_everything(scene, receiver)

    assert len(found) > 100
    assert too_many_rows(found) == {}


def test_counts_past_their_term_are_found_without_reading_all_counts(postgresql: Database) -> None:
    """Left to choose, and with the statistics of a full table, PostgreSQL walks along the index of their beginnings."""
    with filled(postgresql) as scene:
        with scene.connect() as connection:
            fill_counts(connection, scene.owners, [UUID(int=number) for number in range(1, 201)])
            connection.execute("ANALYZE counts")
        with planned(postgresql) as found, postgresql.write() as tx:
            folding.any_tenant_forget(tx, now=START, limit=1_000)

    assert found
    assert too_many_rows(found) == {}


def test_no_plan_is_kept_from_when_the_tables_were_empty(postgresql: Database) -> None:
    """However often a statement was sent, the server plans it for the rows that there are by then."""
    kept = text("SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements")
    for way in (postgresql.read, postgresql.write_once, postgresql.write_lightly):
        with way() as tx:
            for _ in range(20):
                claims.any_tenant_suspect_due(tx, UUID(int=1), now=START)
            generic, custom = tx.execute(kept).one()

        assert (generic, custom > 10) == (0, True)


def test_a_missing_index_of_postgresql_is_noticed(postgresql: Database, receiver: Receiver) -> None:
    """Without the indexes of what is due and of what waits, the statements that look for it are named."""
    with filled(postgresql) as scene:
        with postgresql.write() as tx:
            tx.execute(text("DROP INDEX ix_deliveries_due, ix_deliveries_listed"))
        with planned(postgresql, prepare=BY_INDEX) as found:
            run_lap(scene, lambda _: nullcontext())

    named = too_many_rows(found)
    assert any("SET status = 'sending'" in statement for statement in named)


def test_sqlite_finds_all_by_an_index(sqlite: Database) -> None:
    """Nor does any walk over a table there: its steps are those of a page, or of a batch."""
    with filled_sqlite(sqlite) as scene, stepped(sqlite) as found:
        run_lap(scene, lambda _: nullcontext())
        read_beside_lists(scene)

    assert len(found) > 30
    assert too_many_steps(found) == {}


def test_a_scan_of_sqlite_is_noticed(sqlite: Database) -> None:
    """A statement that no index serves is named."""
    walk = select(events.c.id).where(events.c.origin == "test")
    with filled_sqlite(sqlite), stepped(sqlite) as found, sqlite.read() as tx:
        tx.execute(walk)

    assert list(too_many_steps(found).values()) > [MOST_STEPS]
