"""Which of a tenant's integrations is the default one of its kind: never more than one."""

from __future__ import annotations

from uuid import UUID

from postrider.domain.audit import Action, FieldChange
from postrider.domain.integration import Integration
from postrider.services import Change, Services
from postrider.store import integrations, tenants
from postrider.store.engine import Transaction

MEMBER = "default_of"
"""Where a system's extras have the kind that an integration is the default of."""


def make_only(services: Services, change: Change, integration: Integration, *, system: str, kind: str) -> None:
    """Take the default of a kind from all other integrations of the tenant, in a transaction that gives it to this."""
    tx, tenant_id = change.tx, integration.tenant_id
    # Two who are made default at the same time would not see each other's rows.
    tenants.hold(tx, tenant_id)
    for other_id, extras in integrations.with_extra(tx, tenant_id, system, MEMBER, kind, hold=True).items():
        if other_id == integration.id:
            continue
        rest = {name: value for name, value in extras[system].items() if name != MEMBER}
        integrations.set_extras(tx, tenant_id, other_id, {**extras, system: rest}, now=services.clock.now())
        change.record(tenant_id, Action.INTEGRATION_UPDATED, other_id, (FieldChange(f"extras.{system}"),))


def of_kind(tx: Transaction, tenant_id: UUID, *, system: str, kind: str) -> UUID | None:
    """Find the default integration of a kind; None when there is none."""
    return next(iter(integrations.with_extra(tx, tenant_id, system, MEMBER, kind)), None)
