"""The integrations' endpoints: what is answered, and in which words."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from api import Api, only_error
from integration_data import SECRET_KEY, SQS, STOMP, URL
from servers.process import wait_until
from servers.receiver import Receiver
from sqlalchemy import update
from web.integration_calls import PATH, at, create

from postrider.domain.access import Permission
from postrider.store.tables import integrations

SQS_MASKED = {"aws_access_key_id": "*" * 16 + "PSYQ", "aws_secret_access_key": "*" * 36 + "pUSJ"}


def test_everything_there_is_to_say_about_an_integration(api: Api) -> None:
    """Creating answers 200 with Elastic Path's object and the additions, times to the millisecond."""
    api.house.clock.move(microseconds=123_987)

    made = create(api, description="Why", delivery={"timeout_seconds": 2.5})

    assert made == {
        "id": str(UUID(made["id"])),
        "type": "integration",
        "integration_type": "webhook",
        "name": "Orders",
        "description": "Why",
        "enabled": True,
        "disabled_reason": "",
        "observes": ["order.paid"],
        "configuration": {"url": URL, "secret_key": SECRET_KEY},
        "delivery": {
            "timeout_seconds": 2.5,
            "retry_waits": [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000],
            "success_statuses": ["200-299"],
            "max_in_flight": 256,
            "rate_limit": None,
        },
        "signing_secret": made["signing_secret"],
        "old_signing_secrets": [],
        "health": {
            "state": "healthy",
            "failures_in_row": 0,
            "failing_since": None,
            "breaker": {"state": "closed", "since": None, "failed_probes": 0, "next_probe_at": None},
            "last_success_at": None,
            "last_failure_at": None,
            "last_error": "",
        },
        "links": {"self": f"https://postrider.test{PATH}/{made['id']}"},
        "meta": {"timestamps": {"created_at": "2026-11-22T12:00:00.123Z", "updated_at": "2026-11-22T12:00:00.123Z"}},
    }


def test_deleting_tells_what_is_gone(api: Api) -> None:
    """Deleting answers 200 with type and id; after it the integration is not found."""
    made = create(api)

    answer = api.call("DELETE", at(made))

    assert (answer.status_code, answer.json()) == (200, {"data": {"type": "integration", "id": made["id"]}})
    assert api.get(at(made)).status_code == api.call("DELETE", at(made)).status_code == 404


def test_changes_are_partial(api: Api) -> None:
    """PUT changes what it names; with nothing named it answers with what is so."""
    made = create(api)
    api.house.clock.move(minutes=1)

    unchanged = api.call("PUT", at(made), json={"data": {"type": "integration"}})
    changed = api.call("PUT", at(made), json={"data": {"type": "integration", "name": "Paid"}})

    shown = api.data(at(made))
    assert (unchanged.status_code, changed.status_code) == (200, 200)
    assert unchanged.json()["data"]["meta"] == made["meta"]
    assert changed.json()["data"] == shown
    assert {name for name in shown if shown[name] != made[name]} == {"name", "meta", "signing_secret"}


@pytest.mark.parametrize(("action", "state", "enabled"), [("enable", "healthy", True), ("disable", "disabled", False)])
def test_switching(api: Api, action: str, state: str, *, enabled: bool) -> None:
    """Enable and disable answer with the integration as it then is, also when it was so before."""
    made = create(api, enabled=not enabled)

    for _ in range(2):
        answer = api.post(at(made, f"/{action}"))
        assert answer.status_code == 200
        assert answer.json()["data"] == api.data(at(made))
        assert (answer.json()["data"]["enabled"], answer.json()["data"]["health"]["state"]) == (enabled, state)


def test_health_is_told(api: Api, receiver: Receiver) -> None:
    """What fails is shown failing with its error, what is left alone parked, what succeeds again healthy."""
    made = create(api, configuration={"url": receiver.url})
    receiver.answer(503)
    api.publish()
    api.house.run_until_idle()

    failing = api.data(at(made))["health"]
    for _ in range(9):
        api.publish()
    api.house.run_until_idle()
    parked = api.data(at(made))["health"]
    receiver.answer(200)
    api.house.clock.move(seconds=6.5)
    half_open = api.data(at(made))["health"]
    api.house.run_until_idle()
    healthy = api.data(at(made))["health"]

    assert (failing["state"], failing["failures_in_row"], failing["last_error"]) == ("failing", 1, "http_503")
    assert failing["failing_since"] == failing["last_failure_at"] == "2026-11-22T12:00:00.000Z"
    assert failing["breaker"] == {"state": "closed", "since": None, "failed_probes": 0, "next_probe_at": None}
    assert (parked["state"], parked["breaker"]["state"]) == ("parked", "open")
    assert parked["breaker"]["since"] == "2026-11-22T12:00:00.000Z"
    assert "2026-11-22T12:00:04.000Z" <= parked["breaker"]["next_probe_at"] <= "2026-11-22T12:00:06.000Z"
    assert (half_open["state"], half_open["breaker"]["state"]) == ("parked", "half_open")
    assert (healthy["state"], healthy["failures_in_row"], healthy["breaker"]) == ("healthy", 0, failing["breaker"])
    assert healthy["last_success_at"] == "2026-11-22T12:00:06.500Z"


