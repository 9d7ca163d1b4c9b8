"""Dead letters and the jobs that move many of them."""

from __future__ import annotations

from typing import Any

import pytest
from api import Api, only_error

from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.pipeline.redrive import step_jobs

PATH = "/v2/dead-letters"
JOBS = "/v2/jobs"
NOTHING = "00000000-0000-7000-8000-000000000000"


def dead(api: Api, count: int) -> list[Delivery]:
    """Make dead letters of one integration, each for an event of its own."""
    integration = api.house.integrate("http://127.0.0.1:9/")
    for _ in range(count):
        api.publish()
    api.house.fan_out()
    letters = api.house.deliveries(integration_id=integration.id)
    for letter in letters:
        api.move(letter, DeliveryStatus.SENDING)
        api.move(letter, DeliveryStatus.DEAD, reason="attempts_exhausted")
    return letters


def statuses(api: Api) -> list[str]:
    return [one.status.value for one in api.house.deliveries()]


def test_dead_letters_are_listed(either_api: Api) -> None:
    """Only what is dead is listed, by the same filters as deliveries."""
    letters = dead(either_api, 2)
    either_api.move(letters[0], DeliveryStatus.DISCARDED)

    rows = either_api.data(f"{PATH}?event_type=order.paid&integration_id={letters[0].integration_id}")

    assert [row["id"] for row in rows] == [str(letters[1].id)]
    assert either_api.data(f"{PATH}?event_id={letters[0].event_id}") == []


def test_all_that_a_filter_takes_are_redriven(either_api: Api) -> None:
    """A filter starts a job, whose progress can be watched until all are sent again."""
    letters = dead(either_api, 3)
    answer = either_api.post(
        f"{PATH}/redrive", {"filter": {"integration_id": str(letters[0].integration_id)}, "reason": "mended"}
    )
    job = answer.json()["data"]

    step_jobs(either_api.house.services)

    assert answer.status_code == 202
    assert (job["type"], job["kind"], job["status"], job["total"], job["done"]) == ("job", "redrive", "running", 3, 0)
    assert (job["reason"], job["filter"]["statuses"]) == ("mended", ["dead"])
    assert statuses(either_api) == ["pending"] * 3
    after = either_api.data(job["links"]["self"])
    assert (after["status"], after["done"], after["total"]) == ("done", 3, 3)
    assert [one["id"] for one in either_api.data(JOBS)] == [job["id"]]


def test_chosen_ones_are_discarded(either_api: Api) -> None:
    """By ids only those are let go, with the reason."""
    letters = dead(either_api, 3)

    either_api.post(f"{PATH}/discard", {"ids": [str(letters[0].id), str(letters[2].id), NOTHING], "reason": "old"})
    step_jobs(either_api.house.services)

    assert statuses(either_api) == ["discarded", "dead", "discarded"]
    assert either_api.data(f"/v2/deliveries/{letters[0].id}")["reason"] == "old"


def test_an_empty_filter_takes_all(api: Api) -> None:
    """All dead letters are taken only when a filter says so; nothing else is touched."""
    dead(api, 2)
    api.publish()
    api.house.fan_out()

    job = api.post(f"{PATH}/discard", {"filter": {}}).json()["data"]
    step_jobs(api.house.services)

    assert job["total"] == 2
    assert statuses(api) == ["discarded", "discarded", "pending"]


def test_a_rate_spreads_the_load(either_api: Api) -> None:
    """A redrive at a rate makes its deliveries due one after the other."""
    dead(either_api, 4)

    either_api.post(f"{PATH}/redrive", {"filter": {}, "rate": 2})
    step_jobs(either_api.house.services)

    due = [one.due_at for one in either_api.house.deliveries()]
    assert [(moment - due[0]).total_seconds() for moment in due if moment and due[0]] == [0, 0.5, 1, 1.5]


def test_a_job_is_paused_resumed_and_cancelled(either_api: Api) -> None:
    """A paused job does nothing until it is resumed, and a cancelled one nothing any more."""
    dead(either_api, 2)
    job = either_api.post(f"{PATH}/redrive", {"filter": {}}).json()["data"]
    path = f"{JOBS}/{job['id']}"

    paused = either_api.post(f"{path}/pause").json()["data"]["status"]
    step_jobs(either_api.house.services)
    while_paused = statuses(either_api)
    resumed = either_api.post(f"{path}/resume").json()["data"]["status"]
    cancelled = either_api.post(f"{path}/cancel").json()["data"]["status"]
    step_jobs(either_api.house.services)

    assert (paused, resumed, cancelled) == ("paused", "running", "cancelled")
    assert while_paused == statuses(either_api) == ["dead", "dead"]
    assert only_error(either_api.post(f"{path}/resume"))["status"] == 409


