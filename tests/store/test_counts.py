"""Changes are folded into sums once, and pages read them in any step."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from uuid import UUID

import pytest
from alembic import command
from alembic.config import Config
from house import START, House
from sqlalchemy import func, insert, select

from postrider.domain.delivery import DeliveryStatus
from postrider.store import counts, folding
from postrider.store.counts import Count, LetterGroup
from postrider.store.engine import Database, Transaction
from postrider.store.migrate import alembic_config
from postrider.store.tables import count_changes, dead_letter_groups, deliveries
from postrider.store.tables import counts as counts_table
from postrider.store.tally import Standing, Tally

TENANT, OTHER_TENANT = UUID(int=1), UUID(int=2)
ONE, TWO, STRANGER = UUID(int=11), UUID(int=12), UUID(int=13)
PENDING = Standing(DeliveryStatus.PENDING)
MINUTE, QUARTER, HOUR = timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1)
BEFORE, AFTER = START - timedelta(days=1), START + timedelta(days=1)


def dead(error: str) -> Standing:
    return Standing(DeliveryStatus.DEAD, error)


def tell(
    database: Database,
    *,
    at: datetime = START,
    tenant: UUID = TENANT,
    of: UUID = ONE,
    published: int = 0,
    delivered: int = 0,
    failed: int = 0,
    backlog: int = 0,
    buried: str = "",
    taken_back: str = "",
) -> None:
    """Leave a change in a transaction of its own."""
    tally = Tally()
    tally.published(tenant, published)
    for _ in range(delivered):
        tally.delivered(tenant, of, bucket=5)
    for _ in range(failed):
        tally.failed(tenant, of)
    if backlog:
        was, now = (None, PENDING) if backlog > 0 else (PENDING, None)
        tally.moved(tenant, of, was=was, now=now, times=abs(backlog))
    if buried:
        tally.moved(tenant, of, was=PENDING, now=dead(buried))
    if taken_back:
        tally.moved(tenant, of, was=dead(taken_back), now=PENDING)
    with database.write() as tx:
        tally.write(tx, now=at)


def fold(database: Database, *, limit: int = 1_000) -> int:
    with database.write() as tx:
        return folding.any_tenant_fold(tx, limit=limit)


def series(
    database: Database, *, of: UUID | None = None, since: datetime, until: datetime, step: timedelta
) -> list[Count]:
    with database.read() as tx:
        return counts.series(tx, TENANT, integration_id=of, since=since, until=until, step=step)


def total(database: Database, *, of: UUID | None = None, since: datetime = BEFORE, until: datetime = AFTER) -> Count:
    with database.read() as tx:
        return counts.total(tx, TENANT, integration_id=of, since=since, until=until)


def groups(database: Database, *, of: UUID | None = None, limit: int = 10) -> list[LetterGroup]:
    with database.read() as tx:
        return counts.letter_groups(tx, TENANT, integration_id=of, limit=limit)


def backlogs(database: Database) -> dict[UUID, int]:
    with database.read() as tx:
        found = counts.backlog_of_each(tx, TENANT, [ONE, TWO, STRANGER])
        assert counts.backlog(tx, TENANT) == sum(found.values())
    return found


def unfolded(database: Database) -> int:
    with database.read() as tx:
        return tx.execute(select(func.count()).select_from(count_changes)).scalar_one()


def test_a_change_is_folded_once(database: Database) -> None:
    """Folding again finds nothing, and adds nothing."""
    tell(database, delivered=2, failed=1, backlog=5)

    assert (fold(database), fold(database)) == (1, 0)

    assert (total(database).delivered, total(database).failed) == (2, 1)
    assert backlogs(database) == {ONE: 5, TWO: 0, STRANGER: 0}


def test_sums_grow_over_folds(database: Database) -> None:
    """What is folded later comes to what was folded before, latencies and letters included."""
    for _ in range(3):
        tell(database, delivered=1, backlog=2, buried="http_500", published=4)
        fold(database)

    told = total(database)

    assert (told.published, told.delivered, told.died, told.latencies) == (12, 3, 3, {5: 3})
    assert backlogs(database)[ONE] == 3
    assert [(group.error, group.letters) for group in groups(database)] == [("http_500", 3)]


def test_a_fold_takes_no_more_than_it_may(database: Database) -> None:
    """What is left stands for the next one, and is in the numbers that are exact all the same."""
    for _ in range(5):
        tell(database, backlog=1, buried="timeout")

    assert fold(database, limit=2) == 2

    assert unfolded(database) == 3
    assert groups(database)[0].letters == 5
    assert [fold(database, limit=2) for _ in range(3)] == [2, 1, 0]
    assert groups(database)[0].letters == 5


def test_what_is_rolled_back_counts_nothing(database: Database) -> None:
    """Neither a move nor a fold that did not come to its end leaves a number behind."""
    tell(database, delivered=1, backlog=3, buried="timeout")

    with pytest.raises(ZeroDivisionError), database.write() as tx:
        folding.any_tenant_fold(tx, limit=10)
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), database.write() as tx:
        tally = Tally()
        tally.moved(TENANT, ONE, was=None, now=PENDING)
        tally.write(tx, now=START)
        raise ZeroDivisionError

    assert total(database).delivered == 0
    assert unfolded(database) == 1
    assert fold(database) == 1
    assert (total(database).delivered, backlogs(database)[ONE], groups(database)[0].letters) == (1, 2, 1)


def test_nothing_to_tell_leaves_nothing(database: Database) -> None:
    """A step from one status to another of the same kind is no change."""
    tally = Tally()
    tally.moved(TENANT, ONE, was=PENDING, now=Standing(DeliveryStatus.SENDING))
    tally.moved(TENANT, TWO, was=dead("timeout"), now=None)
    tally.moved(TENANT, TWO, was=None, now=dead("timeout"))
    tally.published(TENANT, 0)
    with database.write() as tx:
        tally.write(tx, now=START)

    assert unfolded(database) == 0


def test_many_who_fold_at_once_count_once(database: Database) -> None:
    """Each change is added by one of them, while others go on to make more."""
    together = Barrier(4)

    def work(number: int) -> int:
        together.wait()
        done = 0
        for _ in range(25):
            if number < 2:
                tell(database, delivered=1, backlog=1, buried="timeout")
            else:
                done += fold(database, limit=7)
        return done

    with ThreadPoolExecutor(4) as pool:
        folded = sum(pool.map(work, range(4)))
    while unfolded(database):
        folded += fold(database)

    assert folded == 50
    assert (total(database).delivered, total(database).latencies) == (50, {5: 50})
    assert groups(database)[0].letters == 50
    assert backlogs(database)[ONE] == 0


def test_one_folds_at_a_time(postgresql: Database) -> None:
    """Who finds another at it leaves it alone instead of waiting."""
    tell(postgresql, delivered=1)
    with postgresql.write() as tx:
        assert folding.any_tenant_fold(tx, limit=10) == 1

        assert fold(postgresql) == 0

    assert total(postgresql).delivered == 1


def test_a_series_has_no_gaps(database: Database) -> None:
    """Each step from that of `since` on is told, in its order, also when nothing happened in it."""
    tell(database, at=START + timedelta(minutes=1, seconds=59), delivered=1)
    tell(database, at=START + timedelta(minutes=4), failed=2)
    fold(database)

    told = series(
        database, of=ONE, since=START + timedelta(seconds=30), until=START + timedelta(minutes=5), step=MINUTE
    )

    assert [(one.begins_at - START, one.delivered, one.failed) for one in told] == [
        (MINUTE * 0, 0, 0),
        (MINUTE * 1, 1, 0),
        (MINUTE * 2, 0, 0),
        (MINUTE * 3, 0, 0),
        (MINUTE * 4, 0, 2),
    ]


@pytest.mark.parametrize("step", [MINUTE, MINUTE * 5, QUARTER, QUARTER * 2, HOUR, HOUR * 6])
def test_every_step_tells_the_same_sum(database: Database, step: timedelta) -> None:
    """Finer or coarser, what happened is in it once."""
    for minute in range(0, 100, 7):
        tell(database, at=START + MINUTE * minute, delivered=1, published=2)
    fold(database)

    told = series(database, since=START, until=START + HOUR * 2, step=step)

    assert sum(one.delivered for one in told) == 15
    assert sum(one.published for one in told) == 30
    assert sum(one.latencies.get(5, 0) for one in told) == 15
    assert [one.begins_at for one in told] == [START + step * place for place in range(len(told))]


@pytest.mark.parametrize("step", [timedelta(0), timedelta(seconds=90), timedelta(seconds=-60)])
def test_a_step_is_whole_minutes(database: Database, step: timedelta) -> None:
    """Anything else is a mistake of the caller."""
    with pytest.raises(ValueError, match="whole minutes"):
        series(database, since=START, until=START + HOUR, step=step)


def test_each_integration_has_its_own_series(database: Database) -> None:
    """Those that did nothing have one too, and another tenant's stay out."""
    tell(database, of=ONE, delivered=1)
    tell(database, of=TWO, delivered=2)
    tell(database, tenant=OTHER_TENANT, of=STRANGER, delivered=3, backlog=4, buried="timeout")
    fold(database)

    told = {
        one: series(database, of=one, since=START, until=START + MINUTE * 2, step=MINUTE)
        for one in (ONE, TWO, STRANGER)
    }

    assert {one: [count.delivered for count in its] for one, its in told.items()} == {
        ONE: [1, 0],
        TWO: [2, 0],
        STRANGER: [0, 0],
    }
    assert backlogs(database)[STRANGER] == 0
    assert groups(database) == []


