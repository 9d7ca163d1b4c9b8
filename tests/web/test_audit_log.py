"""The audit log over HTTP: what stands in it, who may read it, and what never gets into it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from api import Api, only_error
from house import House
from integration_data import SQS, STOMP
from sqlalchemy import select

from postrider.control import keys
from postrider.control.tenants import create_tenant
from postrider.domain.access import TENANT_PERMISSIONS, Permission
from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.store.tables import audit_log

from .integration_calls import at, create
from .routes import ROUTES

PATH = "/v2/audit-log"
CANARY = "CANARY5f1c"


def acts(api: Api) -> list[str]:
    """Change something in every way that the API has; gives the actions that the log must tell, in their order."""
    made = create(api)
    for step in ("/disable", "/enable", "/rotate-secret", "/test"):
        assert api.post(at(made, step)).is_success
    assert api.call("PUT", at(made), json={"data": {"type": "integration", "name": "new"}}).is_success
    assert api.post("/v2/event-types", {"name": "order.own"}).is_success
    key = api.post("/v2/api-keys", {"name": "k", "permissions": ["events:read"]}).json()["data"]
    assert api.call("DELETE", f"/v2/api-keys/{key['id']}").is_success
    event_id = api.publish("order.own")
    assert api.post(f"/v2/events/{event_id}/replay", {"integration_id": made["id"]}).is_success
    (delivery,) = api.house.deliveries()
    assert api.post(f"/v2/deliveries/{delivery.id}/cancel").is_success
    assert api.post(f"/v2/deliveries/{delivery.id}/undo-discard").is_success
    assert api.post(f"/v2/deliveries/{delivery.id}/discard").is_success
    assert api.post(f"/v2/deliveries/{delivery.id}/resend", {"payload": 1}).is_success
    assert api.post(f"/v2/deliveries/{delivery.id}/redrive").is_success
    discard = api.post("/v2/dead-letters/discard", {"filter": {}}).json()["data"]
    redrive.step_jobs(api.house.services)
    assert api.post(f"/v2/jobs/{discard['id']}/undo").is_success
    job = api.post("/v2/dead-letters/redrive", {"filter": {}}).json()["data"]
    for step in ("pause", "resume", "cancel"):
        assert api.post(f"/v2/jobs/{job['id']}/{step}").is_success
    assert api.call("DELETE", at(made)).is_success
    return [
        "integration.created", "integration.disabled", "integration.enabled", "integration.secret_rotated",
        "integration.tested", "integration.updated", "event-type.added", "api-key.created", "api-key.revoked",
        "event.replayed", "delivery.cancelled", "delivery.discard_undone", "delivery.discarded", "event.resent",
        "delivery.redriven",
        "job.discard_started", "job.undo_started", "job.redrive_started", "job.paused", "job.resumed", "job.cancelled",
        "integration.deleted",
    ]  # fmt: skip


def test_everything_that_people_do_is_told(either_api: Api) -> None:
    """Each change stands in the log with the key that made it and where it came from, newest first."""
    mine = keys.find_key(either_api.house.services, either_api.key)

    done = acts(either_api)

    told = either_api.data(f"{PATH}?actor_key_id={mine.id}")
    actor = {"kind": "api-key", "api_key_id": str(mine.id), "name": "test", "address": "127.0.0.1"}
    assert [entry["action"] for entry in told][::-1] == done
    assert [entry["actor"] for entry in told] == [actor] * len(done)
    assert {entry["tenant_id"] for entry in told} == {str(either_api.house.tenant.id)}


def test_no_changing_route_is_left_out(api: Api) -> None:
    """The routes that change something are those of the test above, publishing and the making of tenants.

    A preview changes nothing.
    """
    knocked: list[tuple[str, str]] = []
    api.client.event_hooks["request"].append(lambda request: knocked.append((request.method, request.url.path)))

    acts(api)

    changing = [route for route in ROUTES if route.permission is not None and route.method != "GET"]
    untried = {
        (route.method, route.path)
        for route in changing
        if not any(method == route.method and route.pattern.fullmatch(path) for method, path in knocked)
    }
    assert untried == {("POST", "/v2/tenants"), ("POST", "/v2/integrations/preview")}


def test_a_change_tells_its_fields(api: Api) -> None:
    """Harmless values are shown, old and new; of the others only that they changed."""
    made = create(api)
    configuration = {"url": f"https://example.org/{CANARY}?token={CANARY}", "secret_key": CANARY}

    api.call("PUT", at(made), json={"data": {"type": "integration", "configuration": configuration}})

    (entry, *_) = api.data(f"{PATH}?object_id={made['id']}")
    assert entry["object"] == {"type": "integration", "id": made["id"]}
    assert entry["changes"] == [
        {"field": "configuration.secret_key", "shown": False, "old": None, "new": None},
        {
            "field": "configuration.url",
            "shown": True,
            "old": "https://example.com/…",
            "new": "https://example.org/…",
        },
    ]


def test_no_secret_gets_into_the_log(either_api: Api) -> None:
    """Canaries in every secret field, in URLs, payloads and keys are in no row and no answer."""
    secret = {"secret_key": f"{CANARY}-key", "url": f"https://example.com/a?token={CANARY}#{CANARY}"}
    sqs = {**SQS, "aws_access_key_id": f"AKIA{CANARY}", "aws_secret_access_key": CANARY}
    stomp = {**STOMP, "username": f"u-{CANARY}", "password": CANARY}
    shown_once = []
    for kind, configuration in (("webhook", secret), ("aws_sqs", sqs), ("stomp", stomp)):
        made = create(either_api, integration_type=kind, configuration=configuration, description=CANARY)
        changed = {"type": "integration", "integration_type": "webhook", "configuration": {**secret, "secret_key": "x"}}
        assert either_api.call("PUT", at(made), json={"data": changed}).is_success
        rotated = either_api.post(at(made, "/rotate-secret")).json()["data"]
        shown_once += [made["signing_secret"], rotated["signing_secret"]]
    shown_once.append(either_api.post("/v2/api-keys", {"name": "k"}).json()["data"]["key"])
    either_api.publish(payload=CANARY)
    either_api.post("/v2/dead-letters/discard", {"filter": {}, "reason": CANARY})

    with either_api.house.services.database.read() as tx:
        rows = str([tuple(row) for row in tx.execute(select(audit_log))])  # a Row's own text is cut
    answer = either_api.get(PATH).text

    assert "configuration.password" in rows
    assert [one for one in (CANARY, either_api.key, *shown_once) if one in rows or one in answer] == []


def test_the_log_is_read_in_pages(either_api: Api) -> None:
    """Each page links to the next, and all pages together are the log."""
    acts(either_api)
    whole, paged = [entry["id"] for entry in either_api.data(PATH)], []

    path: str | None = f"{PATH}?page[limit]=7"
    while path:
        page = either_api.get(path).json()
        paged += [entry["id"] for entry in page["data"]]
        path = page["links"]["next"]

    assert paged == whole
    assert whole == sorted(whole, reverse=True)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("action=integration.exploded", "action"), ("object_type=shop", "object_type"), ("object_id=", "object_id"),
        ("object_id=%00", "object_id"), ("actor_key_id=x", "actor_key_id"), ("since=2026-01-01", "since"),
        ("tenant_id=x", "tenant_id"), ("who=me", "who"), ("page[limit]=101", "page[limit]"),
    ],
)  # fmt: skip
def test_a_wrong_filter_is_named(refusing: Api, query: str, parameter: str) -> None:
    """A filter that cannot be meant is refused, not left out."""
    error = only_error(refusing.get(f"{PATH}?{query}"))

    assert (error["status"], error["source"]) == (422, {"parameter": parameter})


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_far_moments_are_moments(either_api: Api, moment: str) -> None:
    """Before all and after all: nothing breaks at the ends of time."""
    everything = len(either_api.data(PATH))

    since, until = (len(either_api.data(f"{PATH}?{name}={moment}")) for name in ("since", "until"))

    assert {since, until} == {everything, 0}


def test_an_operator_is_nobody_to_the_tenants_it_works_on(either_api: Api) -> None:
    """A tenant sees that an operator made its key, not which one, its name or its address; operators see it all."""
    operator = keys.find_key(either_api.house.services, either_api.key)
    tenant_id = either_api.post("/v2/tenants", {"name": "fish"}).json()["data"]["id"]
    made = either_api.post("/v2/api-keys", {"name": "first", "tenant_id": tenant_id}).json()["data"]

    seen = either_api.get(PATH, key=made["key"])
    sought = either_api.get(f"{PATH}?actor_key_id={operator.id}", key=made["key"])
    told = either_api.data(f"{PATH}?tenant_id={tenant_id}&actor_key_id={operator.id}")

    assert [entry["action"] for entry in seen.json()["data"]] == ["api-key.created", "tenant.created"]
    assert {str(entry["actor"]) for entry in seen.json()["data"]} == {
        str({"kind": "api-key", "api_key_id": None, "name": "", "address": ""})
    }
    assert str(operator.id) not in seen.text
    assert sought.json()["data"] == []
    assert {entry["actor"]["api_key_id"] for entry in told} == {str(operator.id)}


def test_the_log_is_for_those_who_may_change(api: Api) -> None:
    """Reading needs `integrations:write`, another tenant's log `tenants:manage` as well."""
    other = create_tenant(api.house.services, name="other")
    reader = api.new_key(Permission.INTEGRATIONS_READ, Permission.DELIVERIES_READ)
    writer = api.new_key(*TENANT_PERMISSIONS)

    assert only_error(api.get(PATH, key=reader))["status"] == 403
    assert api.get(PATH, key=writer).status_code == 200
    assert only_error(api.get(f"{PATH}?tenant_id={other.id}", key=writer))["status"] == 403
    assert [entry["tenant_id"] for entry in api.data(f"{PATH}?tenant_id={other.id}")] == [str(other.id)]


