"""How integrator.io tells errors: a list of codes, each with a message and, where one is to blame, a field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postrider.domain.errors import InvalidInput, PostriderError
from postrider.web.foreign import Failure, Problem

NO_SUCH = "Integration not found for the given id"
_INVALID = 422
_CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    429: "rate_limited",
    503: "unavailable",
}
_MISSING = "is required"
# What the fields are called there; all others are called the same.
_NAMES = {"integration_type": "type"}


class Coded(InvalidInput):
    """A field is wrong, for which integrator.io has a code."""

    code = "invalid_field"


class QueryRefused(Coded):
    """What is asked of a list makes no sense."""

    code = "invalid_query_params"


class ConnectionMapRefused(Coded):
    """What is to stand for the connections of a clone is no map."""

    code = "invalid_connectionMap"


class UpdateInProgress(Coded):
    """The settings rest while an update is under way."""

    code = "update_in_progress"


STATUSES: Mapping[type[PostriderError], int] = {QueryRefused: 400, ConnectionMapRefused: 400}


def document(failure: Failure) -> dict[str, Any]:
    """Tell what went wrong."""
    return {"errors": [_told(failure, problem) for problem in failure.problems]}


def _told(failure: Failure, problem: Problem) -> dict[str, str]:
    path = problem.pointer.removeprefix("query.")
    if path == "data" or path.startswith("data."):
        path = path[len("data.") :]
    name, *rest = path.split(".")
    field = ".".join([_NAMES.get(name, name), *rest])
    told = {
        "code": _code(failure, problem),
        "message": problem.detail.replace(f"{name}:", f"{_NAMES.get(name, name)}:", 1),
    }
    return told | ({"field": field} if field else {})


def _code(failure: Failure, problem: Problem) -> str:
    if isinstance(failure.error, Coded):
        return failure.error.code
    if failure.status == _INVALID:
        return "missing_required_field" if _MISSING in problem.detail else Coded.code
    return _CODES.get(failure.status, "error")