@pytest.mark.parametrize("step", [QUARTER, HOUR, HOUR * 2, timedelta(days=1)])
def test_attempts_of_several_are_those_of_their_series(database: Database, step: timedelta) -> None:
    """What the database adds up is the same, step by step, as what the series have."""
    for minute in range(0, 300, 13):
        tell(database, at=START + MINUTE * minute, of=ONE, delivered=1, failed=minute % 3)
        tell(database, at=START - MINUTE * minute, of=TWO, delivered=2)
    tell(database, tenant=OTHER_TENANT, of=STRANGER, delivered=3)
    fold(database)
    asked = {"since": START - HOUR * 3, "until": START + HOUR * 4 + MINUTE, "step": step}

    with database.read() as tx:
        told = counts.attempts_of_each(tx, TENANT, [ONE, TWO, STRANGER], **asked)
    whole = {one: series(database, of=one, **asked) for one in (ONE, TWO, STRANGER)}

    assert {one: [(each.begins_at, each.delivered, each.failed) for each in its] for one, its in told.items()} == {
        one: [(each.begins_at, each.delivered, each.failed) for each in its] for one, its in whole.items()
    }
    assert sum(each.failed for each in told[ONE]) > 0


def test_attempts_are_told_by_the_quarter(database: Database) -> None:
    """A finer step is a mistake of the caller."""
    with database.read() as tx, pytest.raises(ValueError, match="quarters of an hour"):
        counts.attempts_of_each(tx, TENANT, [ONE], since=START, until=START + HOUR, step=MINUTE)


