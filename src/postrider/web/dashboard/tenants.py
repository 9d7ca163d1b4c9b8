"""Tenants, for operators: which there are, a new one, and whose things are looked at."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from postrider.control.tenants import create_tenant
from postrider.domain.errors import InvalidInput
from postrider.store import tenants
from postrider.web.auth import ServicesDep

from . import form_errors
from .filters import PageFilter
from .notices import went_well
from .pages import show
from .paging import ways
from .session import FormDep, Operator, Session

PAGE = 50
SECTION = "/tenants"

router = APIRouter()


@router.get(SECTION)
def list_tenants(
    request: Request, services: ServicesDep, session: Operator, query: Annotated[PageFilter, Query()]
) -> Response:
    """List tenants, newest first."""
    with services.database.read() as tx:
        found = tenants.any_tenant_list(tx, before=query.before, limit=PAGE + 1)
    return show(
        request,
        session,
        "tenants.html",
        section=SECTION,
        rows=found[:PAGE],
        ways=ways(SECTION, query, found, shown=PAGE),
    )


@router.get("/tenants/new")
def ask(request: Request, session: Operator) -> Response:
    """Show the form for a new tenant."""
    return _form(request, session)


@router.post(SECTION)
def add_tenant(request: Request, services: ServicesDep, session: Operator, form: FormDep) -> Response:
    """Make a tenant."""
    name, org_id = str(form.get("name", "")), str(form.get("org_id", ""))
    try:
        made = create_tenant(services, name=name, org_id=org_id, by=session.actor)
    except InvalidInput as error:
        return _form(request, session, name=name, org_id=org_id, error=error)
    return went_well(request, SECTION, f"{made.name} is there now. Look at it, and make its first API key.")


def _form(
    request: Request, session: Session, *, name: str = "", org_id: str = "", error: InvalidInput | None = None
) -> Response:
    return show(
        request,
        session,
        "tenant_form.html",
        section=SECTION,
        status=form_errors.status(error),
        given={"name": name, "org_id": org_id},
        errors=form_errors.at_field(error, otherwise="name") if error else {},
    )
