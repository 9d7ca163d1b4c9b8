"""Who gets in, and what they may do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from api import Api, only_error
from servers.process import wait_until

from postrider.control import keys, tokens
from postrider.control.tenants import create_tenant
from postrider.domain.access import TENANT_PERMISSIONS, Permission
from postrider.store import api_keys
from postrider.web.auth import KnownKeys

NOTHING = "00000000-0000-7000-8000-000000000000"
ROUTES = [
    ("GET", "/v2/events", "events:read"),
    ("GET", f"/v2/events/{NOTHING}", "events:read"),
    ("GET", f"/v2/events/{NOTHING}/deliveries", "deliveries:read"),
    ("POST", f"/v2/events/{NOTHING}/replay", "deliveries:redrive"),
    ("POST", "/v2/events", "events:publish"),
    ("GET", "/v2/event-types", "events:read"),
    ("POST", "/v2/event-types", "events:publish"),
    ("GET", "/v2/deliveries", "deliveries:read"),
    ("GET", f"/v2/deliveries/{NOTHING}", "deliveries:read"),
    ("POST", f"/v2/deliveries/{NOTHING}/redrive", "deliveries:redrive"),
    ("POST", f"/v2/deliveries/{NOTHING}/cancel", "deliveries:redrive"),
    ("POST", f"/v2/deliveries/{NOTHING}/discard", "deliveries:redrive"),
    ("POST", f"/v2/deliveries/{NOTHING}/undo-discard", "deliveries:redrive"),
    ("GET", "/v2/dead-letters", "deliveries:read"),
    ("POST", "/v2/dead-letters/redrive", "deliveries:redrive"),
    ("POST", "/v2/dead-letters/discard", "deliveries:redrive"),
    ("GET", "/v2/jobs", "deliveries:read"),
    ("GET", f"/v2/jobs/{NOTHING}", "deliveries:read"),
    ("POST", f"/v2/jobs/{NOTHING}/pause", "deliveries:redrive"),
    ("POST", f"/v2/jobs/{NOTHING}/resume", "deliveries:redrive"),
    ("POST", f"/v2/jobs/{NOTHING}/cancel", "deliveries:redrive"),
    ("GET", "/v2/tenants", "tenants:manage"),
    ("POST", "/v2/tenants", "tenants:manage"),
]
KEY_ROUTES = [("GET", "/v2/api-keys"), ("POST", "/v2/api-keys"), ("DELETE", f"/v2/api-keys/{NOTHING}")]
MINTED = keys.mint()


@pytest.mark.parametrize(("method", "path"), [*(route[:2] for route in ROUTES), *KEY_ROUTES])
def test_nobody_gets_in_without_a_key(refusing: Api, method: str, path: str) -> None:
    """Every route of the API is closed to who shows no key, and says how to show one."""
    answer = refusing.client.request(method, path)

    assert only_error(answer)["status"] == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_a_key_opens_what_it_may(refusing: Api, method: str, path: str, permission: str) -> None:
    """A key without the route's permission gets 403, which names it; one with nothing else is let in."""
    others = [one for one in Permission if one != permission]

    refused = refusing.call(method, path, key=refusing.new_key(*others))
    let_in = refusing.call(method, path, key=refusing.new_key(Permission(permission)))

    assert only_error(refused)["status"] == 403
    assert permission in only_error(refused)["detail"]
    assert let_in.status_code in {200, 400, 404, 415, 422}


