"""Tenants and API keys over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from api import Api, only_error

from postrider.control import keys
from postrider.control.keys import create_key
from postrider.control.tenants import create_tenant
from postrider.domain.access import TENANT_PERMISSIONS, Permission


def test_a_tenant_gets_a_key_and_works(either_api: Api) -> None:
    """An operator makes a tenant and its first key, and the tenant sees its own things with it."""
    tenant = either_api.post("/v2/tenants", {"name": " Fish ", "org_id": "o-1"})
    made = either_api.post("/v2/api-keys", {"name": "first", "tenant_id": tenant.json()["data"]["id"]})

    assert (tenant.status_code, made.status_code) == (201, 201)
    assert (tenant.json()["data"]["name"], tenant.json()["data"]["org_id"]) == ("Fish", "o-1")
    key = made.json()["data"]
    assert key["permissions"] == sorted(TENANT_PERMISSIONS)
    assert key["key"].startswith(key["prefix"])
    assert either_api.get("/v2/events", key=key["key"]).json()["data"] == []
    assert either_api.get("/v2/tenants", key=key["key"]).status_code == 403
    assert [one["name"] for one in either_api.data("/v2/tenants")] == ["Fish", "shop"]


def test_a_key_is_shown_once(either_api: Api) -> None:
    """The list of keys tells them apart by their first characters, and holds none."""
    secret = either_api.post("/v2/api-keys", {"name": "mine"}).json()["data"]["key"]

    listed = either_api.get("/v2/api-keys")

    assert [key["name"] for key in listed.json()["data"]] == ["mine", "test"]
    assert listed.json()["data"][0]["prefix"] == secret[:8]
    assert secret[8:] not in listed.text


def test_the_oldest_of_many_keys_could_not_be_seen(either_api: Api) -> None:
    """Page by page all keys of the tenant come, each once and newest first, the revoked ones too, and no other's."""
    other = create_tenant(either_api.house.services, name="other")
    made = ["test", *(f"key {number}" for number in range(5))]
    for name in made[1:]:
        key_id = either_api.post("/v2/api-keys", {"name": name}).json()["data"]["id"]
        either_api.post("/v2/api-keys", {"name": "theirs", "tenant_id": str(other.id)})
    either_api.call("DELETE", f"/v2/api-keys/{key_id}")

    seen: list[str] = []
    following: str | None = "/v2/api-keys?page[limit]=4"
    while following:
        page = either_api.get(following).json()
        seen += [key["name"] for key in page["data"]]
        following = page["links"]["next"]

    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("page[limit]=101", "page[limit]"), ("page[cursor]=x", "page[cursor]"), ("name=mine", "name")],
)
def test_a_wrong_page_of_keys_is_named(api: Api, query: str, parameter: str) -> None:
    """A page that is none is refused by its parameter's name."""
    answer = api.get(f"/v2/api-keys?{query}")

    assert answer.status_code == 422
    assert only_error(answer)["source"] == {"parameter": parameter}


def test_a_key_hands_out_no_more_than_it_has(api: Api) -> None:
    """Asking for a permission that the calling key lacks is 403; without asking, the new key gets what the old has."""
    key = api.new_key(Permission.INTEGRATIONS_WRITE, Permission.EVENTS_READ)

    refused = api.post("/v2/api-keys", {"name": "k", "permissions": ["events:read", "deliveries:read"]}, key=key)
    same = api.post("/v2/api-keys", {"name": "k"}, key=key)
    less = api.post("/v2/api-keys", {"name": "k", "permissions": ["events:read"]}, key=key)

    assert only_error(refused)["status"] == 403
    assert "deliveries:read" in only_error(refused)["detail"]
    assert same.json()["data"]["permissions"] == ["events:read", "integrations:write"]
    assert less.json()["data"]["permissions"] == ["events:read"]


def test_a_key_that_changes_nothing_makes_no_keys(api: Api) -> None:
    """Making, listing and revoking keys is for keys that may write integrations."""
    key = api.new_key(Permission.EVENTS_PUBLISH)

    made = api.post("/v2/api-keys", {"name": "k"}, key=key)
    listed = api.get("/v2/api-keys", key=key)

    assert [only_error(answer)["status"] for answer in (made, listed)] == [403, 403]


def test_a_key_never_outlives_the_one_that_made_it(api: Api) -> None:
    """Without a date the new key ends with its maker; a later date is refused."""
    soon = api.house.clock.now() + timedelta(hours=1)
    maker = create_key(
        api.house.services, api.house.tenant.id, name="m", permissions=TENANT_PERMISSIONS, expires_at=soon
    ).secret
    late = {"name": "k", "expires_at": (soon + timedelta(seconds=1)).isoformat()}

    made = api.post("/v2/api-keys", {"name": "k"}, key=maker).json()["data"]
    error = only_error(api.post("/v2/api-keys", late, key=maker))

    assert datetime.fromisoformat(made["expires_at"]) == soon
    assert (error["status"], error["source"]["pointer"]) == (422, "/data/expires_at")


