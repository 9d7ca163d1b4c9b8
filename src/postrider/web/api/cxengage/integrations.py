"""CxEngage's endpoints of integrations and their listeners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from postrider.control import integrations
from postrider.control.integrations import Beside
from postrider.domain.access import Actor, Caller, Permission
from postrider.domain.audit import Action, AuditEntry, ObjectType
from postrider.domain.errors import Conflict, InvalidInput, NotPermitted, PostriderError
from postrider.domain.integration import Integration
from postrider.services import Change, Services
from postrider.store import audit_log
from postrider.web.auth import ServicesDep, authenticate
from postrider.web.foreign import Failure, JsonBody, foreign_app

from . import listeners, properties
from .listeners import Listener
from .properties import SYSTEM, in_their_words

PATH = "/v1/tenants"
MANAGE = "MANAGE_ALL_PROVIDERS"
VIEW = "VIEW_ALL_PROVIDERS"
PAGE = 500

_TRIES = 5
_WRAPPERS = ("attribute", "attributes")
_CHANGES = [
    action
    for action in Action
    if action.object_type is ObjectType.INTEGRATION and action is not Action.INTEGRATION_TESTED
]
# It has no 422: what cannot be taken is a bad request.
_STATUSES: dict[type[PostriderError], int] = {InvalidInput: 400}

router = APIRouter(prefix="/{tenant_id}/integrations")


def create(app: FastAPI) -> FastAPI:
    """Make the app of CxEngage's API, to be mounted at `PATH`."""
    return foreign_app(app, [router], _error, statuses=_STATUSES)


def _error(failure: Failure) -> dict[str, Any]:
    fields = {problem.pointer: problem.detail for problem in failure.problems if problem.pointer}
    error = {"code": failure.status, "message": failure.detail, "requestId": failure.request_id}
    return {"error": {**error, "attribute": fields} if fields else error}


def _permitted(permission: Permission, name: str) -> Any:
    """Let in a key of the tenant in the address that may do this, which CxEngage calls `name`."""

    async def caller(request: Request, tenant_id: str) -> Caller:
        try:
            found = await authenticate(request, permission)
        except NotPermitted:
            raise NotPermitted(f"the API key lacks the permission {name}, here {permission.value}") from None
        if tenant_id.lower() != str(found.tenant_id):
            raise NotPermitted(f"the API key has the permission {name} for another tenant than that of the address")
        return found

    return Depends(caller)


Reader = Annotated[Caller, _permitted(Permission.INTEGRATIONS_READ, VIEW)]
Writer = Annotated[Caller, _permitted(Permission.INTEGRATIONS_WRITE, MANAGE)]


@router.post("")
def create_integration(services: ServicesDep, caller: Writer, body: JsonBody) -> JSONResponse:
    """Create an integration; one without `observes` gets nothing until it is set."""
    given = _attributes(body)
    integration_type = properties.type_named(given.get("type"))
    kind = properties.KINDS[integration_type]
    if "properties" not in given:
        raise InvalidInput("properties", "properties: is required")
    taken = properties.taken(integration_type, given["properties"], configuration={}, kept_before=kind.kept)
    data = {
        "type": "integration",
        "name": kind.title,
        **_plain(given),
        "integration_type": integration_type,
        "configuration": taken.configuration,
    }
    beside = Beside(extras={SYSTEM: {"properties": taken.kept}})
    with in_their_words(integration_type):
        made = integrations.create(services, caller.tenant_id, _checked(data, beside), by=caller.actor, beside=beside)
    return _one(services, made)


@router.get("")
def list_integrations(services: ServicesDep, caller: Reader) -> JSONResponse:
    """List all integrations, oldest first."""
    return JSONResponse({"result": [one for page in _pages(services, caller) for one in _documents(services, page)]})


@router.get("/{integration_id}")
def get_integration(services: ServicesDep, caller: Reader, integration_id: UUID) -> JSONResponse:
    """Get an integration."""
    return _one(services, integrations.get(services, caller.tenant_id, integration_id))


