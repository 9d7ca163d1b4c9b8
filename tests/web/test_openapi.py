"""The OpenAPI document says what the API does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api import Api
from jsonschema import Draft202012Validator


@pytest.fixture
def document(refusing: Api) -> dict[str, Any]:
    answer: dict[str, Any] = refusing.client.get("/openapi.json").json()
    return answer


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def answer_of(document: dict[str, Any], operation: dict[str, Any], status: int) -> dict[str, Any]:
    """Look up how an operation's answer is described."""
    told: dict[str, Any] = operation["responses"][str(status)]
    return document["components"]["responses"][told["$ref"].rpartition("/")[2]] if "$ref" in told else told


def members(part: object) -> Iterator[tuple[str, Any]]:
    """Walk all members of all objects."""
    if isinstance(part, dict):
        yield from part.items()
    for item in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from members(item)


def check(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    """Check a value against a schema of the document."""
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_every_route_is_described(refusing: Api, document: dict[str, Any]) -> None:
    """No route is missing, and each says in a sentence what it does."""
    routes = {
        (method.lower(), route.path.replace(":uuid}", "}"))
        for route in refusing.app.state.routes
        for method in route.methods
    }

    assert {(method, path) for method, path, _ in operations(document)} == routes
    assert all(operation["description"] for _, _, operation in operations(document))


def test_operation_ids_differ(document: dict[str, Any]) -> None:
    """Client generators make one function of each operation."""
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(ids) == len(set(ids))


def test_every_closed_route_says_so(document: dict[str, Any]) -> None:
    """All of `/v2` names the key that it wants; the rest is open."""
    closed = {path for _, path, operation in operations(document) if operation.get("security") == [{"ApiKey": []}]}

    assert closed == {path for path in document["paths"] if path.startswith("/v2/")}
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"


def test_every_route_describes_its_errors(document: dict[str, Any]) -> None:
    """Each operation names the errors that it has, all of them in our form; the framework's is nowhere."""
    for method, path, operation in operations(document):
        told = {int(status) for status in operation["responses"]}
        errors = {status: answer_of(document, operation, status) for status in told if status >= 400}
        assert 500 in told
        assert {401, 403, 429, 503} <= told or not path.startswith("/v2/")
        assert 404 in told or "{" not in path
        assert {413, 415, 422} <= told or "requestBody" not in operation
        for status, answer in errors.items():
            schema = answer["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Errors"}, (method, path, status)

    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_operations_are_told_in_words(document: dict[str, Any]) -> None:
    """Summaries are words and not names of functions; tags and parameters say what they mean."""
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    for method, path, operation in operations(document):
        assert " " in operation["summary"], (method, path)
        assert operation["description"].startswith(operation["summary"][:20])
        assert set(operation["tags"]) <= tags
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (method, path, parameter["name"])


def test_names_fit_programs(document: dict[str, Any]) -> None:
    """What a client is made of has names that a programming language takes."""
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert all(name.isidentifier() and not name.endswith("_") for name in (*names, *document["components"]["schemas"]))


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    """Nothing refers to a component or an operation that is not there."""
    ids = {operation["operationId"] for _, _, operation in operations(document)}

    for name, value in members(document):
        if name == "$ref":
            _, _, kind, component = value.split("/")
            assert component in document["components"][kind]
        if name == "links":
            assert {link["operationId"] for link in value.values() if "operationId" in link} <= ids


def test_errors_have_the_described_form(refusing: Api, document: dict[str, Any]) -> None:
    """A real error fits its description."""
    schema = {"$ref": "#/components/schemas/Errors"}

    for answer in (refusing.get("/nope"), refusing.post("/v2/events", {}), refusing.get("/v2/events?x=1")):
        check(document, schema, answer.json())


@pytest.mark.parametrize(
    "path", ["/v2/events", "/v2/event-types", "/v2/deliveries", "/v2/dead-letters", "/v2/jobs", "/v2/tenants",
             "/v2/api-keys", "/v2/audit-log", "/healthz", "/readyz"],
)  # fmt: skip
def test_answers_have_the_described_form(api: Api, path: str) -> None:
    """What is listed fits its description."""
    document = api.client.get("/openapi.json").json()
    api.publish()
    api.post("/v2/dead-letters/discard", {"filter": {}})

    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]

    check(document, schema, api.get(path).json())


def test_publishing_is_described_as_it_is(api: Api) -> None:
    """The operation that was written by hand fits real requests and answers, one or many."""
    document = api.client.get("/openapi.json").json()
    operation = document["paths"]["/v2/events"]["post"]
    request = operation["requestBody"]["content"]["application/json"]["schema"]
    answer = operation["responses"]["202"]["content"]["application/json"]["schema"]
    one = {"type": "event", "event_type": "order.paid", "payload": None}

    for data in (one, [one, {**one, "idempotency_key": "a"}]):
        check(document, request, {"data": data})
        check(document, answer, api.post("/v2/events", data).json())


def test_an_event_has_the_described_form(api: Api) -> None:
    """The answer that is put together by hand fits its description."""
    document = api.client.get("/openapi.json").json()
    responses = document["paths"]["/v2/events/{event_id}"]["get"]["responses"]
    schema = responses["200"]["content"]["application/json"]["schema"]

    check(document, schema, api.get(f"/v2/events/{api.publish(payload=[1])}").json())
