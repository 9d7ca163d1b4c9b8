"""Other systems' APIs: each an app of its own under its own address, with its own words for what went wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from postrider.domain.complaints import complaint
from postrider.domain.errors import InvalidInput, NotJson, PostriderError, TooManyRequests

from .api import strict_json
from .errors import NO_SUCH_METHOD, STATUSES, allowed
from .request_log import REQUEST_ID

_SHARED = ("services", "authenticator", "key_limit", "known_types", "publisher")
_PATH = "path"
_NO_SUCH_ADDRESS = "there is nothing at this address"
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    detail: str
    pointer: str = ""
    """The field as a dotted path from the body's root; one that begins with `query.` or `header.` is none of it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that failed, before a system's own words for it were found."""

    status: int
    problems: tuple[Problem, ...]
    """At least one."""
    request_id: str
    """Under which the log has it."""
    error: PostriderError | None = None

    @property
    def detail(self) -> str:
        """What is wrong first."""
        return self.problems[0].detail

    @property
    def pointer(self) -> str:
        """Where that is; empty where no field is to blame."""
        return self.problems[0].pointer


Form = Callable[[Failure], Any]
"""Makes of a failure the JSON document that a system's clients know."""


def foreign_app(
    app: FastAPI,
    routers: Sequence[APIRouter],
    form: Form,
    *,
    statuses: Mapping[type[PostriderError], int] | None = None,
) -> FastAPI:
    """Make the app of one system, to be mounted beside the routes of an app that has its services already.

    `statuses` are those that the system uses for our errors where it does not use ours. A slash at the end of an
    address makes no difference. What is not in the OpenAPI document of ours is in none.
    """
    made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for name in _SHARED:
        setattr(made.state, name, getattr(app.state, name))
    made.state.form = form
    made.state.statuses = {**STATUSES, **(statuses or {})}
    made.add_exception_handler(PostriderError, _own)
    made.add_exception_handler(HTTPException, _http)
    made.add_exception_handler(RequestValidationError, _invalid)
    made.add_exception_handler(Exception, _failed)
    made.add_middleware(_AnySlash)
    made.router.routes += [route for router in routers for route in router.routes]
    return made


async def json_body(request: Request) -> Any:
    """Read a body as JSON, whatever its media type is said to be; NotJson when it is none."""
    body = await request.body()
    strict_json.check(body)
    try:
        return json.loads(body)
    except RecursionError:
        raise NotJson("the body is nested too deep") from None
    except ValueError as error:
        raise NotJson("the body is not valid JSON") from error


JsonBody = Annotated[Any, Depends(json_body)]
"""Named after the caller among a handler's parameters, so that it is asked first who sends it."""


class _AnySlash:
    """Takes the slash from the end of an address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (path := scope["path"].removesuffix("/")) != scope.get("root_path", ""):
            # Not in a copy: the log finds the route in it.
            scope["path"] = path
        await self._app(scope, receive, send)


async def _own(request: Request, error: Exception) -> Response:
    assert isinstance(error, PostriderError)  # noqa: S101 - as registered
    statuses = request.app.state.statuses
    status = next(statuses[kind] for kind in type(error).__mro__ if kind in statuses)
    pointer = error.pointer if isinstance(error, InvalidInput) else ""
    wait = {"Retry-After": str(math.ceil(error.wait_seconds))} if isinstance(error, TooManyRequests) else {}
    return _answer(request, status, [Problem(error.detail, pointer)], error=error, headers=wait)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        methods = allowed(request.app.router.routes, path)
        return _answer(request, error.status_code, [Problem(NO_SUCH_METHOD)], headers={"Allow": methods})
    detail = _NO_SUCH_ADDRESS if error.status_code == HTTPStatus.NOT_FOUND else error.detail
    return _answer(request, error.status_code, [Problem(detail)], headers=error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    found = error.errors()
    if any(one["loc"][0] == _PATH for one in found):
        # An id that cannot be one names nothing.
        return _answer(request, HTTPStatus.NOT_FOUND, [Problem("there is nothing under this id")])
    status = request.app.state.statuses[InvalidInput]
    return _answer(request, status, [_problem(one) for one in found])


def _problem(found: Mapping[str, Any]) -> Problem:
    where, *path = found["loc"]
    name = ".".join(str(part) for part in path)
    return Problem(f"{name or 'the body'}: {complaint(found)}", f"{where}.{name}".removeprefix("body."))


async def _failed(request: Request, _error: Exception) -> Response:
    """Say that it is our fault; the error itself goes on to the log, and to nobody else."""
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, [Problem("something went wrong here")])


def _answer(
    request: Request,
    status: int,
    problems: Sequence[Problem],
    *,
    error: PostriderError | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    failure = Failure(status, tuple(problems), request.scope.get(REQUEST_ID, ""), error)
    told = {**(_CHALLENGE if status == HTTPStatus.UNAUTHORIZED else {}), **(headers or {})}
    return JSONResponse(request.app.state.form(failure), status, headers=told)
