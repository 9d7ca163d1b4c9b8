"""API keys: a key can hand out what it may do itself, for as long as it may, and no more."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Depends, Request
from pydantic import Field

from postrider.control import keys
from postrider.control.keys import NewKey
from postrider.domain.access import ApiKey, Caller, Permission
from postrider.domain.errors import InvalidInput, NotFound, NotPermitted
from postrider.services import Services
from postrider.store import api_keys, tenants
from postrider.web.auth import Authenticator, ServicesDep, require
from postrider.web.openapi import operations

from .fields import Body, Given, Meta, Moment, Name, One, Shown
from .paging import Listed, PageDep, listed
from .strict_json import StrictJsonRoute

router = operations("API keys", route_class=StrictJsonRoute)
Manager = Annotated[Caller, Depends(require(Permission.INTEGRATIONS_WRITE))]
"""Who may change what a tenant sends may say who else does."""


class ApiKeyDocument(Shown):
    """A key, without the key."""

    id: UUID
    type: Literal["api-key"] = "api-key"
    tenant_id: UUID
    name: str
    prefix: str
    """Its first characters."""
    permissions: list[Permission]
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""
    meta: Meta

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(
            id=key.id,
            tenant_id=key.tenant_id,
            name=key.name,
            prefix=key.prefix,
            permissions=sorted(key.permissions),
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
            meta=Meta.at(key.created_at),
        )


class MadeApiKey(ApiKeyDocument):
    """A key that was just made."""

    key: str = ""
    """The key itself: shown this once, stored nowhere."""


class NewApiKey(Given):
    """A key to make."""

    type: Literal["api-key"] = "api-key"
    name: Name
    permissions: Annotated[list[Permission], Field(json_schema_extra={"minItems": 1})] | None = None
    """Without: all that the calling key may do, but to manage tenants."""
    expires_at: Moment | None = None
    tenant_id: UUID | None = None
    """Another tenant than the caller's: for keys that may manage tenants."""


@router.get("/v2/api-keys")
def list_api_keys(request: Request, services: ServicesDep, caller: Manager, page: PageDep) -> Listed[ApiKeyDocument]:
    """List the tenant's keys, newest first, the revoked ones too."""
    with services.database.read() as tx:
        rows = api_keys.page(tx, caller.tenant_id, before=page.cursor, limit=page.fetch)
    return listed(request, page, rows, ApiKeyDocument.of)


@router.post("/v2/api-keys", status_code=201)
def add_api_key(services: ServicesDep, caller: Manager, body: Body[NewApiKey]) -> One[MadeApiKey]:
    """Make a key; the answer is the only place where it can be seen."""
    given = body.data
    tenant_id = _tenant(services, caller, given.tenant_id)
    made = keys.create_key(
        services,
        tenant_id,
        name=given.name,
        permissions=_permissions(caller, given.permissions),
        expires_at=given.expires_at or end_of(services, caller),
        by=caller.actor,
    )
    return One(data=_made(made))


@router.delete("/v2/api-keys/{key_id}")
def revoke_api_key(request: Request, services: ServicesDep, caller: Manager, key_id: UUID) -> One[ApiKeyDocument]:
    """End a key for good; other processes notice within seconds."""
    with services.database.read() as tx:
        key = api_keys.any_tenant_get(tx, key_id)
    if key is None or (key.tenant_id != caller.tenant_id and not caller.may(Permission.TENANTS_MANAGE)):
        raise NotFound("no such key")
    authenticator: Authenticator = request.app.state.authenticator
    return One(data=ApiKeyDocument.of(revoke(services, authenticator, caller, key)))


def revoke(services: Services, authenticator: Authenticator, caller: Caller, key: ApiKey) -> ApiKey:
    """End a key for good, in this process at once; NotPermitted when it may do what the caller may not."""
    lacking = key.permissions - caller.permissions
    if lacking:
        raise NotPermitted(f"the API key lacks the permission {min(lacking).value}, which the other one has")
    revoked = keys.revoke_key(services, key.tenant_id, key.id, by=caller.actor)
    authenticator.known.forget(key.id)
    return revoked


def _tenant(services: ServicesDep, caller: Caller, wanted: UUID | None) -> UUID:
    if wanted is None or wanted == caller.tenant_id:
        return caller.tenant_id
    if not caller.may(Permission.TENANTS_MANAGE):
        raise NotPermitted(f"the API key lacks the permission {Permission.TENANTS_MANAGE.value}")
    with services.database.read() as tx:
        if tenants.get(tx, wanted) is None:
            raise InvalidInput("data.tenant_id", "tenant_id: there is no such tenant")
    return wanted


def end_of(services: Services, caller: Caller) -> datetime | None:
    """Tell when the caller's own key ends, after which none that it makes may last; None: it does not."""
    with services.database.read() as tx:
        maker = api_keys.any_tenant_get(tx, caller.api_key_id)
    return maker.expires_at if maker else None


def _permissions(caller: Caller, wanted: list[Permission] | None) -> frozenset[Permission]:
    if wanted is None:
        return caller.permissions - {Permission.TENANTS_MANAGE} or caller.permissions
    return frozenset(wanted)


def _made(made: NewKey) -> MadeApiKey:
    document = MadeApiKey.of(made.key)
    document.key = made.secret
    return document
