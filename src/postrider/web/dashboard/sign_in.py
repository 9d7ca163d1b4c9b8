"""Signing in with an API key or by a link, signing out, and choosing whose things are looked at."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from postrider.control import keys, sessions
from postrider.domain.access import ApiKey
from postrider.domain.errors import InvalidInput, NotAuthenticated, TooManyRequests
from postrider.store import tenants
from postrider.web.auth import Authenticator, ServicesDep, services_of
from postrider.web.head import was_head
from postrider.web.limits import host_of

from . import notices
from .pages import show_to_guest
from .session import COOKIE, GUEST_COOKIE, PATH, FormDep, Operator, check_form, end, keep
from .sign_in_codes import SignInCodes

router = APIRouter()


@router.get("/sign-in")
def ask(request: Request, next: Annotated[str, Query()] = "") -> Response:  # noqa: A002 - the query's word
    """Show the form that asks for an API key."""
    return show_to_guest(request, "sign_in.html", next=_safe(next), error="")


@router.post("/sign-in")
async def sign_in(request: Request, form: FormDep) -> Response:
    """Begin a session with the API key given."""
    await check_form(request, request.cookies.get(GUEST_COOKIE, ""))
    back, token = _safe(str(form.get("next", ""))), str(form.get("api_key", "")).strip()
    authenticator: Authenticator = request.app.state.authenticator
    try:
        key = await authenticator.key(token, host=host_of(request))
    except (NotAuthenticated, TooManyRequests) as error:
        status = 401 if isinstance(error, NotAuthenticated) else 429
        return show_to_guest(request, "sign_in.html", status=status, next=back, error=_complaint(error))
    return _begun(request, key, back)


@router.get("/sign-in/{code}")
async def sign_in_by_link(request: Request, code: str) -> Response:
    """Begin a session by a link that works once."""
    if was_head(request.scope):
        return Response()
    codes: SignInCodes = request.app.state.codes
    key_id = codes.take(code)
    if key_id is None:
        error = "This link was used already: sign in with the API key, which is shown where the link was."
        return show_to_guest(request, "sign_in.html", status=410, next="", error=error)
    return _begun(request, await run_in_threadpool(keys.find_key_by_id, services_of(request), key_id), "")


@router.post("/sign-out")
async def sign_out(request: Request, _form: FormDep) -> Response:
    """End the session."""
    await check_form(request, request.cookies.get(COOKIE, ""))
    response = RedirectResponse(f"{PATH}/sign-in", 303)
    end(request, response)
    return response


@router.post("/tenant")
def choose_tenant(request: Request, services: ServicesDep, _session: Operator, form: FormDep) -> Response:
    """Look at another tenant's things from now on."""
    try:
        tenant_id = UUID(str(form.get("tenant_id", "")))
    except ValueError:
        raise InvalidInput("tenant_id", "tenant_id: choose a tenant") from None
    with services.database.read() as tx:
        tenant = tenants.get(tx, tenant_id)
    if tenant is None:
        raise InvalidInput("tenant_id", "tenant_id: there is no such tenant")
    told = sessions.read(services.pepper, request.cookies.get(COOKIE, ""), now=services.clock.now())
    response = notices.went_well(request, "/", f"You now look at {tenant.name}.")
    keep(request, response, sessions.look_at(services.pepper, told, tenant.id))
    return response


def _begun(request: Request, key: ApiKey, back: str) -> Response:
    services = services_of(request)
    response = RedirectResponse(back or f"{PATH}/", 303)
    keep(request, response, sessions.begin(services.pepper, key, now=services.clock.now()))
    return response


def _safe(path: str) -> str:
    """Let nobody be led away from the dashboard: only a path under it is gone back to."""
    return path if path.startswith(f"{PATH}/") and "//" not in path and "\\" not in path and path.isprintable() else ""


def _complaint(error: NotAuthenticated | TooManyRequests) -> str:
    return "This is no API key that is valid here." if "validate" in error.detail else f"{error.detail.capitalize()}."