@pytest.mark.parametrize(
    ("kind", "configuration", "for_writers", "for_readers"),
    [
        (
            "webhook",
            {"url": URL, "secret_key": SECRET_KEY},
            {"secret_key": SECRET_KEY},
            {"secret_key": "*********1234"},
        ),
        ("webhook", {"url": URL, "secret_key": "short"}, {"secret_key": "short"}, {"secret_key": "*****"}),
        ("aws_sqs", SQS, SQS_MASKED, SQS_MASKED),
        ("stomp", STOMP, {"password": "*" * 14 + "CDKn"}, {"password": "*" * 14 + "CDKn"}),
    ],
)
def test_secrets_are_masked(
    api: Api, kind: str, configuration: dict[str, Any], for_writers: dict[str, str], for_readers: dict[str, str]
) -> None:
    """AWS keys and passwords show four characters to everybody; a webhook's key is shown to those who may set it."""
    reader = api.new_key(Permission.INTEGRATIONS_READ)

    made = create(api, integration_type=kind, configuration=configuration)

    assert made["configuration"] == api.data(at(made))["configuration"] == {**configuration, **for_writers}
    for path in (at(made), PATH):
        shown = api.get(path, key=reader).json()["data"]
        one = shown[0] if path == PATH else shown
        assert one["configuration"] == {**configuration, **for_readers}


def test_signing_secrets_are_shown_when_made(api: Api) -> None:
    """The signing secret is in clear in the answers to creating and rotating, and masked in every other."""
    made = create(api)
    rotated = api.post(at(made, "/rotate-secret")).json()["data"]
    others = [
        api.data(at(made)),
        api.data(PATH)[0],
        api.call("PUT", at(made), json={"data": {"name": "Other"}}).json()["data"],
        api.post(at(made, "/disable")).json()["data"],
        api.post(at(made, "/enable")).json()["data"],
    ]

    secret = rotated["signing_secret"]
    assert made["signing_secret"].startswith("whsec_")
    assert secret.startswith("whsec_")
    assert secret != made["signing_secret"]
    assert {one["signing_secret"] for one in others} == {"*" * (len(secret) - 4) + secret[-4:]}


@pytest.mark.parametrize(
    ("given", "valid_until"),
    [
        (None, ["2026-11-23T12:00:00.000Z"]),
        ({}, ["2026-11-23T12:00:00.000Z"]),
        ({"overlap_seconds": 604_800}, ["2026-11-29T12:00:00.000Z"]),
        ({"overlap_seconds": 1}, ["2026-11-22T12:00:01.000Z"]),
        ({"overlap_seconds": 0}, []),
    ],
)
def test_the_end_of_old_secrets_is_told(api: Api, given: dict[str, Any] | None, valid_until: list[str]) -> None:
    """It is told until when an old signing secret signs beside the new one, and never the secret; then no more."""
    made = create(api)

    rotated = api.post(at(made, "/rotate-secret"), given).json()["data"]
    shown = api.data(at(made))
    api.house.clock.move(days=7)

    assert rotated["old_signing_secrets"] == shown["old_signing_secrets"]
    assert rotated["old_signing_secrets"] == [{"valid_until": moment} for moment in valid_until]
    assert api.data(at(made))["old_signing_secrets"] == []


@pytest.mark.parametrize("overlap", [-1, 604_801, 1.5, "1", True, None])
def test_wrong_overlaps_are_refused(api: Api, overlap: object) -> None:
    """An overlap is a whole number of seconds up to a week; a wrong one changes nothing."""
    made = create(api)

    answer = api.post(at(made, "/rotate-secret"), {"overlap_seconds": overlap})

    assert (answer.status_code, only_error(answer)["source"]) == (422, {"pointer": "/data/overlap_seconds"})
    assert api.data(at(made))["old_signing_secrets"] == []


