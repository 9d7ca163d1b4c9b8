"""Tenants, for operators."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Depends, Request

from postrider.control.tenants import create_tenant
from postrider.domain.access import Caller, Permission
from postrider.store import tenants
from postrider.store.tenants import Tenant
from postrider.web.auth import ServicesDep, require
from postrider.web.openapi import operations

from .fields import Body, Given, Line, Meta, Name, One, Shown
from .paging import Listed, PageDep, listed
from .strict_json import StrictJsonRoute

router = operations("Tenants", route_class=StrictJsonRoute)
Operator = Annotated[Caller, Depends(require(Permission.TENANTS_MANAGE))]


class TenantDocument(Shown):
    """A tenant; its id is the `store_id` of what is delivered."""

    id: UUID
    type: Literal["tenant"] = "tenant"
    name: str
    org_id: str
    meta: Meta

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        return cls(id=tenant.id, name=tenant.name, org_id=tenant.org_id, meta=Meta.at(tenant.created_at))


class NewTenant(Given):
    """A tenant to make."""

    type: Literal["tenant"] = "tenant"
    name: Name
    org_id: Line = ""


@router.get("/v2/tenants")
def list_tenants(request: Request, services: ServicesDep, _caller: Operator, page: PageDep) -> Listed[TenantDocument]:
    """List tenants, newest first."""
    with services.database.read() as tx:
        rows = tenants.any_tenant_list(tx, before=page.cursor, limit=page.fetch)
    return listed(request, page, rows, TenantDocument.of)


@router.post("/v2/tenants", status_code=201)
def add_tenant(services: ServicesDep, caller: Operator, body: Body[NewTenant]) -> One[TenantDocument]:
    """Make a tenant; its first key is made with `POST /v2/api-keys` and its `tenant_id`."""
    made = create_tenant(services, name=body.data.name, org_id=body.data.org_id, by=caller.actor)
    return One(data=TenantDocument.of(made))
