"""A change and its record are one: both are there, or neither."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle
from typing import Any
from uuid import UUID

import pytest
from house import House
from servers.receiver import Receiver
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from postrider.control import integrations, keys, tenants
from postrider.domain.access import COMMAND_LINE, POSTRIDER, Actor, ActorKind, Permission
from postrider.domain.audit import Action, AuditEntry, ObjectType, shown
from postrider.domain.errors import Conflict, NotFound
from postrider.pipeline import redrive
from postrider.pipeline.sweep import FORGET_LIMIT, forget
from postrider.store import audit_log
from postrider.store import tenants as stored_tenants
from postrider.store.audit_log import AuditFilter
from postrider.store.tables import audit_log as audit_table
from postrider.store.tenants import Tenant


def entries(house: House, **wanted: Any) -> list[AuditEntry]:
    """Read a tenant's audit log, oldest first."""
    with house.services.database.read() as tx:
        found = audit_log.page(tx, house.tenant.id, AuditFilter(**wanted), own_actors=False, before=None, limit=100_000)
    return found[::-1]


def actions(house: House, **wanted: Any) -> list[str]:
    return [entry.action.value for entry in entries(house, **wanted)]


def test_what_is_not_recorded_does_not_happen(house: House) -> None:
    """A transaction that ends without a record is rolled back."""
    tenant = Tenant(house.services.ids.new(), "unrecorded", "", house.clock.now())

    with house.services.change(COMMAND_LINE) as change:
        stored_tenants.add(change.tx, tenant)

    with house.services.database.read() as tx:
        assert stored_tenants.get(tx, tenant.id) is None


def test_what_cannot_be_recorded_does_not_happen(house: House) -> None:
    """Without a place for its record no change is made."""
    integration = house.integrate("http://127.0.0.1:9/")
    with house.services.database.write() as tx:
        tx.execute(text("DROP TABLE audit_log"))

    with pytest.raises(DBAPIError):
        house.change(integration, name="unrecorded")
    with pytest.raises(DBAPIError):
        keys.create_key(house.services, house.tenant.id, name="k", permissions=[Permission.EVENTS_READ])

    assert integrations.get(house.services, house.tenant.id, integration.id) == integration


def test_what_was_refused_is_not_recorded(house: House) -> None:
    """Only what was done stands in the log."""
    integration = house.integrate("http://127.0.0.1:9/")
    before = actions(house)

    with pytest.raises(NotFound):
        keys.revoke_key(house.services, house.tenant.id, UUID(int=1))
    with pytest.raises(NotFound):
        integrations.delete(house.services, house.tenant.id, UUID(int=1))
    house.publish("order.paid")
    house.fan_out()
    with pytest.raises(Conflict):
        redrive.undo_discard(house.services, house.tenant.id, house.only_delivery().id)
    house.change(integration, name=integration.name)
    integrations.set_enabled(house.services, house.tenant.id, integration.id, enabled=True)

    assert actions(house) == before


def test_a_record_says_who_what_when_and_from_where(house: House) -> None:
    """All of it is kept as it was at the moment of the change."""
    actor = Actor(ActorKind.API_KEY, house.tenant.id, UUID(int=7), name="mine", address="203.0.113.7")
    integration = house.integrate("http://127.0.0.1:9/")
    house.clock.move(hours=1)

    integrations.set_enabled(house.services, house.tenant.id, integration.id, enabled=False, by=actor)

    entry = entries(house)[-1]
    assert (entry.actor, entry.action, entry.object_id) == (actor, Action.INTEGRATION_DISABLED, str(integration.id))
    assert entry.changes == (shown("enabled", old=True, new=False),)
    assert entry.created_at == house.clock.now()


def test_postrider_records_what_it_does_by_itself(house: House, receiver: Receiver) -> None:
    """An integration that is switched off by a 410 has its record, whose actor is nobody."""
    house.integrate(receiver.url)
    receiver.answer(410)
    house.publish("order.paid")

    house.run_until_idle()

    (entry,) = entries(house, action=Action.INTEGRATION_DISABLED)
    assert entry.actor == POSTRIDER
    assert shown("disabled_reason", "", "gone") in entry.changes


