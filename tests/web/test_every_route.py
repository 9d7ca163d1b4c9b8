"""A walk along every route with every kind of key, and with another tenant's ids in every place that takes one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from api import Api, only_error
from servers.process import wait_until
from servers.receiver import Receiver
from sqlalchemy import select

from postrider.control import event_types, integrations, keys, tenants
from postrider.domain.access import TENANT_PERMISSIONS, ApiKey, Permission
from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.store import api_keys, deliveries
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind, JobStatus
from postrider.store.tables import metadata
from postrider.store.tenants import Tenant

from .routes import IN_MIXED_COMPANY, MARK, ROUTES, Route, Things, mixed

ABSENT = Things(*(str(uuid4()) for _ in range(6)))
CLOSED = [route for route in ROUTES if route.permission is not None]
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def name_of(value: object) -> str | None:
    return f"{value.method} {value.path}" if isinstance(value, Route) else None


@dataclass(frozen=True, slots=True)
class Ring:
    """One key of each kind."""

    single: dict[Permission, str]
    every: str
    nothing: str
    ended: dict[str, str]


@pytest.fixture(scope="module")
def ring(refusing: Api) -> Ring:
    services, tenant_id = refusing.house.services, refusing.house.tenant.id
    soon = refusing.house.clock.now() + timedelta(seconds=1)
    expired = refusing.new_key(*Permission, expires_at=soon)
    refusing.house.clock.move(seconds=1)
    revoked = keys.create_key(services, tenant_id, name="k", permissions=[*Permission])
    keys.revoke_key(services, tenant_id, revoked.key.id)
    unknown = keys.mint()
    return Ring(
        single={one: refusing.new_key(one) for one in Permission},
        every=refusing.new_key(*Permission),
        nothing=key_with_nothing(refusing),
        ended={
            "expired": expired,
            "revoked": revoked.secret,
            "unknown": unknown,
            "malformed": unknown[:-1] + ("a" if unknown[-1] != "a" else "b"),
            "short": "pr_",
            "no token": "prt_" + "A" * 75,
        },
    )


def key_with_nothing(api: Api) -> str:
    """Store a key without any permission, which no use case makes."""
    secret, now = keys.mint(), api.house.clock.now()
    key = ApiKey(
        api.house.services.ids.new(), api.house.tenant.id, "nothing", secret[:8], frozenset(), now, None, None, None
    )
    with api.house.services.database.write() as tx:
        api_keys.add(tx, key, keys.digest(api.house.services.pepper, secret))
    return secret


def test_the_table_has_every_route(refusing: Api) -> None:
    """A route that is not in the walk's table fails here, and so does an entry without its route."""
    declared = {(method, route.path) for route in refusing.app.state.routes for method in route.methods}
    described = {
        (method.upper(), path)
        for path, methods in refusing.client.get("/openapi.json").json()["paths"].items()
        for method in methods
    }

    assert {(route.method, route.path) for route in ROUTES} == declared
    assert len(ROUTES) == len(declared)
    assert {(route.method, route.plain_path) for route in ROUTES} == described


def test_the_table_has_every_place_that_takes_an_id(refusing: Api) -> None:
    """A path parameter, filter or member of a body that names something is tried with another tenant's."""
    document = refusing.client.get("/openapi.json").json()

    missing = [
        f"{route.method} {route.plain_path}: {place}"
        for route in ROUTES
        for place in places_for_ids(document, document["paths"][route.plain_path][route.method.lower()])
        if place not in tried(route)
    ]

    assert missing == []


def tried(route: Route) -> str:
    same = [one for one in (*ROUTES, *IN_MIXED_COMPANY) if (one.method, one.path) == (route.method, route.path)]
    return repr([(one.ids, one.queries, one.bodies) for one in same])


