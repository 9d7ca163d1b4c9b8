"""Publishing: a group shares a commit, keys make repeats harmless, and nobody pays for a neighbour."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from house import ORDER, House

from postrider.domain.errors import Conflict, Unavailable
from postrider.pipeline.publish import WAITING_BYTES, NewEvent, Published, Publisher, Publishing
from postrider.store import events
from postrider.store.events import EventFilter


@pytest.fixture
def publisher(house: House) -> Iterator[Publisher]:
    publisher = Publisher(house.services)
    publisher.start()
    yield publisher
    publisher.stop()


def request(
    house: House,
    *payloads: bytes,
    key: str | None = None,
    keys: tuple[str | None, ...] = (),
    body_hash: bytes = b"hash",
) -> Publishing:
    given = keys or (None,) * len(payloads)
    new = tuple(
        NewEvent("order.paid", payload, idempotency_key=one) for payload, one in zip(payloads, given, strict=True)
    )
    return Publishing(house.tenant.id, new, key, body_hash)


def stored(house: House) -> list[bytes]:
    with house.services.database.read() as tx:
        page = events.page(tx, house.tenant.id, EventFilter(event_type="order.paid"), before=None, limit=10_000)
        found = [events.get(tx, house.tenant.id, head.id) for head in reversed(page)]
    return [event.payload for event in found if event is not None]


def ids(answer: tuple[Published, ...]) -> list[UUID]:
    return [one.id for one in answer]


def test_an_answer_means_a_committed_row(house: House, publisher: Publisher) -> None:
    """When the future has its answer, another connection reads the event, byte for byte."""
    odd = b' {"price": 1.10, "big": 12345678901234567890.0, "price": 2} '

    (published,) = publisher.submit(request(house, odd)).result(10)

    with house.services.database.read() as tx:
        event = events.get(tx, house.tenant.id, published.id)
    assert event is not None
    assert event.payload == odd


def test_a_list_keeps_its_order(house: House, publisher: Publisher) -> None:
    """Events of one request have ids that sort in the order of the request."""
    payloads = [b"%d" % number for number in range(500)]

    answer = publisher.submit(request(house, *payloads)).result(10)

    assert ids(answer) == sorted(ids(answer))
    assert stored(house) == payloads


def test_concurrent_requests_all_get_their_own_answer(house: House, publisher: Publisher) -> None:
    """Requests that wait together share commits, and none gets another's ids."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: publisher.submit(request(house, b"%d" % number)).result(10), range(400)))

    by_id = {answer[0].id: number for number, answer in enumerate(answers)}
    assert len(by_id) == 400
    with house.services.database.read() as tx:
        found = [events.get(tx, house.tenant.id, event_id) for event_id in by_id]
    assert {event.id: event.payload for event in found if event is not None} == {
        one: b"%d" % number for one, number in by_id.items()
    }


def test_a_repeated_key_gives_the_first_ids_again(house: House, publisher: Publisher) -> None:
    """The same key with the same body stores nothing new."""
    first = publisher.submit(request(house, b"1", b"2", key="k")).result(10)

    again = publisher.submit(request(house, b"1", b"2", key="k")).result(10)

    assert again == first
    assert stored(house) == [b"1", b"2"]


def test_a_key_for_another_body_is_a_conflict(house: House, publisher: Publisher) -> None:
    """A key stands for one body; what comes under it with another is refused and not stored."""
    publisher.submit(request(house, b"1", key="k")).result(10)

    with pytest.raises(Conflict, match="idempotency key 'k'"):
        publisher.submit(request(house, b"2", key="k", body_hash=b"other")).result(10)
    assert stored(house) == [b"1"]


def test_a_key_is_free_after_a_day(house: House, publisher: Publisher) -> None:
    """A key older than 24 hours begins anew."""
    first = publisher.submit(request(house, b"1", key="k")).result(10)
    house.clock.move(hours=24, seconds=1)

    second = publisher.submit(request(house, b"2", key="k", body_hash=b"other")).result(10)

    assert ids(first) != ids(second)