@pytest.mark.parametrize(
    "authorization",
    [
        "", "Bearer", "Basic {key}", "{key}", "Bearer {key}x", "Bearer pr_wrong", "Bearer prt_",
        "Bearer prt_AAAA", "Bearer prt_" + "A" * 75, "Bearer prt_!!", "Bearer " + "x" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused(refusing: Api, authorization: str) -> None:
    """Nothing but a whole key behind `Bearer` counts."""
    headers = {"Authorization": authorization.format(key=refusing.key)}

    answer = refusing.client.get("/v2/events", headers=headers)

    assert only_error(answer)["status"] == 401
    assert refusing.key not in answer.text


def test_a_mistyped_key_is_told_so(refusing: Api) -> None:
    """The checksum of a made key tells a slip of the hand from a foreign key."""
    mistyped = MINTED[:-1] + ("a" if MINTED[-1] != "a" else "b")

    assert "checksum" in only_error(refusing.get("/v2/events", key=mistyped))["detail"]
    assert "checksum" not in only_error(refusing.get("/v2/events", key=MINTED))["detail"]


def test_the_scheme_has_no_case(refusing: Api) -> None:
    """`bearer` is `Bearer`, as HTTP says of schemes."""
    answer = refusing.client.get("/v2/events", headers={"Authorization": f"bearer {refusing.key}"})

    assert answer.status_code == 200


def test_an_expired_key_is_refused_at_once(api: Api) -> None:
    """A key's end is looked at with every request, though the key itself is remembered."""
    key = api.new_key(Permission.EVENTS_READ, expires_at=api.house.clock.now() + timedelta(minutes=1))
    before = api.get("/v2/events", key=key)

    api.house.clock.move(minutes=1)

    assert before.status_code == 200
    assert only_error(api.get("/v2/events", key=key))["status"] == 401


def test_a_revoked_key_ends_within_seconds(either_api: Api) -> None:
    """A key that another process revoked works for a few seconds more, where it was just seen, and then no more."""
    made = keys.create_key(
        either_api.house.services, either_api.house.tenant.id, name="k", permissions=[Permission.EVENTS_READ]
    )
    assert either_api.get("/v2/events", key=made.secret).status_code == 200

    keys.revoke_key(either_api.house.services, either_api.house.tenant.id, made.key.id)

    wait_until(lambda: either_api.get("/v2/events", key=made.secret).status_code == 401, "the key ended", seconds=10)


def test_a_key_revoked_here_ends_here_at_once(api: Api) -> None:
    """The process that revokes a key forgets it, and its access tokens, with the answer."""
    made = keys.create_key(api.house.services, api.house.tenant.id, name="k", permissions=[Permission.EVENTS_READ])
    token = tokens.issue(api.house.services.pepper, made.key, now=api.house.clock.now()).text
    before = [api.get("/v2/events", key=secret).status_code for secret in (made.secret, token)]

    api.call("DELETE", f"/v2/api-keys/{made.key.id}")

    assert before == [200, 200]
    assert [api.get("/v2/events", key=secret).status_code for secret in (made.secret, token)] == [401, 401]


def test_the_last_use_is_noted(either_api: Api) -> None:
    """A key shows when it was last used."""
    secret = either_api.new_key(Permission.EVENTS_READ)

    either_api.get("/v2/events", key=secret)

    wait_until(lambda: keys.find_key(either_api.house.services, secret).last_used_at is not None, "the use is noted")


def test_the_last_use_is_noted_once_a_minute(api: Api) -> None:
    """A busy key does not write with every request."""
    secret = api.new_key(Permission.EVENTS_READ)
    api.get("/v2/events", key=secret)
    wait_until(lambda: keys.find_key(api.house.services, secret).last_used_at is not None, "the use is noted")
    first = keys.find_key(api.house.services, secret).last_used_at

    api.house.clock.move(seconds=30)
    api.get("/v2/events", key=secret)
    api.app.state.authenticator.close()

    assert keys.find_key(api.house.services, secret).last_used_at == first


def test_tenants_do_not_see_each_other(either_api: Api) -> None:
    """What is one tenant's is 404 for another, or not in its lists."""
    other = create_tenant(either_api.house.services, name="other")
    stranger = either_api.new_key(*TENANT_PERMISSIONS, tenant=other)
    either_api.house.integrate("http://127.0.0.1:9/")
    event_id = either_api.publish()
    either_api.house.fan_out()
    delivery = either_api.house.only_delivery()
    job = either_api.post("/v2/dead-letters/discard", {"filter": {}}).json()["data"]

    lists = [either_api.get(f"/v2/{name}", key=stranger).json()["data"] for name in ("events", "deliveries", "jobs")]
    paths = [
        ("GET", f"/v2/events/{event_id}"),
        ("GET", f"/v2/events/{event_id}/deliveries"),
        ("POST", f"/v2/events/{event_id}/replay"),
        ("GET", f"/v2/deliveries/{delivery.id}"),
        ("POST", f"/v2/deliveries/{delivery.id}/cancel"),
        ("POST", f"/v2/deliveries/{delivery.id}/redrive"),
        ("GET", f"/v2/jobs/{job['id']}"),
        ("POST", f"/v2/jobs/{job['id']}/cancel"),
    ]

    assert lists == [[], [], []]
    assert {either_api.call(method, path, key=stranger).status_code for method, path in paths} == {404}
    assert either_api.house.only_delivery() == delivery


def test_known_keys_do_not_grow_without_end(api: Api) -> None:
    """However many keys are used, only so many are remembered."""
    known = KnownKeys()
    with api.house.services.database.read() as tx:
        (key,) = api_keys.list_all(tx, api.house.tenant.id)

    for number in range(25_000):
        known.put(number.to_bytes(4), key)

    assert len(known._found) <= 10_000
    assert known.get((24_999).to_bytes(4)) == key
