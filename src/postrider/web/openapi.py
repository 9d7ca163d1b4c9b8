"""How is the API described? What holds for many operations is said here once, so that clients can be made of it."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from .api.integration_schemas import COMPONENTS
from .errors import Errors

Document = dict[str, Any]
Operation = dict[str, Any]

TAGS = [
    {"name": "Events", "description": "What happened: published once, delivered to all that observe it."},
    {"name": "Event types", "description": "The names that events can have."},
    {"name": "Integrations", "description": "Who wants to be told of which events, and how."},
    {"name": "Deliveries", "description": "The duties to bring one event to one integration, and every attempt."},
    {"name": "Dead letters", "description": "Deliveries that were given up, until a person decides."},
    {"name": "Jobs", "description": "What is done to many deliveries at once, and how far it has come."},
    {"name": "Tenants", "description": "Whose events and integrations they are."},
    {"name": "API keys", "description": "Who may do what."},
    {"name": "Audit log", "description": "Who changed what, when and from where."},
    {"name": "Access tokens", "description": "Short-lived tokens for those who work with OAuth."},
    {"name": "Health", "description": "Whether this process is well."},
]

_PATH_PARAMETERS = {
    "event_id": "The event's id.",
    "integration_id": "The integration's id.",
    "delivery_id": "The delivery's id: the `webhook-id` that its receiver sees.",
    "job_id": "The job's id; under an integration it is a delivery's id.",
    "key_id": "The API key's id.",
}

_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}}
_ERRORS: dict[int, tuple[str, str, dict[str, Any]]] = {
    400: ("NotJson", "The body is not JSON.", {}),
    401: ("NotAuthenticated", "No valid API key or access token was given.", _CHALLENGE),
    403: ("NotPermitted", "The key is valid and lacks the permission that the error names.", {}),
    404: ("NotFound", "No such thing exists for this tenant.", {}),
    409: ("Conflict", "The request clashes with how things stand; the error says with what.", {}),
    413: ("TooLarge", "The body is over its limit.", {}),
    415: ("UnsupportedContent", "The body's media type, charset or coding is not taken.", {}),
    422: ("Invalid", "Something given is missing or wrong; each error names its field, parameter or header.", {}),
    429: ("TooManyRequests", "The key has used up its requests for now.", _RETRY_AFTER),
    500: ("Failed", "A fault of the server; its log has it under the request id that the error names.", {}),
    503: ("Unavailable", "A part that is needed is out of reach; try again.", _RETRY_AFTER),
}
"""By status: the answer's name among the document's components, what it means, and its headers."""
_SOURCES: dict[str, list[tuple[str, str]]] = {
    "event_id": [("publish", "/data/id"), ("list_events", "/data/0/id"), ("resend_delivery", "/data/id")],
    "integration_id": [("create_integration", "/data/id"), ("list_integrations", "/data/0/id")],
    "delivery_id": [
        ("list_deliveries", "/data/0/id"),
        ("list_dead_letters", "/data/0/id"),
        ("list_deliveries_of_event", "/data/0/id"),
    ],
    "job_id": [
        ("redrive_dead_letters", "/data/id"),
        ("discard_dead_letters", "/data/id"),
        ("undo_job", "/data/id"),
        ("list_jobs", "/data/0/id"),
    ],
    "key_id": [("add_api_key", "/data/id")],
}
"""Which operations give the ids that others take, and where in their answers."""
_SCHEMAS = "#/components/schemas/"
_NEED_NO_DATABASE = {"/", "/healthz", "/metrics"}
_FIRST_SENTENCE = re.compile(r"[;:.](\s|$)")


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe errors that an operation has beside those that all of its kind have, such as 409."""
    return {status: {"model": Errors, "description": _ERRORS[status][1]} for status in statuses}


def operation_id(route: APIRoute) -> str:
    """Name an operation as its function is named: so will be the functions of clients made from the document."""
    return route.name


