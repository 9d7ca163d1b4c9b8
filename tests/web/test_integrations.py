"""The integrations' endpoints: what is answered, to whom, and in which words."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from api import Api, only_error
from servers.receiver import Receiver

from postrider.control import tenants
from postrider.domain.access import TENANT_PERMISSIONS, Permission
from postrider.store import integrations as store

PATH = "/v2/integrations"
URL = "https://example.com/orders"
SECRET_KEY = "squirrel-1234"
SQS = {
    "url": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
    "aws_access_key_id": "ASIAJLVYNHUWCPKOPSYQ",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLpUSJ",
    "region": "eu-west-1",
}
STOMP = {
    "addresses": ["stomp+ssl://mq-1.example.com:61614"],
    "destination": "/queue/orders",
    "username": "user",
    "password": "correct horse CDKn",
}
READ, WRITE = Permission.INTEGRATIONS_READ, Permission.INTEGRATIONS_WRITE


def wanted(**changes: Any) -> dict[str, Any]:
    """Make the `data` of a webhook, with members changed or added."""
    return {
        "type": "integration",
        "name": "Orders",
        "enabled": True,
        "observes": ["order.paid"],
        "configuration": {"url": URL, "secret_key": SECRET_KEY},
        **changes,
    }


def create(api: Api, **changes: Any) -> dict[str, Any]:
    """Create an integration; gives its document."""
    answer = api.post(PATH, wanted(**changes))
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


def at(made: dict[str, Any], rest: str = "") -> str:
    return f"{PATH}/{made['id']}{rest}"


# -- one integration -------------------------------------------------------------------------------------------------


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
            "max_in_flight": 128,
        },
        "signing_secret": made["signing_secret"],
        "health": {
            "state": "healthy",
            "failures_in_row": 0,
            "failing_since": None,
            "parked_until": None,
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
    _park(api, made)
    parked = api.data(at(made))["health"]
    receiver.answer(200)
    api.post(at(made, "/disable"))
    api.post(at(made, "/enable"))
    api.publish()
    api.house.run_until_idle()
    healthy = api.data(at(made))["health"]

    assert (failing["state"], failing["failures_in_row"], failing["last_error"]) == ("failing", 1, "http_503")
    assert failing["failing_since"] == failing["last_failure_at"] == "2026-11-22T12:00:00.000Z"
    assert (parked["state"], parked["parked_until"]) == ("parked", "2026-11-22T12:05:00.000Z")
    assert (healthy["state"], healthy["failures_in_row"], healthy["parked_until"]) == ("healthy", 0, None)
    assert healthy["last_success_at"] == "2026-11-22T12:00:00.000Z"


def _park(api: Api, made: dict[str, Any]) -> None:
    until = api.house.clock.now().replace(minute=5)
    with api.house.services.database.write() as tx:
        store.any_tenant_park(tx, UUID(made["id"]), until=until)


# -- secrets ---------------------------------------------------------------------------------------------------------


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
        *(
            (
                "aws_sqs",
                SQS,
                {"aws_access_key_id": "*" * 16 + "PSYQ", "aws_secret_access_key": "*" * 36 + "pUSJ"},
                {"aws_access_key_id": "*" * 16 + "PSYQ", "aws_secret_access_key": "*" * 36 + "pUSJ"},
            ),
        ),
        ("stomp", STOMP, {"password": "*" * 14 + "CDKn"}, {"password": "*" * 14 + "CDKn"}),
    ],
)
def test_secrets_are_masked(
    api: Api, kind: str, configuration: dict[str, Any], for_writers: dict[str, str], for_readers: dict[str, str]
) -> None:
    """AWS keys and passwords show four characters to everybody; a webhook's key is shown to those who may set it."""
    reader = api.new_key(READ)

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