def test_a_total_goes_by_minutes_while_they_are_kept(database: Database) -> None:
    """What is older than `since` by minutes stays out of it, and what is forgotten by the minute is still in it."""
    tell(database, at=START - MINUTE * 5, delivered=1)
    tell(database, at=START + MINUTE * 5, delivered=2)
    fold(database)
    assert total(database, since=START - MINUTE * 4).delivered == 2
    assert total(database, since=START - MINUTE * 5).delivered == 3

    with database.write() as tx:
        folding.any_tenant_forget(tx, now=START + timedelta(hours=3), limit=100)

    assert total(database, since=START - MINUTE * 15).delivered == 3
    assert total(database, since=START + MINUTE * 1).delivered == 2


def test_sums_are_forgotten_after_their_terms(database: Database) -> None:
    """Minutes after two hours, quarters of an hour after eight days; no more at a time than asked for."""
    tell(database, delivered=1)
    fold(database)

    def forget(now: datetime, limit: int = 100) -> tuple[int, int]:
        with database.write() as tx:
            gone = folding.any_tenant_forget(tx, now=now, limit=limit)
            return gone, tx.execute(select(func.count()).select_from(counts_table)).scalar_one()

    assert forget(START + timedelta(hours=2)) == (0, 4)
    assert forget(START + timedelta(hours=2, seconds=1), limit=1) == (1, 3)
    assert forget(START + timedelta(hours=2, seconds=1)) == (1, 2)
    assert forget(START + timedelta(days=8)) == (0, 2)
    assert forget(START + timedelta(days=8, seconds=1)) == (2, 0)


