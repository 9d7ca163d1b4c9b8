"""The dashboard as an app of its own under `/dashboard`: its pages, its files, and how its errors look."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from postrider.domain.errors import NotAuthenticated, NotFound, PostriderError
from postrider.web.errors import status_of, title
from postrider.web.head import GET, HEAD
from postrider.web.request_log import REQUEST_ID

from . import (
    api_keys,
    audit_log,
    dead_letters,
    deliveries,
    event_types,
    events,
    integration_form,
    integration_secret,
    integrations,
    jobs,
    overview,
    publish,
    resend,
    sign_in,
    system,
    tenants,
    trials,
)
from .form_errors import sentence
from .pages import ASSETS, HEADERS, link, show, show_to_guest
from .session import PATH, Session, signed_in
from .sign_in_codes import SignInCodes

ROUTERS = (
    sign_in.router,
    overview.router,
    publish.router,
    events.router,
    deliveries.router,
    resend.router,
    dead_letters.router,
    jobs.router,
    integrations.router,
    integration_form.router,
    integration_secret.router,
    trials.router,
    event_types.router,
    api_keys.router,
    tenants.router,
    audit_log.router,
    system.router,
)
_WORDS = {404: "There is nothing here: it never was, or it was forgotten after its time, or it is another tenant's."}


def create_dashboard(app: FastAPI, codes: SignInCodes) -> FastAPI:
    """Make the pages of an app that has its services and authenticator already."""
    dashboard = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=True)
    dashboard.state.services = app.state.services
    dashboard.state.authenticator = app.state.authenticator
    dashboard.state.publisher = app.state.publisher
    dashboard.state.known_types = app.state.known_types
    dashboard.state.codes = codes
    dashboard.add_exception_handler(PostriderError, _own)
    dashboard.add_exception_handler(HTTPException, _http)
    dashboard.add_exception_handler(RequestValidationError, _invalid)
    dashboard.add_exception_handler(Exception, _failed)
    # Included routers would be made again for each app, when its first page is asked for.
    dashboard.router.routes += [route for router in ROUTERS for route in router.routes]
    dashboard.mount("/assets", Assets(directory=ASSETS), name="assets")
    return dashboard


class Assets(StaticFiles):
    """Our own files; their addresses carry the version, so they may be kept."""

    async def get_response(self, path: str, scope: dict) -> Response:  # type: ignore[override, type-arg]
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["X-Content-Type-Options"] = HEADERS["X-Content-Type-Options"]
        return response


async def _own(request: Request, error: Exception) -> Response:
    assert isinstance(error, PostriderError)  # noqa: S101 - as registered
    if isinstance(error, NotAuthenticated):
        return _to_sign_in(request)
    status = status_of(error)
    return await _told(request, status, _WORDS[status] if isinstance(error, NotFound) else sentence(error.detail))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered
    answer = await _told(request, error.status_code, _WORDS.get(error.status_code, error.detail))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = _allowed(request.url.path.removeprefix(PATH))
    return answer


def _allowed(path: str) -> str:
    """List the methods of every page at a path; the framework knows only of the first."""
    routes = (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute))
    methods = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
    return ", ".join(sorted(methods | ({HEAD} if GET in methods else set())))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    first = error.errors()[0]
    if first["loc"][0] == "path":
        return await _told(request, 404, _WORDS[404])
    return await _told(request, 422, f"{'.'.join(str(part) for part in first['loc'][1:])}: {first['msg'].lower()}")


async def _failed(request: Request, _error: Exception) -> Response:
    """Say that it is our fault; the error itself goes on to the log, and to nobody else."""
    number = request.scope.get(REQUEST_ID, "")
    return await _told(request, 500, f"Something went wrong here. The log has it under the request id {number}.")


async def _told(request: Request, status: int, detail: str) -> Response:
    session = await _session(request)
    if session is None:
        return show_to_guest(request, "error.html", status=status, title=title(status), detail=detail)
    return show(request, session, "error.html", section="", status=status, title=title(status), detail=detail)


async def _session(request: Request) -> Session | None:
    """Find who is told of the error; None for nobody that is signed in."""
    scope = {**request.scope, "method": "GET"}
    try:
        return await signed_in()(Request(scope, request.receive))
    except PostriderError:
        return None


def _to_sign_in(request: Request) -> Response:
    """Lead to the sign-in page, and from there back to a page that was asked for."""
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    to = link("/sign-in", next=back if request.method == "GET" else None)
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": to})
    return RedirectResponse(to, 303)
