"""Health, readiness, metrics, request ids and the log."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from api import Api, only_error
from servers.process import free_port
from sqlalchemy import text

from postrider.domain.access import Permission
from postrider.store.engine import Database


def metric(api: Api, name: str) -> float:
    """Read a number from /metrics; 0 while it is not there."""
    found = re.search(rf"^{re.escape(name)} (.*)$", api.client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_a_living_process_says_so(refusing: Api) -> None:
    """Health needs no key and asks nobody."""
    answer = refusing.client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_the_entrance_says_where_everything_is(refusing: Api) -> None:
    """Whoever opens the bare address learns what this is; each address that is named there answers."""
    told = refusing.client.get("/").json()

    assert told.pop("name") == "Postrider"
    assert set(told) == {"openapi", "health", "ready", "metrics"}
    assert {refusing.client.get(path).status_code for path in told.values()} == {200}


@pytest.mark.parametrize("path", ["/", "/healthz", "/v2/events", "/v2/events/x", "/nope"])
def test_head_is_answered_as_get_without_the_body(api: Api, path: str) -> None:
    """Load balancers and `curl -I` ask so."""
    got, headed = api.get(path), api.call("HEAD", path)

    assert headed.status_code == got.status_code
    assert headed.headers["content-length"] == str(len(got.content))
    assert headed.content == b""
    assert headed.headers["content-type"] == got.headers["content-type"]


def test_a_ready_process_says_so(either_api: Api) -> None:
    """Ready is who reaches a migrated database; the broker's state is told beside."""
    answer = either_api.client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": "ok", "broker": "ok"})


def test_a_database_that_was_not_migrated_is_not_ready(either_api: Api) -> None:
    """A process over tables of another version gets no requests."""
    with either_api.house.services.database.write() as tx:
        tx.execute(text("DELETE FROM alembic_version"))

    answer = either_api.client.get("/readyz")

    assert only_error(answer)["status"] == 503
    assert "postrider migrate" in only_error(answer)["detail"]


def test_a_process_without_its_database_is_alive_and_not_ready(api: Api) -> None:
    """Where no database answers, all that needs it is 503 with a time to come again."""
    nowhere = Database(f"postgresql+psycopg://postgres@127.0.0.1:{free_port()}/postrider")
    api.app.state.services = replace(api.house.services, database=nowhere)

    answers = [api.get(path) for path in ("/readyz", "/v2/events", "/v2/event-types")]

    for answer in answers:
        assert only_error(answer)["status"] == 503
        assert answer.headers["retry-after"] == "1"
    assert api.get("/healthz").status_code == 200


def test_metrics_count_requests_and_events(api: Api) -> None:
    """Prometheus sees requests by route and status, and what was published."""
    count = 'postrider_http_requests_total{method="POST",route="/v2/events",status="202"}'
    before = metric(api, count), metric(api, "postrider_events_published_total")

    api.publish()
    api.post("/v2/events", [{"event_type": "order.paid", "payload": 1}] * 3)

    assert metric(api, count) == before[0] + 2
    assert metric(api, "postrider_events_published_total") == before[1] + 4
    assert metric(api, "postrider_publish_seconds_count") >= 2


def test_metrics_do_not_grow_with_addresses(refusing: Api) -> None:
    """However many addresses are tried, routes are counted."""
    for number in range(50):
        refusing.get(f"/nope/{number}")
        refusing.get(f"/v2/events/{number}")
        refusing.call(f"M{number}", "/nope")

    shown = refusing.client.get("/metrics").text
    assert "nope" not in shown
    assert 'method="M' not in shown
    assert 'route="/v2/events/{event_id}",status="404"' in shown


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-1.2:3_4", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ("é", False)]
)
def test_requests_have_an_id(refusing: Api, given: str, *, kept: bool) -> None:
    """A caller's id for the request is given back; without a good one it gets ours."""
    answer = refusing.get("/healthz", headers={"X-Request-Id": given.encode()})

    assert (answer.headers["x-request-id"] == given) is kept
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", answer.headers["x-request-id"])


def test_ids_of_requests_differ(refusing: Api) -> None:
    """No two requests share an id of ours, whatever became of them."""
    answers = [refusing.get(path) for path in ("/healthz", "/nope", "/v2/events", "/v2/events?x=1")]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 4


def test_the_log_holds_no_secret_and_no_payload(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """A request leaves one line with its route and status, and nothing of what it carried."""
    secret = api.new_key(Permission.EVENTS_PUBLISH)

    api.post("/v2/events", {"event_type": "order.paid", "payload": "fish4711"}, key=secret)
    api.get("/v2/events?event_type=fish4711")
    api.client.post("/oauth/access_token", data={"client_secret": secret})

    told = capsys.readouterr().out
    lines = [line for line in told.splitlines() if "request.answered" in line]
    assert len(lines) == 3
    assert "fish4711" not in told
    assert secret not in told
    assert "/v2/events" in lines[0]


def test_who_was_not_let_in_is_in_the_log(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed sign-in leaves a line that logs keep, with the address that it came from, and without what was tried."""
    api.get("/v2/events", key="fish4711fish4711fish4711")
    api.get("/v2/tenants", key=api.new_key(Permission.EVENTS_READ))
    api.get("/v2/events")

    lines = [line for line in capsys.readouterr().out.splitlines() if "request.answered" in line]
    kept = [line for line in lines if "info" in line]
    assert [("status=401" in line, "address=127.0.0.1" in line) for line in kept] == [(True, True), (False, True)]
    assert "fish4711" not in str(lines)
