"""API keys: which there are, a new one shown once, and the end of one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from postrider.control import keys
from postrider.domain.access import ApiKey, Permission
from postrider.domain.errors import InvalidInput, NotFound
from postrider.services import Services
from postrider.store import api_keys
from postrider.web.api.api_keys import end_of, revoke
from postrider.web.auth import ServicesDep

from . import form_errors
from .filters import PageFilter, When
from .notices import went_well
from .pages import show
from .paging import ways
from .session import FormDep, Session, signed_in

PAGE = 50
SECTION = "/api-keys"
PERMISSIONS: Mapping[Permission, str] = {
    Permission.EVENTS_PUBLISH: "Publish events, and add event types",
    Permission.EVENTS_READ: "See events and their payloads",
    Permission.INTEGRATIONS_READ: "See integrations, without their secrets",
    Permission.INTEGRATIONS_WRITE: "Change integrations, make API keys, see the audit log",
    Permission.DELIVERIES_READ: "See deliveries, attempts and dead letters",
    Permission.DELIVERIES_REDRIVE: "Redrive, cancel and discard deliveries",
    Permission.TENANTS_MANAGE: "Manage tenants, and look at all of them",
}
"""What each lets somebody do, for those who hand out keys."""
Manager = Annotated[Session, Depends(signed_in(Permission.INTEGRATIONS_WRITE))]
_WHEN: TypeAdapter[datetime] = TypeAdapter(When)

router = APIRouter()


@router.get(SECTION)
def list_api_keys(
    request: Request, services: ServicesDep, session: Manager, query: Annotated[PageFilter, Query()]
) -> Response:
    """List the tenant's keys, newest first, the revoked ones too."""
    with services.database.read() as tx:
        found = api_keys.page(tx, session.tenant_id, before=query.before, limit=PAGE + 1)
    return show(
        request,
        session,
        "api_keys.html",
        section=SECTION,
        rows=found[:PAGE],
        state=lambda key: _state(key, services.clock.now()),
        ways=ways(SECTION, query, found, shown=PAGE),
    )


@router.get("/api-keys/new")
def ask(request: Request, services: ServicesDep, session: Manager) -> Response:
    """Show the form for a new key."""
    return _form(request, services, session)


@router.post(SECTION)
def create_api_key(request: Request, services: ServicesDep, session: Manager, form: FormDep) -> Response:
    """Make a key; this answer is the only place where it can be seen."""
    try:
        made = keys.create_key(
            services,
            session.tenant_id,
            name=str(form.get("name", "")),
            permissions=_permissions(form),
            expires_at=_expiry(form) or end_of(services, session.caller),
            by=session.actor,
        )
    except InvalidInput as error:
        return _form(request, services, session, form, error)
    return show(request, session, "api_key_made.html", section=SECTION, status=201, made=made, words=PERMISSIONS)


@router.get("/api-keys/{key_id}/revoke")
def ask_to_revoke(request: Request, services: ServicesDep, session: Manager, key_id: UUID) -> Response:
    """Ask once more before a key ends, and say what will happen."""
    key = _key(services, session, key_id)
    own = key.id == session.caller.api_key_id
    return show(request, session, "api_key_revoke.html", section=SECTION, key=key, own=own, words=PERMISSIONS)


@router.post("/api-keys/{key_id}/revoke")
def revoke_api_key(request: Request, services: ServicesDep, session: Manager, key_id: UUID) -> Response:
    """End a key for good."""
    key = _key(services, session, key_id)
    revoke(services, request.app.state.authenticator, session.caller, key)
    if key.id == session.caller.api_key_id:
        return went_well(request, "/sign-in")
    return went_well(request, SECTION, f"{key.name} is revoked: it opens nothing any more.")


def _key(services: Services, session: Session, key_id: UUID) -> ApiKey:
    with services.database.read() as tx:
        key = api_keys.any_tenant_get(tx, key_id)
    if key is None or key.tenant_id != session.tenant_id:
        raise NotFound("no such key")
    return key


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "valid" if key.valid(now) else "expired"


def _permissions(form: FormData) -> frozenset[Permission]:
    try:
        return frozenset(Permission(str(word)) for word in form.getlist("permissions"))
    except ValueError:
        raise InvalidInput("permissions", "permissions: choose among those below") from None


def _expiry(form: FormData) -> datetime | None:
    text = str(form.get("expires_at", "")).strip()
    try:
        return _WHEN.validate_python(text) if text else None
    except ValidationError:
        raise InvalidInput("expires_at", "expires_at: must be a date and a time, such as 2030-01-31T12:00") from None


def _form(
    request: Request,
    services: Services,
    session: Session,
    form: FormData | None = None,
    error: InvalidInput | None = None,
) -> Response:
    given = form or FormData()
    return show(
        request,
        session,
        "api_key_form.html",
        section=SECTION,
        status=form_errors.status(error),
        given={"name": given.get("name", ""), "expires_at": given.get("expires_at", "")},
        chosen=given.getlist("permissions"),
        offered={one: text for one, text in PERMISSIONS.items() if session.caller.may(one)},
        latest=end_of(services, session.caller),
        errors=form_errors.at_field(error, otherwise="name") if error else {},
    )