def test_only_operators_make_keys_of_other_tenants(api: Api) -> None:
    """A tenant's key cannot make another tenant's."""
    other = create_tenant(api.house.services, name="other")
    key = api.new_key(*TENANT_PERMISSIONS)

    error = only_error(api.post("/v2/api-keys", {"name": "k", "tenant_id": str(other.id)}, key=key))

    assert error["status"] == 403
    assert "tenants:manage" in error["detail"]


def test_revoking_shows_when(either_api: Api) -> None:
    """A revoked key stays in the list with its end; revoking it again changes nothing."""
    key_id = either_api.post("/v2/api-keys", {"name": "mine"}).json()["data"]["id"]

    first = either_api.call("DELETE", f"/v2/api-keys/{key_id}").json()["data"]
    either_api.house.clock.move(hours=1)
    second = either_api.call("DELETE", f"/v2/api-keys/{key_id}").json()["data"]

    assert first["revoked_at"] == "2026-11-22T12:00:00Z"
    assert second["revoked_at"] == first["revoked_at"]
    assert either_api.data("/v2/api-keys")[0]["revoked_at"] == first["revoked_at"]


def test_a_key_cannot_revoke_a_stronger_one(api: Api) -> None:
    """Who may do less cannot lock out who may do more."""
    weak, strong = api.new_key(Permission.EVENTS_READ), keys.find_key(api.house.services, api.key)

    error = only_error(api.call("DELETE", f"/v2/api-keys/{strong.id}", key=weak))

    assert error["status"] == 403
    assert api.get("/v2/events").status_code == 200


def test_a_foreign_key_is_not_there(api: Api) -> None:
    """Another tenant's key is 404, but for operators."""
    other = create_tenant(api.house.services, name="other")
    made = keys.create_key(api.house.services, other.id, name="k", permissions=[Permission.EVENTS_READ])

    stranger = api.call("DELETE", f"/v2/api-keys/{made.key.id}", key=api.new_key(*TENANT_PERMISSIONS))
    operator = api.call("DELETE", f"/v2/api-keys/{made.key.id}")

    assert (stranger.status_code, operator.status_code) == (404, 200)


@pytest.mark.parametrize(
    ("path", "data", "pointer"),
    [
        ("/v2/tenants", {}, "/data/name"),
        ("/v2/tenants", {"name": " "}, "/data/name"),
        ("/v2/tenants", {"name": "a" * 256}, "/data/name"),
        ("/v2/tenants", {"name": "a\x00"}, "/data/name"),
        ("/v2/tenants", {"name": 1}, "/data/name"),
        ("/v2/tenants", {"name": "a", "org_id": "\n\x01"}, "/data/org_id"),
        ("/v2/tenants", {"name": "a", "nmae": "b"}, "/data/nmae"),
        ("/v2/tenants", {"name": "a", "type": "shop"}, "/data/type"),
        ("/v2/api-keys", {}, "/data/name"),
        ("/v2/api-keys", {"name": ""}, "/data/name"),
        ("/v2/api-keys", {"name": "k", "permissions": []}, "/data/permissions"),
        ("/v2/api-keys", {"name": "k", "permissions": ["all"]}, "/data/permissions/0"),
        ("/v2/api-keys", {"name": "k", "permissions": "events:read"}, "/data/permissions"),
        ("/v2/api-keys", {"name": "k", "expires_at": "2020-01-01T00:00:00Z"}, "/data/expires_at"),
        ("/v2/api-keys", {"name": "k", "expires_at": "2030-01-01T00:00:00"}, "/data/expires_at"),
        ("/v2/api-keys", {"name": "k", "expires_at": "9999-12-31T23:59:59-14:00"}, "/data/expires_at"),
        ("/v2/api-keys", {"name": "k", "tenant_id": "x"}, "/data/tenant_id"),
        ("/v2/api-keys", {"name": "k", "tenant_id": "00000000-0000-7000-8000-000000000000"}, "/data/tenant_id"),
        ("/v2/api-keys", {"name": "k", "preset": "a" * 30}, "/data/preset"),
    ],
)
def test_a_wrong_field_is_named(refusing: Api, path: str, data: dict[str, Any], pointer: str) -> None:
    """What is wrong with a tenant or a key is answered 422 with the field."""
    error = only_error(refusing.post(path, data))

    assert (error["status"], error["source"]) == (422, {"pointer": pointer})
    assert pointer.rpartition("/")[2] in error["detail"]


def test_half_a_surrogate_pair_is_no_name(refusing: Api) -> None:
    """JSON can spell text that no database takes."""
    error = only_error(refusing.post_bytes("/v2/tenants", b'{"data":{"name":"a\\ud800"}}'))

    assert (error["status"], error["source"]) == (422, {"pointer": "/data/name"})