# -- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "count", "links"),
    [
        ("", 5, {}),
        ("?page[limit]=5", 5, {}),
        ("?page[limit]=2", 2, {"last": (4, 2), "next": (2, 2)}),
        ("?page[offset]=2&page[limit]=2", 2, {"first": (0, 2), "last": (4, 2), "next": (4, 2), "prev": (0, 2)}),
        ("?page[offset]=4&page[limit]=2", 1, {"first": (0, 2), "last": (4, 2), "prev": (2, 2)}),
        ("?page[offset]=1&page[limit]=2", 2, {"first": (0, 2), "last": (4, 2), "next": (3, 2), "prev": (0, 2)}),
        ("?page%5Boffset%5D=3&page%5Blimit%5D=1", 1, {"first": (0, 1), "last": (4, 1), "next": (4, 1), "prev": (2, 1)}),
        ("?page[offset]=10000", 0, {"first": (0, 100), "prev": (9_900, 100)}),
    ],
)
def test_pages_of_integrations(api: Api, query: str, count: int, links: dict[str, tuple[int, int]]) -> None:
    """A page holds what was asked for, oldest first, with the total and the links that apply."""
    names = [str(number) for number in range(5)]
    for name in names:
        create(api, name=name)

    page = api.get(PATH + query).json()

    offset = next((offset + limit for name, (offset, limit) in links.items() if name == "prev"), 0)
    if "first" not in links:
        assert [one["name"] for one in page["data"]] == names[:count]
    assert (len(page["data"]), page["results"]) == (count, {"total": 5})
    assert offset >= 0
    assert page["links"] == {
        name: f"{PATH}?page[offset]={offset}&page[limit]={limit}" for name, (offset, limit) in links.items()
    }


def test_links_lead_through_all_pages(api: Api) -> None:
    """Who follows `next` sees each integration once, in the order of their making."""
    made = [create(api)["id"] for _ in range(5)]
    seen, link = [], f"{PATH}?page[limit]=2"

    while link:
        page = api.get(link).json()
        seen += [one["id"] for one in page["data"]]
        link = page["links"].get("next")

    assert seen == made


@pytest.mark.parametrize("path", ["", "/logs", "/{id}/logs", "/{id}/jobs", "/{id}/jobs/{job}/logs"])
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("page[limit]", "0"),
        ("page[limit]", "101"),
        ("page[limit]", "ten"),
        ("page[limit]", ""),
        ("page[limit]", "9" * 5_000),
        ("page[offset]", "-1"),
        ("page[offset]", "10001"),
        ("page[offset]", "1.5"),
    ],
)
def test_bad_pages_are_refused(api: Api, path: str, parameter: str, value: str) -> None:
    """A page that cannot be is refused with the parameter's name, in every list."""
    made = create(api)

    answer = api.get(PATH + path.format(id=made["id"], job=uuid4()), params={parameter: value})

    assert answer.status_code == 422
    assert only_error(answer)["source"] == {"parameter": parameter}
    assert parameter in only_error(answer)["detail"]


# -- jobs and logs ---------------------------------------------------------------------------------------------------


def test_attempts_are_told_as_logs(api: Api, receiver: Receiver) -> None:
    """A failed attempt and the one that succeeded after it are logs of one job, newest first."""
    made = create(api, configuration={"url": receiver.url})
    receiver.answer(404, b"Not found")
    api.publish()
    api.house.run_until_idle()
    receiver.answer(201, b"Thanks")
    api.house.clock.move(minutes=1)
    api.house.run_until_idle()

    (job,) = api.data(at(made, "/jobs"))
    logs = api.data(at(made, f"/jobs/{job['id']}/logs"))

    assert job == {"type": "integration-job", "id": str(api.house.only_delivery().id)}
    assert [log.pop("processing_time") < 30 for log in logs] == [True, True]
    assert len({log.pop("id") for log in logs}) == 2
    same = {
        "type": "integration-log",
        "relationships": {
            "integration": {"data": {"type": "integration", "id": made["id"]}},
            "job": {"data": {"type": "integration-job", "id": job["id"]}},
        },
    }
    assert logs == [
        {
            **same,
            "succeeded": True,
            "attempt": 2,
            "body": "Thanks",
            "status_code": 201,
            "error_detail": "",
            "meta": {"timestamps": {"created_at": "2026-11-22T12:01:00.000Z"}},
        },
        {
            **same,
            "succeeded": False,
            "attempt": 1,
            "body": "Not found",
            "status_code": 404,
            "error_detail": "Received a status code outside of 2xx range - treating webhook as a fail",
            "meta": {"timestamps": {"created_at": "2026-11-22T12:00:00.000Z"}},
        },
    ]


