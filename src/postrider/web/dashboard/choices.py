"""Which integrations a filter offers to choose from."""

from __future__ import annotations

from uuid import UUID

from postrider.store import integrations
from postrider.store.engine import Transaction
from postrider.store.integrations import IntegrationHead

MOST = 500


def integration_choices(
    tx: Transaction, tenant_id: UUID, *, chosen: UUID | None, most: int = MOST
) -> list[IntegrationHead]:
    """List the tenant's integrations by name, at most so many, and the chosen one in any case.

    Without it the field would say that none is chosen, and the next press of the button would widen the list.
    """
    offered = integrations.head_list(tx, tenant_id, limit=most)
    if chosen is None or any(head.id == chosen for head in offered):
        return offered
    return [*offered, *integrations.heads(tx, tenant_id, {chosen}).values()]