@router.put("/{integration_id}")
def update_integration(services: ServicesDep, caller: Writer, integration_id: UUID, body: JsonBody) -> JSONResponse:
    """Change what is given of an integration, and of its properties; the rest stays."""
    given = _attributes(body)

    def step(old: Integration) -> tuple[dict[str, Any], dict[str, Any]]:
        return _wanted(services, old, given)

    return _one(services, _change(services, caller, integration_id, step))


@router.get("/{integration_id}/listeners")
def list_listeners(services: ServicesDep, caller: Reader, integration_id: UUID) -> JSONResponse:
    """List an integration's listeners."""
    found = integrations.get(services, caller.tenant_id, integration_id)
    return JSONResponse({"result": [_listener(found, one) for one in listeners.of(found)]})


@router.get("/{integration_id}/listeners/{listener_id}")
def get_listener(services: ServicesDep, caller: Reader, integration_id: UUID, listener_id: UUID) -> JSONResponse:
    """Get a listener."""
    found = integrations.get(services, caller.tenant_id, integration_id)
    return JSONResponse({"result": _listener(found, listeners.one_of(found, listener_id))})


@router.post("/{integration_id}/listeners")
def create_listener(services: ServicesDep, caller: Writer, integration_id: UUID, body: JsonBody) -> JSONResponse:
    """Hang a listener below an integration; what it observes while it is active, the integration observes."""
    new = listeners.made(_attributes(body), listener_id=services.ids.new(), caller=caller, now=services.clock.now())
    return _with_listener(services, caller, integration_id, lambda _: new)


@router.put("/{integration_id}/listeners/{listener_id}")
def update_listener(
    services: ServicesDep, caller: Writer, integration_id: UUID, listener_id: UUID, body: JsonBody
) -> JSONResponse:
    """Change what is given of a listener."""
    given, now = _attributes(body), services.clock.now()

    def change(integration: Integration) -> Listener:
        return listeners.changed(listeners.one_of(integration, listener_id), given, caller=caller, now=now)

    return _with_listener(services, caller, integration_id, change)


def _attributes(body: object) -> dict[str, Any]:
    """Read a body that is flat, as clients send it, or wrapped, as the documents do; what stands last counts."""
    if not isinstance(body, Mapping):
        raise InvalidInput("", "the body must be an object")
    flat = {name: value for name, value in body.items() if name not in _WRAPPERS}
    for name in _WRAPPERS:
        if name in body:
            if not isinstance(body[name], Mapping):
                raise InvalidInput(name, f"{name}: must be an object")
            return {**body[name], **flat}
    return flat


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give what needs no other words, by our names."""
    data = {name: given[name] for name in ("name", "observes") if name in given}
    if "description" in given:
        data["description"] = "" if given["description"] is None else given["description"]
    if "active" in given:
        data["enabled"] = properties.truth("active", given["active"])
    return data


def _wanted(services: Services, old: Integration, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Say in our words what a client wants changed of an integration, and what is kept beside it."""
    data, extras = _plain(given), dict(old.extras.get(SYSTEM, {}))
    if "type" in given and given["type"] != old.integration_type:
        _check_same_type(old, given["type"])
    if "properties" in given:
        taken = properties.taken(
            old.integration_type,
            given["properties"],
            configuration=_masked(services, old),
            kept_before=properties.kept(old),
        )
        data["configuration"], extras["properties"] = taken.configuration, taken.kept
    if isinstance(given.get("observes"), list):
        data["observes"], extras["observed_by_listeners"] = listeners.observed(given["observes"], listeners.of(old))
    return data, extras


def _check_same_type(old: Integration, given: object) -> None:
    if properties.type_named(given) != old.integration_type:
        raise InvalidInput("type", "type: cannot be changed; make a new integration")