def test_a_discard_is_undone(either_api: Api) -> None:
    """By a job of its own, which says what it takes back; the discard has to have ended."""
    letters = dead(either_api, 2)
    either_api.post(f"/v2/deliveries/{letters[0].id}/discard")
    job = either_api.post(f"{PATH}/discard", {"filter": {}}).json()["data"]
    early = either_api.post(f"{JOBS}/{job['id']}/undo")
    step_jobs(either_api.house.services)

    answer = either_api.post(f"{JOBS}/{job['id']}/undo")
    step_jobs(either_api.house.services)

    assert only_error(early)["status"] == 409
    assert answer.status_code == 202
    undo = either_api.data(answer.json()["data"]["links"]["self"])
    assert (undo["kind"], undo["status"], undo["total"], undo["done"]) == ("undo_discard", "done", 1, 1)
    assert (undo["filter"]["statuses"], undo["filter"]["discarded_by"]) == (["discarded"], job["id"])
    assert statuses(either_api) == ["discarded", "dead"]
    assert only_error(either_api.post(f"{JOBS}/{undo['id']}/undo"))["status"] == 409


@pytest.mark.parametrize("job_id", [NOTHING, "x"])
@pytest.mark.parametrize(
    ("method", "rest"), [("GET", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/cancel"), ("POST", "/undo")]
)
def test_an_unknown_job_is_not_found(refusing: Api, job_id: str, method: str, rest: str) -> None:
    """What is not there is 404."""
    assert only_error(refusing.call(method, f"{JOBS}/{job_id}{rest}"))["status"] == 404


@pytest.mark.parametrize("verb", ["redrive", "discard"])
@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({}, "/data"),
        ({"ids": [NOTHING], "filter": {}}, "/data"),
        ({"ids": []}, "/data/ids"),
        ({"ids": [NOTHING] * 1_001}, "/data/ids"),
        ({"ids": ["x"]}, "/data/ids/0"),
        ({"ids": NOTHING}, "/data/ids"),
        ({"filter": {"status": "dead"}}, "/data/filter/status"),
        ({"filter": {"integration": NOTHING}}, "/data/filter/integration"),
        ({"filter": {"integration_id": "x"}}, "/data/filter/integration_id"),
        ({"filter": {"event_type": "order"}}, "/data/filter/event_type"),
        ({"filter": {"error": "a\x00"}}, "/data/filter/error"),
        ({"filter": {"since": "2026-11-22"}}, "/data/filter/since"),
        ({"filter": []}, "/data/filter"),
        ({"filter": {}, "reason": "a" * 1_001}, "/data/reason"),
        ({"filter": {}, "reason": None}, "/data/reason"),
    ],
)
def test_a_wrong_field_is_named(refusing: Api, verb: str, data: dict[str, Any], pointer: str) -> None:
    """A job is not started on a misunderstanding: what is wrong is answered 422 with the field."""
    error = only_error(refusing.post(f"{PATH}/{verb}", data))

    assert (error["status"], error["source"]) == (422, {"pointer": pointer})
    assert refusing.data(JOBS) == []


@pytest.mark.parametrize("rate", [0, -1, 0.001, 1e9, "fast", [1]])
def test_a_wrong_rate_is_named(refusing: Api, rate: object) -> None:
    """A rate lies between one in 100 seconds and 10,000 a second."""
    assert only_error(refusing.post(f"{PATH}/redrive", {"filter": {}, "rate": rate}))["source"] == {
        "pointer": "/data/rate"
    }


@pytest.mark.parametrize("rate", [b"NaN", b"Infinity"])
def test_a_rate_is_a_number(refusing: Api, rate: bytes) -> None:
    """What only some take for JSON is no rate."""
    answer = refusing.post_bytes(f"{PATH}/redrive", b'{"data":{"filter":{},"rate":%s}}' % rate)

    assert only_error(answer)["source"] == {"pointer": "/data/rate"}


def test_a_discard_has_no_rate(refusing: Api) -> None:
    """What only one kind of job has is refused for the other."""
    assert only_error(refusing.post(f"{PATH}/discard", {"filter": {}, "rate": 1}))["status"] == 422
