"""Elastic Path's own document judges every answer of the nine endpoints, and what it gives as examples works here."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from api import Api
from servers.receiver import Receiver
from web.elastic_path import document

# The document's own examples of keys are masks, as answers hold them.
ACCESS_KEY_ID, SECRET_ACCESS_KEY = "ASIAJLVYNHUWCPKOPSYQ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
UNMASKED = {
    "aws_access_key_id": ACCESS_KEY_ID,
    "aws_secret_access_key": SECRET_ACCESS_KEY,
    "password": "a password of a broker's user CDKn",
}
CONFIGURATIONS = {
    "webhook": "WebhookConfigurationObject",
    "aws_sqs": "AWSSQSConfigurationObject",
    "stomp": "STOMPConfigurationObject",
}
PATH = "/v2/integrations"
LIST, ONE = "/integrations", "/integrations/{integration_uuid}"
LOGS, JOBS, JOB_LOGS = f"{ONE}/logs", f"{ONE}/jobs", f"{ONE}/jobs/{{job_uuid}}/logs"
STORE_LOGS = "/integrations/logs"


def create(api: Api, kind: str = "webhook", **changes: Any) -> dict[str, Any]:
    """Create an integration; gives its document."""
    answer = api.post(PATH, {**example(kind), **changes})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


def example(kind: str, schema: str = "IntegrationCreate") -> dict[str, Any]:
    """Take the document's example of a body."""
    configuration = document.example(CONFIGURATIONS[kind])
    unmasked = {name: value for name, value in UNMASKED.items() if name in configuration}
    return {
        **document.example(schema),
        "integration_type": kind,
        "observes": ["order.created"],
        "configuration": {**configuration, **unmasked},
    }


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_examples_create_integrations(api: Api, kind: str) -> None:
    """A body of the document's examples creates an integration, and what comes back holds them."""
    data = example(kind)
    assert document.body_problems("post", LIST, {"data": data}) == []

    answer = api.post(PATH, data)

    assert answer.status_code == 200
    assert document.problems("post", LIST, 200, answer.json()) == []
    given = {name: value for name, value in data.items() if name != "configuration"}
    assert given.items() <= answer.json()["data"].items()


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_examples_update_integrations(api: Api, kind: str) -> None:
    """A body of the document's examples changes any integration into that."""
    made = create(api)
    data = example(kind, "IntegrationUpdate")
    assert document.body_problems("put", ONE, {"data": data}) == []

    answer = api.call("PUT", f"{PATH}/{made['id']}", json={"data": data})

    assert answer.status_code == 200
    assert document.problems("put", ONE, 200, answer.json()) == []
    assert answer.json()["data"]["integration_type"] == kind


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_what_is_read_fits_the_document(api: Api, kind: str) -> None:
    """One integration, a list of them and a deletion are answered as documented."""
    create(api)
    made = create(api, kind)
    path = f"{PATH}/{made['id']}"

    assert document.problems("get", ONE, 200, api.get(path).json()) == []
    assert document.problems("get", LIST, 200, api.get(f"{PATH}?page[limit]=1&page[offset]=1").json()) == []
    assert document.problems("delete", ONE, 200, api.call("DELETE", path).json()) == []


def test_jobs_and_logs_fit_the_document(api: Api, receiver: Receiver) -> None:
    """Jobs and the three lists of logs are answered as documented, of a real delivery that failed and one that not."""
    receiver.answer(500, path="/broken")
    made = create(api, configuration={"url": receiver.url})["id"]
    broken = create(api, configuration={"url": receiver.url_of("/broken")})["id"]
    api.publish("order.created")
    api.house.run_until_idle()
    (job,) = api.data(f"{PATH}/{made}/jobs")

    for path, asked in (
        (JOBS, f"/{made}/jobs"),
        (LOGS, f"/{made}/logs"),
        (LOGS, f"/{broken}/logs"),
        (JOB_LOGS, f"/{made}/jobs/{job['id']}/logs"),
        (STORE_LOGS, "/logs?page[limit]=1"),
        (STORE_LOGS, "/logs?page[limit]=1&page[offset]=1"),
    ):
        answer = api.get(PATH + asked).json()
        assert len(answer["data"]) == 1
        assert document.problems("get", path, 200, answer) == []


def test_errors_fit_the_document(api: Api) -> None:
    """What is not found and what is wrong is told in the documented form."""
    made, nobody = create(api), uuid4()

    for method, path, asked, body, status in (
        ("post", LIST, "", {"data": {"type": "integration"}}, 422),
        ("put", ONE, f"/{made['id']}", {"data": {"type": "integration", "name": ""}}, 422),
        ("put", ONE, f"/{nobody}", {"data": {"type": "integration"}}, 404),
        ("get", ONE, f"/{nobody}", None, 404),
        ("get", LOGS, f"/{nobody}/logs", None, 404),
        ("get", JOBS, f"/{nobody}/jobs", None, 404),
        ("get", JOB_LOGS, f"/{made['id']}/jobs/{nobody}/logs", None, 404),
    ):
        answer = api.call(method.upper(), PATH + asked, json=body)
        assert answer.status_code == status
        assert document.problems(method, path, status, answer.json()) == []
        assert [error["status"] for error in answer.json()["errors"]] == [status]


def test_all_documented_operations_are_there(api: Api) -> None:
    """Our own document has each of the nine operations, under /v2."""
    ours = {
        (method, path.replace("{integration_id}", "{integration_uuid}").replace("{job_id}", "{job_uuid}"))
        for path, methods in api.client.get("/openapi.json").json()["paths"].items()
        for method in methods
    }

    assert len(document.operations()) == 9
    assert {(method, "/v2" + path) for method, path in document.operations()} <= ours


@pytest.mark.parametrize(
    ("path", "answer", "complaint"),
    [
        (ONE, {}, "'data' is a required property"),
        (ONE, {"data": {"id": "1", "type": "integration"}}, "'name' is a required property"),
        (JOBS, {"data": [{"id": "1", "type": "job"}]}, "'job' is not one of"),
        (LOGS, {"data": [{"id": "1", "type": "integration-log", "status_code": None}]}, "is not of type 'integer'"),
    ],
)
def test_the_judge_finds_faults(path: str, answer: object, complaint: str) -> None:
    """An answer that lacks something, or has it of another kind, does not pass."""
    assert complaint in " ".join(document.problems("get", path, 200, answer))
