"""Tenants: whose events and integrations they are."""

from __future__ import annotations

from postrider.domain.access import POSTRIDER, Actor
from postrider.domain.audit import Action, shown
from postrider.services import Services
from postrider.store import tenants
from postrider.store.tenants import Tenant

from .texts import short_text


def create_tenant(services: Services, *, name: str, org_id: str = "", by: Actor = POSTRIDER) -> Tenant:
    """Make a tenant; names need not differ. Raises InvalidInput for a text that cannot be stored."""
    tenant = Tenant(
        id=services.ids.new(),
        name=short_text("data.name", name),
        org_id=short_text("data.org_id", org_id, empty=True),
        created_at=services.clock.now(),
    )
    with services.change(by) as change:
        tenants.add(change.tx, tenant)
        change.record(tenant.id, Action.TENANT_CREATED, tenant.id, (shown("name", None, tenant.name),))
    return tenant