def test_each_filter_finds_its_own(house: House) -> None:
    """By actor, action, kind of object, object and time, and all of them together."""
    mine = Actor(ActorKind.API_KEY, house.tenant.id, UUID(int=7), name="mine")
    integration = house.integrate("http://127.0.0.1:9/")
    house.clock.move(minutes=1)
    middle = house.clock.now()
    integrations.rotate_secret(house.services, house.tenant.id, integration.id, by=mine)
    house.clock.move(minutes=1)
    keys.create_key(house.services, house.tenant.id, name="k", permissions=[Permission.EVENTS_READ])

    rotated, made, born = "integration.secret_rotated", "integration.created", "tenant.created"
    assert actions(house) == [born, made, rotated, "api-key.created"]
    assert actions(house, actor_key_id=UUID(int=7)) == [rotated]
    assert actions(house, action=Action.INTEGRATION_CREATED) == [made]
    assert actions(house, object_type=ObjectType.INTEGRATION) == [made, rotated]
    assert actions(house, object_id=str(integration.id)) == [made, rotated]
    assert actions(house, since=middle) == [rotated, "api-key.created"]
    assert actions(house, until=middle) == [born, made]
    assert actions(house, since=middle, until=middle + timedelta(milliseconds=1)) == [rotated]
    assert actions(house, object_id=str(integration.id), until=middle, actor_key_id=UUID(int=7)) == []


QUESTIONS: list[tuple[dict[str, Any], str]] = [
    # Each of the five begins with the tenant, so that for these a planner may take any.
    ({}, "ix_audit_log_"),
    ({"since": True, "until": True}, "ix_audit_log_"),
    ({"action": Action.JOB_PAUSED}, "ix_audit_log_action"),
    ({"object_type": ObjectType.JOB}, "ix_audit_log_type"),
    ({"object_id": "x"}, "ix_audit_log_object"),
    ({"actor_key_id": UUID(int=7)}, "ix_audit_log_actor"),
]


def test_every_question_has_its_index(house: House) -> None:
    """A page is read by the index that fits what is asked; nobody walks the whole table."""
    fill(house, 5_000)

    plans = [(index, plan(house, wanted)) for wanted, index in QUESTIONS]

    assert [told for index, told in plans if index not in told] == []
    assert [told for _, told in plans if "Seq Scan" in told or "TEMP B-TREE" in told] == []


def fill(house: House, count: int) -> None:
    """Store so many entries of one kind, of a hundred tenants, that a planner minds which way it goes."""
    row = {
        "action": "event-type.added",
        "object_type": "event-type",
        "actor_kind": "postrider",
        "actor_name": "",
        "address": "",
        "changes": [],
        "created_at": house.clock.now(),
    }
    with house.services.database.write() as tx:
        owners = cycle([house.tenant.id, *house.services.ids.many(99)])
        made = zip(owners, house.services.ids.many(count), strict=False)
        tx.execute(insert(audit_table), [{**row, "tenant_id": t, "id": i, "object_id": str(i)} for t, i in made])
        tx.execute(text("ANALYZE"))


def plan(house: House, wanted: dict[str, Any]) -> str:
    """Read a page, and tell how the database said that it goes about it."""
    asked: list[tuple[str, Any]] = []
    now, database = house.clock.now(), house.services.database

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    with database.read() as tx:
        filters = {name: now if value is True else value for name, value in wanted.items()}
        audit_log.page(tx, house.tenant.id, AuditFilter(**filters), own_actors=False, before=None, limit=101)
    event.remove(database.engine, "before_cursor_execute", note)
    statement, parameters = asked[-1]
    with database.read() as tx:
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        return str([tuple(row) for row in tx.exec_driver_sql(f"{explain} {statement}", parameters)])


def test_old_entries_are_forgotten_in_bounded_turns(house: House) -> None:
    """After their term they go, a thousand a turn, oldest first; what is younger stays."""
    for number in range(FORGET_LIMIT + 10):
        with house.services.change(COMMAND_LINE) as change:
            change.record(house.tenant.id, Action.EVENT_TYPE_ADDED, f"order.n{number}")
    house.clock.move(days=365, milliseconds=1)
    tenants.create_tenant(house.services, name="young")

    turns = [forget(house.services), forget(house.services), forget(house.services)]

    assert turns == [FORGET_LIMIT, 11, 0]
    with house.services.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(audit_table)).scalar_one() == 1