def operations(tag: str, **more: Any) -> APIRouter:
    """Make a router for the operations of one kind.

    All that holds for them is said here, so that an app takes the routes as they are. Were it said to the app, the
    framework would make every route a second time for each app, while its first caller waits.
    """
    return APIRouter(
        tags=[tag],
        generate_unique_id_function=operation_id,
        responses={"default": {"model": Errors, "description": "What is wrong, and where."}},
        **more,
    )


class Described(FastAPI):
    """An app whose document is complete."""

    def openapi(self) -> Document:
        fresh = self.openapi_schema is None
        document: Document = super().openapi()
        if fresh:
            _complete(document)
        return document


def _complete(document: Document) -> None:
    document["components"]["responses"] = {
        name: _error(text, headers) for name, text, headers in (_ERRORS[status] for status in sorted(_ERRORS))
    }
    document["components"]["schemas"] |= COMPONENTS
    _name_by_title(document)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_operation(path, operation)
    _link(document)


def _link(document: Document) -> None:
    """Say in each answer with an id what can be done with it."""
    operations = {one["operationId"]: one for methods in document["paths"].values() for one in methods.values()}
    for operation in operations.values():
        places = [one["name"] for one in operation.get("parameters", []) if one["in"] == "path"]
        for source, pointer in _SOURCES.get(places[0], []) if len(places) == 1 else []:
            status = next(status for status in operations[source]["responses"] if status.startswith("2"))
            operations[source]["responses"][status].setdefault("links", {})[operation["operationId"]] = {
                "operationId": operation["operationId"],
                "parameters": {places[0]: f"$response.body#{pointer}"},
                "description": operation["summary"],
            }


def _name_by_title(document: Document) -> None:
    """Call what was made of generic models as the models call themselves: `DeliveryPage`, not `Listed_Delivery…_`."""
    schemas = document["components"]["schemas"]
    names = {name: schema["title"] for name, schema in schemas.items() if name.endswith("_")}
    document["components"]["schemas"] = {names.get(name, name): schema for name, schema in sorted(schemas.items())}
    _rename_references(document, {f"{_SCHEMAS}{old}": f"{_SCHEMAS}{new}" for old, new in names.items()})


def _rename_references(part: object, names: dict[str, str]) -> None:
    if isinstance(part, list):
        for item in part:
            _rename_references(item, names)
    if isinstance(part, dict):
        if part.get("$ref") in names:
            part["$ref"] = names[part["$ref"]]
        for item in part.values():
            _rename_references(item, names)


def _error(description: str, headers: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"{_SCHEMAS}Errors"}
    told: dict[str, Any] = {"description": description, "content": {"application/json": {"schema": schema}}}
    return {**told, "headers": headers} if headers else told


def _complete_operation(path: str, operation: Operation) -> None:
    operation["summary"] = _FIRST_SENTENCE.split(operation["description"], maxsplit=1)[0].replace("\n", " ")
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            parameter["description"] = _PATH_PARAMETERS[parameter["name"]]
    told = operation["responses"]
    # It stands in for all of them until here, so that the framework describes no errors of its own.
    told.pop("default", None)
    named = {int(status) for status in told if status.isdigit() and int(status) in _ERRORS}
    for status in sorted(named | _usual_errors(path, operation)):
        told[str(status)] = {"$ref": f"#/components/responses/{_ERRORS[status][0]}"}


def _usual_errors(path: str, operation: Operation) -> set[int]:
    found = {500} if path in _NEED_NO_DATABASE else {500, 503}
    if "security" in operation:
        found |= {401, 403, 429}
    places = {parameter["in"] for parameter in operation.get("parameters", [])}
    if "path" in places:
        found.add(404)
    if "query" in places:
        found.add(422)
    if "requestBody" in operation:
        found |= {413, 415, 422}
        if any("json" in media for media in operation["requestBody"]["content"]):
            found.add(400)
    return found