def test_another_tenants_key_is_another_key(house: House, publisher: Publisher) -> None:
    """Keys belong to their tenant."""
    from postrider.control.tenants import create_tenant  # noqa: PLC0415

    other = create_tenant(house.services, name="other")
    first = publisher.submit(request(house, b"1", key="k")).result(10)

    second = publisher.submit(
        Publishing(other.id, (NewEvent("order.paid", b"2"),), idempotency_key="k", body_hash=b"other")
    ).result(10)

    assert ids(first) != ids(second)


def test_a_list_with_one_conflicting_event_stores_none(house: House, publisher: Publisher) -> None:
    """All of a list or nothing: the keys that its other events took are free again."""
    publisher.submit(request(house, b"1", keys=("a",))).result(10)

    with pytest.raises(Conflict):
        publisher.submit(request(house, b"new", b"changed", keys=("b", "a"))).result(10)
    publisher.submit(request(house, b"later", keys=("b",))).result(10)

    assert stored(house) == [b"1", b"later"]


def test_a_list_with_one_repeated_event_stores_the_others(house: House, publisher: Publisher) -> None:
    """A repeated event of a list gives its first id; the new ones beside it are stored."""
    (first,) = publisher.submit(request(house, b"1", keys=("a",))).result(10)

    again, new = publisher.submit(request(house, b"1", b"2", keys=("a", None))).result(10)

    assert again == first
    assert new.id != first.id
    assert stored(house) == [b"1", b"2"]


def test_one_key_published_by_many_at_once_is_stored_once(house: House, publisher: Publisher) -> None:
    """Two publishers racing with one key get the same ids."""
    second = Publisher(house.services)
    second.start()
    start = threading.Barrier(2)

    def publish(one: Publisher) -> list[Future[tuple[Published, ...]]]:
        start.wait()
        return [one.submit(request(house, b"1", key=f"k{number}")) for number in range(50)]

    with ThreadPoolExecutor(2) as pool:
        ours, theirs = pool.map(publish, (publisher, second))
    results = [(a.result(20), b.result(20)) for a, b in zip(ours, theirs, strict=True)]
    second.stop()

    assert all(ids(a) == ids(b) for a, b in results)
    assert len(stored(house)) == 50


def test_what_the_database_refuses_does_not_take_its_neighbours_along(house: House, publisher: Publisher) -> None:
    """A request whose tenant id is no id fails alone; the others of its group are stored."""
    bad = Publishing("not a tenant", (NewEvent("order.paid", b"bad"),), None, b"")  # type: ignore[arg-type]
    futures = [publisher.submit(request(house, b"%d" % number)) for number in range(20)]
    broken = publisher.submit(bad)
    futures += [publisher.submit(request(house, b"%d" % number)) for number in range(20, 40)]

    answers = [future.result(60) for future in futures]

    assert broken.exception(60) is not None
    assert len({one.id for answer in answers for one in answer}) == 40
    assert len(stored(house)) == 40


def test_no_more_waits_than_memory_can_hold(house: House) -> None:
    """While the database takes nothing, publishers are told to come again before their payloads fill the process."""
    publisher = Publisher(house.services)
    big = b" " * (WAITING_BYTES // 8)

    waiting = [publisher.submit(request(house, big)) for _ in range(8)]
    refused = publisher.submit(request(house, big))

    with pytest.raises(Unavailable, match="try again"):
        refused.result(1)
    assert not any(future.done() for future in waiting)


def test_a_stopped_publisher_refuses(house: House) -> None:
    """What comes after the stop is told so at once."""
    publisher = Publisher(house.services)
    publisher.start()
    publisher.stop()

    with pytest.raises(Unavailable):
        publisher.submit(request(house, ORDER)).result(1)


def test_an_unknown_tenants_events_are_nobodys(house: House, publisher: Publisher) -> None:
    """A tenant reads only its own events."""
    (published,) = publisher.submit(request(house, ORDER)).result(10)

    with house.services.database.read() as tx:
        assert events.get(tx, uuid4(), published.id) is None
