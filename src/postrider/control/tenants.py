"""Tenants: whose events and integrations they are."""

from __future__ import annotations

from postrider.services import Services
from postrider.store import tenants
from postrider.store.tenants import Tenant

from .texts import short_text


def create_tenant(services: Services, *, name: str, org_id: str = "") -> Tenant:
    """Make a tenant; names need not differ. Raises InvalidInput for a text that cannot be stored."""
    tenant = Tenant(
        id=services.ids.new(),
        name=short_text("data.name", name),
        org_id=short_text("data.org_id", org_id, empty=True),
        created_at=services.clock.now(),
    )
    with services.database.write() as tx:
        tenants.add(tx, tenant)
    return tenant
