"""The integrations of integrator.io: what its clients ask for, done with ours."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from postrider.control import installation, integrations
from postrider.domain.access import Caller, Permission
from postrider.domain.errors import NotFound
from postrider.domain.integration import Integration
from postrider.services import Services
from postrider.store import integrations as stored
from postrider.web.auth import ServicesDep
from postrider.web.foreign import JsonBody, json_body

from . import steps, translation
from .callers import Reader, Writer
from .errors import NO_SUCH
from .lists import ListQueryDep

_ADDRESS = "/v1/integrations"
_ID = re.compile(r"[0-9a-fA-F]{24}")

router = APIRouter(prefix="/integrations")


@router.get("")
def list_integrations(services: ServicesDep, caller: Reader, query: ListQueryDep) -> Response:
    """List integrations as a bare array, oldest first; 204 when there are none."""
    found = integrations.page(services, caller.tenant_id, offset=query.skip, limit=query.limit)
    if not found.integrations:
        return Response(status_code=204)
    more = query.skip + query.limit < found.total
    address = f"{services.options.public_url.rstrip('/')}{_ADDRESS}"
    return JSONResponse(
        [query.of(_shown(services, caller, one)) for one in found.integrations],
        headers={"Link": query.link(address)} if more else None,
    )


@router.post("")
def create_integration(services: ServicesDep, caller: Writer, body: JsonBody) -> JSONResponse:
    """Create an integration."""
    wish = translation.new(body)
    made = integrations.create(services, caller.tenant_id, wish.data, by=caller.actor, beside=wish.beside())
    return JSONResponse(_shown(services, caller, made), 201)


@router.get("/{short_id}")
def get_integration(services: ServicesDep, caller: Reader, short_id: str) -> JSONResponse:
    """Get an integration."""
    return JSONResponse(_shown(services, caller, _found(services, caller, short_id)))


@router.put("/{short_id}")
def replace_integration(services: ServicesDep, caller: Writer, short_id: str, body: JsonBody) -> JSONResponse:
    """Put another in an integration's place; its settings are told to those who observe them."""
    before = _found(services, caller, short_id)
    wish = translation.replaced(body, before)
    beside = wish.beside(also=installation.tell_settings(services, before))
    changed = integrations.update(services, caller.tenant_id, before.id, wish.data, by=caller.actor, beside=beside)
    return JSONResponse(_shown(services, caller, changed))


@router.delete("/{short_id}", status_code=204)
def delete_integration(services: ServicesDep, caller: Writer, short_id: str) -> Response:
    """Delete an integration; what it still had to get is discarded."""
    integrations.delete(services, caller.tenant_id, _id(services, caller, short_id), by=caller.actor)
    return Response(status_code=204)


async def _body_or_none(request: Request) -> Any:
    return await json_body(request) if await request.body() else {}


@router.post("/{short_id}/clone")
def clone_integration(
    services: ServicesDep, caller: Writer, short_id: str, body: Annotated[Any, Depends(_body_or_none)]
) -> JSONResponse:
    """Copy an integration, but for its secrets; the answer lists what was made."""
    original = _found(services, caller, short_id)
    wish = translation.cloned(services, body, original)
    made = integrations.create(services, caller.tenant_id, wish.data, by=caller.actor, beside=wish.beside())
    return JSONResponse(translation.manifest(services, original, made), 201)


@router.post("/{short_id}/installStep")
def ask_for_step(services: ServicesDep, caller: Writer, short_id: str, body: JsonBody) -> JSONResponse:
    """Ask for a step to be done, or undone, of whoever observes such requests."""
    integration = _found(services, caller, short_id)
    step = steps.asked(body, integration)
    event = installation.ask_for_step(services, integration, step.index, by=caller.actor)
    told = {"step": step.index, "name": step.name, "function": step.function}
    return JSONResponse({"_id": short_id, **told, "event": {"id": str(event.id), "type": event.event_type}}, 202)


def _shown(services: Services, caller: Caller, integration: Integration) -> dict[str, Any]:
    for_writer = caller.may(Permission.INTEGRATIONS_WRITE)
    return translation.document(services, integration, for_writer=for_writer)


def _found(services: Services, caller: Caller, short_id: str) -> Integration:
    return integrations.get(services, caller.tenant_id, _id(services, caller, short_id))


def _id(services: Services, caller: Caller, short_id: str) -> UUID:
    found = None
    if _ID.fullmatch(short_id):
        with services.database.read() as tx:
            found = stored.by_beginning(tx, caller.tenant_id, short_id)
    if found is None:
        raise NotFound(NO_SUCH)
    return found