def test_letters_are_grouped_by_integration_and_error(database: Database) -> None:
    """Those with the most come first; a group tells since when, and when the newest came."""
    for minute in range(3):
        tell(database, of=ONE, at=START + MINUTE * minute, buried="http_404")
    tell(database, of=TWO, at=START, buried="http_404")
    tell(database, of=TWO, at=START, buried='odd "word"')
    tell(database, of=TWO, at=START + MINUTE, buried='odd "word"')
    expected = [
        LetterGroup(ONE, "http_404", 3, START, START + MINUTE * 2),
        LetterGroup(TWO, 'odd "word"', 2, START, START + MINUTE),
        LetterGroup(TWO, "http_404", 1, START, START),
    ]

    assert groups(database) == expected
    fold(database, limit=3)
    assert groups(database) == expected
    fold(database)

    assert groups(database) == expected
    assert groups(database, limit=1) == expected[:1]
    assert groups(database, of=TWO) == expected[1:]


def test_a_letter_that_is_taken_back_does_not_look_new(database: Database) -> None:
    """When the newest was buried stays, until none is left: then the group is gone."""
    for minute in range(2):
        tell(database, at=START + MINUTE * minute, buried="timeout")
    fold(database)
    tell(database, at=START + HOUR, taken_back="timeout")

    assert groups(database) == [LetterGroup(ONE, "timeout", 1, START, START + MINUTE)]
    fold(database)
    assert groups(database) == [LetterGroup(ONE, "timeout", 1, START, START + MINUTE)]
    tell(database, at=START + HOUR, taken_back="timeout")
    assert groups(database) == []
    fold(database)

    assert groups(database) == []
    with database.read() as tx:
        assert tx.execute(select(func.count()).select_from(dead_letter_groups)).scalar_one() == 0


def test_the_oldest_that_waits(house: House) -> None:
    """Of a tenant, and of an integration; a try that failed does not make it younger."""
    first = house.integrate("http://127.0.0.1:9/", "order.paid", delivery={"retry_waits": [600]})
    second = house.integrate("http://127.0.0.1:9/", "order.*", "cart.updated")
    for name in ("cart.updated", "order.paid"):
        house.clock.move(minutes=1)
        house.publish(name)
        house.fan_out()
    began = house.clock.now()
    house.deliver()
    house.clock.move(minutes=1)
    house.publish("order.paid")
    house.fan_out()

    with house.services.database.read() as tx:
        waiting = [counts.oldest_waiting(tx, house.tenant.id, one) for one in (None, first.id, second.id, UUID(int=99))]
        assert counts.oldest_waiting(tx, UUID(int=98)) is None

    assert waiting == [began - MINUTE, began, began - MINUTE, None]


@pytest.fixture
def old_house(house: House) -> House:
    """Give a house in the shape of before there were counts."""
    with house.services.database.write() as tx:
        command.downgrade(_config(tx), "0002")
    return house


def _config(tx: Transaction) -> Config:
    config = alembic_config()
    config.attributes["connection"] = tx
    return config


def test_the_migration_counts_what_is_stored(old_house: House) -> None:
    """What waited and what was dead before is in the numbers from the begin."""
    database = old_house.services.database
    rows = [
        (ONE, "pending", "", 0),
        (ONE, "sending", "", 0),
        (ONE, "delivered", "", 0),
        (TWO, "pending", "timeout", 0),
        (TWO, "dead", "timeout", 1),
        (TWO, "dead", "timeout", 2),
        (TWO, "dead", "http_404", 3),
        (TWO, "discarded", "http_404", 4),
        (TWO, "skipped", "", 5),
    ]
    with database.write() as tx:
        tx.execute(
            insert(deliveries),
            [
                {
                    "id": UUID(int=100 + place),
                    "tenant_id": TENANT,
                    "event_id": UUID(int=200 + place),
                    "integration_id": of,
                    "event_type": "order.paid",
                    "status": status,
                    "error": error,
                    "created_at": START,
                    "updated_at": START + MINUTE * minutes,
                }
                for place, (of, status, error, minutes) in enumerate(rows)
            ],
        )
        command.upgrade(_config(tx), "head")

    assert backlogs(database) == {ONE: 2, TWO: 1, STRANGER: 0}
    assert groups(database) == [
        LetterGroup(TWO, "timeout", 2, START + MINUTE, START + MINUTE * 2),
        LetterGroup(TWO, "http_404", 1, START + MINUTE * 3, START + MINUTE * 3),
    ]