@pytest.mark.parametrize(
    ("trusted", "address"), [("127.0.0.1", "203.0.113.7"), ("198.51.100.1", "127.0.0.1"), ("", "127.0.0.1")]
)
def test_a_proxy_is_believed_where_the_server_trusts_it(house: House, trusted: str, address: str) -> None:
    """`X-Forwarded-For` counts only from a proxy that uvicorn was told to trust."""
    with Api(house, forwarded_allow_ips=trusted) as api:
        api.post("/v2/event-types", {"name": "order.own"}, headers={"X-Forwarded-For": "203.0.113.7"})

        assert api.data(PATH)[0]["actor"]["address"] == address


def test_a_token_acts_as_its_key(api: Api) -> None:
    """What is done with an access token is told of the key behind it."""
    form = {"grant_type": "client_credentials", "client_id": "shop", "client_secret": api.key}
    token = api.client.post("/oauth/access_token", data=form).json()["access_token"]

    api.post("/v2/event-types", {"name": "order.own"}, key=token)

    known = keys.find_key(api.house.services, api.key)
    assert UUID(api.data(PATH)[0]["actor"]["api_key_id"]) == known.id


def test_what_one_delivery_went_through_is_found(either_api: Api) -> None:
    """The log of one object tells how its state changed by people's hands."""
    delivery = either_api.deliver_to_nobody(DeliveryStatus.DEAD)
    for step in ("discard", "undo-discard", "redrive"):
        either_api.post(f"/v2/deliveries/{delivery.id}/{step}")

    found: list[dict[str, Any]] = either_api.data(f"{PATH}?object_type=delivery&object_id={delivery.id}")

    states = [(change["old"], change["new"]) for entry in found for change in entry["changes"]]
    assert states[::-1] == [("dead", "discarded"), ("discarded", "dead"), ("dead", "pending")]