def test_no_answer_is_told_as_status_0(api: Api, receiver: Receiver) -> None:
    """A log's status is a number also where there was no answer: 0, with the reason as its detail."""
    made = create(api, configuration={"url": receiver.url})
    receiver.reset_connection()
    api.publish()
    api.house.run_until_idle()

    (log,) = api.data(at(made, "/logs"))

    assert (log["status_code"], log["succeeded"], log["body"]) == (0, False, "")
    assert log["error_detail"]


def test_each_list_holds_its_own_logs(api: Api, receiver: Receiver) -> None:
    """A store's logs are those of all its integrations, an integration's are its own, a job's are the job's."""
    first, second = (create(api, configuration={"url": receiver.url}) for _ in range(2))
    for _ in range(2):
        api.publish()
    api.house.run_until_idle()

    by_integration = {one["id"]: {log["id"] for log in api.data(at(one, "/logs"))} for one in (first, second)}
    jobs = [job["id"] for job in api.data(at(first, "/jobs"))]
    by_job = [{log["id"] for log in api.data(at(first, f"/jobs/{job}/logs"))} for job in jobs]

    assert [len(ids) for ids in by_integration.values()] == [2, 2]
    assert {log["id"] for log in api.data(f"{PATH}/logs")} == by_integration[first["id"]] | by_integration[second["id"]]
    assert [len(ids) for ids in by_job] == [1, 1]
    assert set.union(*by_job) == by_integration[first["id"]]
    assert api.get(at(second, f"/jobs/{jobs[0]}/logs")).status_code == 404


@pytest.mark.parametrize("path", ["/logs", "/{id}/logs", "/{id}/jobs"])
def test_pages_of_logs_and_jobs(api: Api, receiver: Receiver, path: str) -> None:
    """Lists of logs and jobs come in pages, newest first, with links and without totals."""
    made = create(api, configuration={"url": receiver.url})
    for _ in range(3):
        api.publish()
    api.house.run_until_idle()
    path = PATH + path.format(id=made["id"])

    everything = api.get(path).json()
    first, second = (api.get(f"{path}?page[limit]=2&page[offset]={offset}").json() for offset in (0, 2))

    assert set(everything) == {"data", "links"}
    assert everything["links"] == {}
    assert first["data"] + second["data"] == sorted(everything["data"], key=lambda one: str(one["id"]), reverse=True)
    assert first["links"] == {"next": f"{path}?page[offset]=2&page[limit]=2"}
    assert second["links"] == {
        "first": f"{path}?page[offset]=0&page[limit]=2",
        "prev": f"{path}?page[offset]=0&page[limit]=2",
    }


def test_no_next_page_beyond_the_highest_offset(api: Api) -> None:
    """A page behind offset 10,000 is not linked to, since it would be refused."""
    create(api)

    assert api.get(f"{PATH}/logs?page[offset]=10000&page[limit]=1").json()["links"] == {
        "first": f"{PATH}/logs?page[offset]=0&page[limit]=1",
        "prev": f"{PATH}/logs?page[offset]=9999&page[limit]=1",
    }


