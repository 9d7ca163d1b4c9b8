"""Events are found by what stands in their payloads, a bounded part at a time."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from house import START

from postrider.domain.event import Event
from postrider.domain.ids import uuid7
from postrider.store import events
from postrider.store.engine import Database
from postrider.store.events import LOOKED_AT_BYTES, Found, search

SHOP, OTHER = UUID(int=1), UUID(int=2)


def event(number: int, payload: bytes, *, event_type: str = "order.paid", tenant_id: UUID = SHOP) -> Event:
    """Make the event of a second."""
    moment = START + timedelta(seconds=number)
    return Event(uuid7(moment, number), tenant_id, event_type, payload, moment)


def store(database: Database, *new: Event) -> list[UUID]:
    with database.write() as tx:
        events.add(tx, new)
    return [one.id for one in new]


def look(database: Database, text: str, **wanted: Any) -> Found:
    with database.read() as tx:
        return search(tx, SHOP, **{"text": text, "limit": 10, **wanted})


def found(database: Database, text: str, **wanted: Any) -> list[UUID]:
    return [head.id for head in look(database, text, **wanted).heads]


@pytest.mark.parametrize("text", ["Zoë", "東京", "🚚 x", 'say "hi"', "a\\b", "tab\there"])
@pytest.mark.parametrize("upper", [False, True])
def test_a_text_is_found_however_json_spells_it(database: Database, text: str, upper: bool) -> None:  # noqa: FBT001
    """As it is, and with escapes in small or capital letters."""
    escaped = json.dumps({"name": f"<{text}>"})
    if upper:
        escaped = "".join(
            part if not i else "\\u" + part[:4].upper() + part[4:] for i, part in enumerate(escaped.split("\\u"))
        )
    plain = json.dumps({"name": f"<{text}>"}, ensure_ascii=False)
    first, second, _ = store(
        database, event(1, plain.encode()), event(2, escaped.encode()), event(3, b'{"name":"<Zoe>"}')
    )

    assert json.loads(escaped) == json.loads(plain)
    assert found(database, text) == [second, first]


@pytest.mark.parametrize("text", ["%", "_", "order' OR 1=1", "\x00", "zoë", "Zoe"])
def test_a_text_is_a_text(database: Database, text: str) -> None:
    """No sign in it means anything else, and letters are not taken for similar ones."""
    store(database, event(1, '{"name":"Zoë"}'.encode()))

    assert found(database, text) == []


def test_a_fragment_of_json_is_found(database: Database) -> None:
    """Who knows the payload's bytes can look for them."""
    (wanted, _) = store(database, event(1, b'{"id":"1","total":1.10}'), event(2, b'{"id":"12","total":1.1}'))

    assert found(database, '"id":"1","total":1.10') == [wanted]


def test_only_ones_own_are_found(database: Database) -> None:
    """Another tenant's payloads are not looked at."""
    store(database, event(1, b'"needle"', tenant_id=OTHER))

    assert look(database, "needle") == Found([], None)


def test_type_and_time_narrow_the_look(database: Database) -> None:
    """They are those of lists."""
    ids = store(database, *(event(number, b'"x"', event_type=f"order.n{number % 2}") for number in range(6)))

    assert found(database, "x", event_type="order.n1") == [ids[5], ids[3], ids[1]]
    span = {"since": START + timedelta(seconds=2), "until": START + timedelta(seconds=4)}
    assert found(database, "x", **span) == [ids[3], ids[2]]
    assert found(database, "x", before=ids[2]) == [ids[1], ids[0]]


def test_a_look_is_bounded_and_goes_on(database: Database) -> None:
    """Each look says where the next begins, until all were looked at; nothing is found twice or left out."""
    ids = store(database, *(event(number, b'"needle"' if number % 7 == 0 else b'"hay"') for number in range(100)))
    told: list[UUID] = []
    looks, before = 0, None
    while looks == 0 or before is not None:
        part = look(database, "needle", before=before, looked_at=9, limit=2)
        told += [head.id for head in part.heads]
        before, looks = part.goes_on_before, looks + 1

    assert told == [ids[number] for number in range(98, -1, -7)]
    assert looks == 12


def test_a_full_page_goes_on_behind_its_last(database: Database) -> None:
    """What was looked at and not shown yet is not jumped over."""
    ids = store(database, *(event(number, b'"needle"') for number in range(5)))

    first = look(database, "needle", limit=2)
    second = look(database, "needle", limit=2, before=first.goes_on_before)
    third = look(database, "needle", limit=2, before=second.goes_on_before)

    assert [head.id for part in (first, second, third) for head in part.heads] == ids[::-1]
    assert third.goes_on_before is None


def test_large_payloads_make_a_look_short(database: Database) -> None:
    """It ends after so many bytes, and always looks at one event at least."""
    large = b'"' + b"x" * (LOOKED_AT_BYTES * 2 // 3) + b'"'
    ids = store(database, event(1, b'"needle"'), event(2, large), event(3, large))

    first = look(database, "needle")
    second = look(database, "needle", before=first.goes_on_before)

    assert (first.heads, first.goes_on_before) == ([], ids[2])
    assert [head.id for head in second.heads] == [ids[0]]