def test_unreadable_secrets_are_told_and_mended(api: Api) -> None:
    """An integration without its key is listed beside others, says why nothing goes out, and takes new secrets."""
    made, other = create(api), create(api)
    with api.house.services.database.write() as tx:
        tx.execute(update(integrations).where(integrations.c.id == UUID(made["id"])).values(secrets="lost"))

    (blind, well), single = api.data(PATH), api.data(at(made))
    refused = api.post(at(made, "/rotate-secret"))
    mended = api.call("PUT", at(made), json={"data": {"configuration": made["configuration"]}}).json()["data"]
    again = api.call("PUT", at(made), json={"data": {"configuration": made["configuration"]}}).json()["data"]

    assert well == {**other, "signing_secret": well["signing_secret"]}
    assert blind == single
    assert (blind["health"]["state"], blind["health"]["last_error"]) == ("secrets_unreadable",) * 2
    assert (blind["configuration"], blind["signing_secret"]) == ({"url": URL, "secret_key": "********"}, "********")
    assert refused.status_code == 409
    assert (mended["health"]["state"], mended["configuration"]) == ("healthy", made["configuration"])
    assert mended["signing_secret"].startswith("whsec_")
    assert again["signing_secret"].startswith("*")


def test_what_waits_for_a_key_is_explained(api: Api) -> None:
    """A delivery that is held because of unreadable secrets says so."""
    made = create(api)
    event_id = api.publish()
    api.house.fan_out()
    with api.house.services.database.write() as tx:
        tx.execute(update(integrations).where(integrations.c.id == UUID(made["id"])).values(secrets="lost"))

    api.house.dispatcher.wake(api.house.due())
    wait_until(api.house.dispatcher.idle, "the dispatcher is idle")

    (delivery,) = api.data(f"/v2/events/{event_id}/deliveries")
    assert "secrets cannot be read" in api.data(f"/v2/deliveries/{delivery['id']}")["explanation"]


def test_what_was_read_can_be_put_back(api: Api, receiver: Receiver) -> None:
    """A client that reads an integration and puts the whole answer back changes nothing, its secrets included."""
    made = create(api, configuration={"url": receiver.url, "secret_key": SECRET_KEY})
    shown = api.get(at(made)).json()

    answer = api.call("PUT", at(made), json=shown)
    api.publish()
    api.house.run_until_idle()

    assert (answer.status_code, answer.json()) == (200, shown)
    (request,) = receiver.requests
    assert request.headers["x-moltin-secret-key"] == SECRET_KEY


def test_a_test_arrives(api: Api, receiver: Receiver) -> None:
    """A test is accepted with links to its event and deliveries, and arrives as `postrider.test`."""
    made = create(api, configuration={"url": receiver.url})

    answer = api.post(at(made, "/test"))
    api.house.run_until_idle()

    test = answer.json()["data"]
    assert answer.status_code == 202
    assert (test["type"], test["event_type"]) == ("event", "postrider.test")
    assert test["links"] == {
        "self": f"https://postrider.test/v2/events/{test['id']}",
        "deliveries": f"https://postrider.test/v2/events/{test['id']}/deliveries",
    }
    assert api.data(f"/v2/events/{test['id']}")["event_type"] == "postrider.test"
    (request,) = receiver.requests
    assert request.headers["x-moltin-integration-trigger"] == "postrider.test"
    assert json.loads(request.body)["payload"]["data"]["id"] == test["id"]


def test_a_test_by_templates_goes_to_its_recipient(api: Api, receiver: Receiver) -> None:
    """It says who is missing; what it says besides is the sample order, so that every template finds something."""
    receiver.answer(202)
    configuration = {
        "api_url": receiver.url,
        "api_key": "SG.canary",
        "default_sender_email": "shop@example.com",
        "default_sender_name": "Shop",
        "subject": "Order {{ payload.data.id }}",
    }
    made = create(api, integration_type="sendgrid", configuration=configuration)
    hook = create(api, configuration={"url": receiver.url})

    missing = api.post(at(made, "/test"))
    misplaced = api.post(at(hook, "/test"), {"recipient": "me@example.com"})
    sent = api.post(at(made, "/test"), {"recipient": "me@example.com"})
    api.house.run_until_idle()

    for refused in (missing, misplaced):
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["source"] == {"pointer": "/data/recipient"}
    assert sent.status_code == 202
    (request,) = receiver.requests
    assert json.loads(request.body)["personalizations"][0]["to"] == [{"email": "me@example.com"}]


def test_the_whole_life(either_api: Api, receiver: Receiver) -> None:
    """Both kinds of database carry an integration from its creation over delivery and change to its deletion."""
    api = either_api
    made = create(api, name="Zoë's 🛒", configuration={"url": receiver.url})
    api.publish()
    api.house.run_until_idle()
    (log,) = api.data(at(made, "/logs"))
    changed = api.call("PUT", at(made), json={"data": {"observes": ["cart.*"]}}).json()["data"]
    deleted = api.call("DELETE", at(made))

    assert (log["succeeded"], changed["observes"], changed["name"]) == (True, ["cart.*"], "Zoë's 🛒")
    assert deleted.status_code == 200
    assert api.get(PATH).json()["results"] == {"total": 0}
    assert api.get(at(made, "/logs")).status_code == 404
    assert [one["id"] for one in api.data(f"{PATH}/logs")] == [log["id"]]