# -- tests -----------------------------------------------------------------------------------------------------------


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


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "source", "words"),
    [
        (b"{", 400, None, "not valid JSON"),
        (b"", 422, None, "required"),
        (b"\xff\xfe\xfd", 400, None, ""),
        (b"[" * 100_000, 400, None, ""),
        (b"[]", 422, None, "dictionary"),
        (b"null", 422, None, ""),
        (b'"text"', 422, None, "dictionary"),
        (b"{}", 422, "/data", "must be an object"),
        (b'{"data": null}', 422, "/data", "must be an object"),
        (b'{"data": []}', 422, "/data", "must be an object"),
        (b'{"data": {"type": "integration", "name": ""}}', 422, "/data/name", "1 to 255"),
        (b'{"data": {"observes": ["order.paid", "order.payd"]}}', 422, "/data/observes/1", "did you mean order.paid?"),
        (b'{"data": {"delivery": {"retry_waits": [0]}}}', 422, "/data/delivery/retry_waits/0", "from 1 to"),
        (b'{"data": {"delivery": {"timeout_seconds": NaN}}}', 422, "/data/delivery/timeout_seconds", "above 0"),
        (b'{"data": {"configuration": {"url": "x"}}}', 422, "/data/configuration/url", "https://"),
        (b'{"data": {"name": "\\ud800"}}', 422, "/data/name", "surrogate"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_bad_bodies_are_refused(
    api: Api, method: str, body: bytes, status: int, source: str | None, words: str
) -> None:
    """A bad body is answered with its status, where it is wrong and what to do, and changes nothing."""
    made = create(api)
    before = api.get(PATH).json()
    path = PATH if method == "POST" else at(made)

    answer = api.call(method, path, content=body, headers={"Content-Type": "application/json"})

    error = only_error(answer)
    assert (answer.status_code, error.get("source")) == (status, source and {"pointer": source})
    assert words in error["detail"]
    assert api.get(PATH).json() == before


def test_other_media_types_are_refused(api: Api) -> None:
    """A body that does not say it is JSON is not read."""
    answer = api.call("POST", PATH, content=json.dumps({"data": wanted()}), headers={"Content-Type": "text/plain"})

    assert answer.status_code == 415
    assert api.data(PATH) == []


ROUTES = [
    ("GET", "", READ),
    ("POST", "", WRITE),
    ("GET", "/{id}", READ),
    ("PUT", "/{id}", WRITE),
    ("DELETE", "/{id}", WRITE),
    ("POST", "/{id}/enable", WRITE),
    ("POST", "/{id}/disable", WRITE),
    ("POST", "/{id}/rotate-secret", WRITE),
    ("POST", "/{id}/test", WRITE),
    ("GET", "/logs", Permission.DELIVERIES_READ),
    ("GET", "/{id}/logs", Permission.DELIVERIES_READ),
    ("GET", "/{id}/jobs", Permission.DELIVERIES_READ),
    ("GET", "/{id}/jobs/{job}/logs", Permission.DELIVERIES_READ),
]


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_each_route_asks_for_its_permission(api: Api, method: str, path: str, permission: Permission) -> None:
    """Without a key it is 401, with a key that may do everything else 403, and nothing has happened."""
    made = create(api)
    body = {"json": {"data": {"name": "Mine"}}} if method in {"POST", "PUT"} else {}
    asked = PATH + path.format(id=made["id"], job=uuid4())

    nobody = api.client.request(method, asked, **body)
    other = api.call(method, asked, key=api.new_key(*(TENANT_PERMISSIONS - {permission})), **body)

    assert (nobody.status_code, other.status_code) == (401, 403)
    assert permission.value in only_error(other)["detail"]
    assert [one["name"] for one in api.data(PATH)] == ["Orders"]


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in ROUTES if "{id}" in path])
def test_what_is_not_there_is_not_found(api: Api, method: str, path: str) -> None:
    """Unknown ids, texts that are no ids, and other tenants' integrations are all 404."""
    others = tenants.create_tenant(api.house.services, name="others")
    theirs = create(api)["id"]
    key = api.new_key(*TENANT_PERMISSIONS, tenant=others)
    body = {"json": {"data": {"name": "Mine"}}} if method in {"POST", "PUT"} else {}

    for integration_id in (theirs, uuid4(), "7", "logs%20", "x" * 500):
        answer = api.call(method, PATH + path.format(id=integration_id, job=uuid4()), key=key, **body)
        assert answer.status_code == 404, answer.text
        assert only_error(answer)["title"] == "Not Found"

    assert [one["name"] for one in api.data(PATH)] == ["Orders"]


def test_others_lists_stay_empty(api: Api, receiver: Receiver) -> None:
    """A tenant sees nothing of another's integrations and logs."""
    create(api, configuration={"url": receiver.url})
    api.publish()
    api.house.run_until_idle()
    key = api.new_key(*TENANT_PERMISSIONS, tenant=tenants.create_tenant(api.house.services, name="others"))

    assert len(api.data(f"{PATH}/logs")) == 1
    assert api.get(f"{PATH}/logs", key=key).json()["data"] == []
    assert api.get(PATH, key=key).json() == {"data": [], "links": {}, "results": {"total": 0}}


def test_what_is_off_is_not_tested(api: Api) -> None:
    """A test for a disabled integration is a conflict that says what to do."""
    made = create(api, enabled=False)

    answer = api.post(at(made, "/test"))

    assert answer.status_code == 409
    assert "enable it first" in only_error(answer)["detail"]


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
