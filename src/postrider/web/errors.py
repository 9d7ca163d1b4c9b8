"""Which HTTP status does an error get? One table, and the one form in which errors are told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from postrider.domain.complaints import complaint
from postrider.domain.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotJson,
    NotPermitted,
    PostriderError,
    TooLarge,
    TooManyRequests,
    Unavailable,
    UnsupportedContent,
)

from .auth import authenticate
from .documented import Documented
from .head import GET, HEAD

CLOSED = "/v2/"
NOT_FOUND = "The resource could not be found"
_NO_SUCH_ADDRESS = "there is nothing at this address; GET / says where to begin"
_BODY, _PATH, _QUERY, _HEADER = "body", "path", "query", "header"


STATUSES: Mapping[type[PostriderError], int] = {
    NotJson: 400,
    NotAuthenticated: 401,
    NotPermitted: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    UnsupportedContent: 415,
    InvalidInput: 422,
    TooManyRequests: 429,
    Unavailable: 503,
    PostriderError: 500,
}
"""The nearest class in an error's line of ancestors counts."""

_TITLES = {413: "Payload Too Large", 422: "Validation Error"}
_HEADERS: Mapping[int, Mapping[str, str]] = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}
NO_SUCH_METHOD = "this address does not take that method; the Allow header lists those that it takes"
_DETAILS = {404: NOT_FOUND, 405: NO_SUCH_METHOD}


class ErrorDocument(Documented):
    """One thing that is wrong."""

    status: int
    title: str
    detail: str
    source: dict[Literal["pointer", "parameter", "header"], str] | None = None
    """Where: a JSON pointer into the body, a query parameter, or a header."""


class Errors(BaseModel):
    """What every failed request is answered with."""

    errors: list[ErrorDocument]


@dataclass(frozen=True, slots=True)
class Told:
    """One error as the caller reads it."""

    detail: str
    pointer: str = ""
    """The field as a dotted path; one that begins with `query.` or `header.` is none of the body's."""

    def to_json(self, status: int) -> dict[str, Any]:
        told: dict[str, Any] = {"status": status, "title": title(status), "detail": self.detail}
        if self.pointer:
            told["source"] = _source(self.pointer)
        return told


def title(status: int) -> str:
    """Name a status."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def status_of(error: PostriderError) -> int:
    """Find an error's HTTP status."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def answer(status: int, told: Sequence[Told], *, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Tell errors in the form of all this API's errors."""
    body = {"errors": [one.to_json(status) for one in told]}
    return JSONResponse(body, status, headers={**_HEADERS.get(status, {}), **(headers or {})})


def answer_to(error: PostriderError | HTTPException) -> JSONResponse:
    """Tell one error."""
    if isinstance(error, HTTPException):
        return answer(error.status_code, [Told(_DETAILS.get(error.status_code, error.detail))], headers=error.headers)
    status, pointer = status_of(error), error.pointer if isinstance(error, InvalidInput) else ""
    headers = {"Retry-After": str(math.ceil(error.wait_seconds))} if isinstance(error, TooManyRequests) else None
    return answer(status, [Told(_DETAILS.get(status, error.detail), pointer)], headers=headers)


def install(app: FastAPI) -> None:
    """Have every error of the app told in this form."""
    app.add_exception_handler(PostriderError, _own)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _own(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PostriderError)  # noqa: S101 - as registered
    return answer_to(error)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered
    if error.status_code == HTTPStatus.NOT_FOUND:
        return answer(error.status_code, [Told(_NO_SUCH_ADDRESS)])
    told = answer_to(error)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        told.headers["Allow"] = allowed(request.app.state.routes, request.url.path)
    return told


def allowed(routes: Iterable[Any], path: str) -> str:
    """List the methods of every route with this path; the framework knows only of the first."""
    methods = {method for route in routes if route.path_regex.match(path) for method in route.methods}
    return ", ".join(sorted(methods | ({HEAD} if GET in methods else set())))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        refused = await _refusal(request)
        return refused or answer(400, [Told("the body is not valid JSON")])
    if any(problem["loc"][0] == _PATH for problem in problems):
        # An id that cannot be one names nothing.
        return answer(404, [Told(NOT_FOUND)])
    if any(tuple(problem["loc"]) == (_BODY,) for problem in problems) and not _is_json(request):
        return answer(415, [Told("content-type: must be application/json", "header.Content-Type")])
    return answer(422, [_told(problem) for problem in problems])


async def _refusal(request: Request) -> JSONResponse | None:
    """Refuse a caller without a key: the framework reads the body before it asks who sent it."""
    if not request.url.path.startswith(CLOSED):
        return None
    try:
        await authenticate(request)
    except PostriderError as error:
        return answer_to(error)
    return None


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return (
        media_type == "application/json"
        or media_type.endswith("+json")
        or request.headers.get("content-length") in {"0", None}
    )


def _told(problem: Mapping[str, Any]) -> Told:
    where, *path = problem["loc"]
    name = ".".join(str(part) for part in path)
    prefix = "" if where == _BODY else f"{where}."
    return Told(f"{name or 'the body'}: {complaint(problem)}", prefix + name if name else "")


def _source(pointer: str) -> dict[str, str]:
    where, _, rest = pointer.partition(".")
    if where == _QUERY:
        return {"parameter": rest}
    if where == _HEADER:
        return {"header": rest}
    return {"pointer": "/" + pointer.replace(".", "/")}