def _with_listener(
    services: Services, caller: Caller, integration_id: UUID, make: Callable[[Integration], Listener]
) -> JSONResponse:
    made: list[Listener] = []

    def step(old: Integration) -> tuple[dict[str, Any], dict[str, Any]]:
        made[:] = [make(old)]
        kept = listeners.with_one(listeners.of(old), made[0])
        observes, theirs = listeners.observed(listeners.own_of(old), kept)
        extras = {**old.extras.get(SYSTEM, {}), "listeners": kept, "observed_by_listeners": theirs}
        return {"observes": observes}, extras

    changed = _change(services, caller, integration_id, step)
    return JSONResponse({"result": _listener(changed, made[0])})


class _Overtaken(Conflict):
    """Somebody else was quicker."""


def _change(
    services: Services,
    caller: Caller,
    integration_id: UUID,
    step: Callable[[Integration], tuple[dict[str, Any], dict[str, Any]]],
) -> Integration:
    """Store what `step` wants of an integration and beside it, from its newest state when it changed meanwhile."""
    for _ in range(_TRIES):
        old = integrations.get(services, caller.tenant_id, integration_id)
        data, extras = step(old)
        beside = Beside(extras={SYSTEM: extras}, also=partial(_check_follows, old))
        try:
            with in_their_words(old.integration_type):
                return integrations.update(
                    services, caller.tenant_id, integration_id, _checked(data, beside), by=caller.actor, beside=beside
                )
        except _Overtaken:
            continue
    raise Conflict("the integration is being changed by others at the same time; try again")


def _check_follows(old: Integration, _: Change, new: Integration) -> None:
    if new.version != old.version + 1:
        raise _Overtaken("the integration was changed meanwhile")


def _checked(data: dict[str, Any], beside: Beside) -> dict[str, Any]:
    # `control` looks through all of `data` for what no database takes, and leaves members that it does not know.
    return {**data, SYSTEM: beside.extras[SYSTEM]}


def _pages(services: Services, caller: Caller) -> Iterator[list[Integration]]:
    offset = 0
    while page := integrations.page(services, caller.tenant_id, offset=offset, limit=PAGE).integrations:
        yield page
        offset += len(page)


def _one(services: Services, integration: Integration) -> JSONResponse:
    (document,) = _documents(services, [integration])
    return JSONResponse({"result": document})


def _documents(services: Services, found: Sequence[Integration]) -> list[dict[str, Any]]:
    if not found:
        return []
    ids, tenant_id = [str(one.id) for one in found], found[0].tenant_id
    with services.database.read() as tx:
        made = audit_log.last_of_each(tx, tenant_id, ids, [Action.INTEGRATION_CREATED])
        changed = audit_log.last_of_each(tx, tenant_id, ids, _CHANGES)
    return [_document(services, one, made.get(str(one.id)), changed.get(str(one.id))) for one in found]


def _document(
    services: Services, integration: Integration, made: AuditEntry | None, changed: AuditEntry | None
) -> dict[str, Any]:
    return {
        "id": str(integration.id),
        "tenantId": str(integration.tenant_id),
        "type": integration.integration_type,
        "name": integration.name,
        "description": integration.description,
        "active": integration.enabled,
        "properties": properties.shown(integration, _masked(services, integration)),
        "observes": list(integration.observes),
        "created": listeners.time_of(integration.created_at),
        "createdBy": _author(made, integration),
        "updated": listeners.time_of(integration.updated_at),
        "updatedBy": _author(changed, integration),
    }


def _author(entry: AuditEntry | None, integration: Integration) -> str | None:
    """Give the key that did it; none for Postrider itself, and for operators, who are not the tenant's to know."""
    actor: Actor | None = entry.actor if entry else None
    known = actor is not None and actor.api_key_id is not None and actor.tenant_id == integration.tenant_id
    return str(actor.api_key_id) if actor is not None and known else None


def _listener(integration: Integration, listener: Listener) -> dict[str, Any]:
    return {**listener, "tenantId": str(integration.tenant_id), "integrationId": str(integration.id)}


def _masked(services: Services, integration: Integration) -> dict[str, Any]:
    shown: dict[str, Any] = integrations.document(services, integration, for_writer=False)["configuration"]
    return shown