def places_for_ids(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    """Name the parameters and the body's members that are ids, or are called so. A cursor is a place in one's own."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"].endswith("_id"):
            yield parameter["name"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from members_for_ids(document, content["schema"])


def members_for_ids(document: dict[str, Any], schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from members_for_ids(document, each)
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        yield from members_for_ids(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for name, member in schema.get("properties", {}).items():
        if "'uuid'" in repr(member):
            yield name
    for value in schema.values():
        yield from members_for_ids(document, value)


@pytest.mark.parametrize("route", CLOSED, ids=name_of)
def test_what_is_no_key_opens_nothing(refusing: Api, ring: Ring, route: Route) -> None:
    """Without a key, or with one that is over, unknown or broken, every route answers 401 and how to show a key."""
    path = route.at(ABSENT)
    answers = {kind: refusing.call(route.method, path, key=key) for kind, key in ring.ended.items()}
    answers["none"] = refusing.client.request(route.method, path)
    answers["half a body"] = refusing.client.request(
        route.method, path, content=b'{"data":', headers={"Content-Type": "application/json"}
    )

    assert {kind: only_error(answer)["status"] for kind, answer in answers.items()} == dict.fromkeys(answers, 401)
    assert {answer.headers["www-authenticate"] for answer in answers.values()} == {"Bearer"}


@pytest.mark.parametrize("route", CLOSED, ids=name_of)
def test_a_key_opens_what_it_may_and_nothing_else(refusing: Api, ring: Ring, route: Route) -> None:
    """Each single permission opens its routes; every other key is answered 403 and told what it lacks."""
    asked = {**ring.single, None: ring.nothing}
    answers = {permission: refusing.call(route.method, route.at(ABSENT), key=key) for permission, key in asked.items()}

    let_in = answers.pop(route.permission)

    assert {only_error(answer)["status"] for answer in answers.values()} == {403}
    assert {str(route.permission) in answer.text for answer in answers.values()} == {True}
    assert let_in.status_code in {200, 400, 404, 415, 422}
    assert refusing.call(route.method, route.at(ABSENT), key=ring.every).status_code == let_in.status_code


@pytest.mark.parametrize("route", [route for route in ROUTES if route.permission is None], ids=name_of)
def test_open_routes_need_no_key(refusing: Api, ring: Ring, route: Route) -> None:
    """They answer the same whoever asks, with whatever key."""
    plain = refusing.client.request(route.method, route.path)

    answers = [refusing.call(route.method, route.path, key=key) for key in (ring.every, *ring.ended.values())]

    assert {answer.status_code for answer in answers} == {plain.status_code}


def furnish(api: Api, tenant: Tenant, receiver: Receiver, *, mark: str) -> Things:
    """Give a tenant one thing of each kind, with its mark wherever there is room for one."""
    services = api.house.services
    data = {
        "type": "integration",
        "name": mark,
        "enabled": True,
        "observes": ["order.paid"],
        "configuration": {"url": receiver.url_of(f"/{mark}"), "secret_key": mark},
        "delivery": {"retry_waits": []},
    }
    receiver.answer(400, path=f"/{mark}", body=mark.encode())
    integration = integrations.create(services, tenant.id, data)
    event_types.add(services, tenant.id, name=f"order.{mark}", description=mark)
    (event,) = api.house.publish("order.paid", payload=json.dumps({"data": mark}).encode(), tenant=tenant)
    api.house.run_until_idle()
    with services.database.read() as tx:
        dead = DeliveryFilter(statuses=(DeliveryStatus.DEAD,), event_id=event.id)
        (delivery,) = deliveries.page(tx, tenant.id, dead, before=None, limit=2)
    job = redrive.start_job(
        services,
        tenant.id,
        kind=JobKind.DISCARD,
        wanted=DeliveryFilter(event_type="order.none"),
        rate=None,
        reason=mark,
    )
    redrive.change_job(services, tenant.id, job.id, to=JobStatus.PAUSED)
    key = keys.create_key(services, tenant.id, name=mark, permissions=TENANT_PERMISSIONS).key
    return Things(*(str(one) for one in (event.id, integration.id, delivery.id, job.id, key.id, tenant.id)))


def rows_of(api: Api, tenant_id: UUID) -> list[Any]:
    """Read all that the database has of a tenant."""
    with api.house.services.database.read() as tx:
        return [
            sorted(str(tuple(row)) for row in tx.execute(select(table).where(table.c.tenant_id == tenant_id)))
            for table in metadata.sorted_tables
            if "tenant_id" in table.c
        ]


def step(api: Api, route: Route, path: str, body: Any, *, key: str) -> tuple[int, str]:
    """Knock at a route; gives the status and the answer with a word for every id."""
    answer = api.call(route.method, path, key=key, **({} if body is None else {"json": body}))
    assert MARK not in answer.text, (route, answer.text)
    return answer.status_code, _ID.sub("<id>", answer.text)


def differences(api: Api, route: Route, own: Things, others: Things, *, key: str) -> list[str]:
    """Try a route with another tenant's ids and with ids of nothing; lists where the answers are wrong."""
    foreign, absent = (
        [request for things in mixed(own, other, route.used()) for request in route.requests(things)]
        for other in (others, ABSENT)
    )
    found = []
    for (path, body), (nowhere, without) in zip(foreign, absent, strict=True):
        told, plain = step(api, route, path, body, key=key), step(api, route, nowhere, without, key=key)
        if told != plain or told[0] not in route.told:
            found.append(f"{route.method} {path} {body}: {told}, and for what is not there {plain}")
    return found


def test_nobody_finds_another_tenants_things(either_api: Api, receiver: Receiver) -> None:
    """Wherever an id goes, another tenant's is answered as one that was never given, and nothing of theirs changes."""
    api, other = either_api, tenants.create_tenant(either_api.house.services, name=MARK)
    own, others = (
        furnish(api, api.house.tenant, receiver, mark="mine"),
        furnish(api, other, receiver, mark=MARK),
    )
    key, before = api.new_key(*TENANT_PERMISSIONS), rows_of(api, other.id)
    api.get("/v2/events", key=key)
    wait_until(lambda: keys.find_key(api.house.services, key).last_used_at is not None, "the use is noted")

    found = [each for route in (*CLOSED, *IN_MIXED_COMPANY) for each in differences(api, route, own, others, key=key)]
    redrive.step_jobs(api.house.services)

    assert found == []
    assert rows_of(api, other.id) == before


def test_operators_look_into_other_tenants_by_their_own_doors_only(either_api: Api, receiver: Receiver) -> None:
    """To manage tenants is to make them, their keys and to read their audit log: not to read or move what they send."""
    api, other = either_api, tenants.create_tenant(either_api.house.services, name="fish")
    own, others = (
        furnish(api, api.house.tenant, receiver, mark="mine"),
        furnish(api, other, receiver, mark=MARK),
    )
    doors = ("/v2/tenants", "/v2/api-keys", "/v2/audit-log")
    before = rows_of(api, other.id)

    found = [
        each
        for route in (*CLOSED, *IN_MIXED_COMPANY)
        if not route.path.startswith(doors)
        for each in differences(api, route, own, others, key=api.key)
    ]

    assert found == []
    assert rows_of(api, other.id) == before


def test_the_walk_would_notice(either_api: Api, receiver: Receiver) -> None:
    """With the other tenant's own key the same steps find its things: the walk knocks at real doors."""
    api, other = either_api, tenants.create_tenant(either_api.house.services, name="fish")
    own, others = (
        furnish(api, api.house.tenant, receiver, mark="mine"),
        furnish(api, other, receiver, mark="theirs"),
    )
    key = api.new_key(*TENANT_PERMISSIONS, tenant=other)
    reading = [route for route in CLOSED if route.method == "GET" and route.ids]

    unnoticed = [route.path for route in reading if not differences(api, route, own, others, key=key)]

    assert unnoticed == []
    assert len(reading) >= 7
