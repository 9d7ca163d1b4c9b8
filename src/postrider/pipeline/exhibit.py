"""What an attempt sent, composed again: attempts keep no request, and secrets are shown to nobody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from postrider.domain.delivery import Attempt, Claimed, Delivery
from postrider.domain.errors import InvalidInput, NotFound
from postrider.domain.event import Event
from postrider.domain.exhibit import Exhibit, only_note
from postrider.domain.integration import Integration
from postrider.domain.message import compose
from postrider.services import Services
from postrider.store import deliveries, events, integrations, tenants
from postrider.store.engine import Transaction
from postrider.store.tenants import Tenant
from postrider.transports.registry import ConfiguredTransport
from postrider.transports.scrub import scrub, secrets_of

from .flights import sender_of

DELETED = "The integration was deleted, and with it the configuration that this was sent with."
UNREADABLE = "The integration's stored secrets cannot be read with the configured keys."
CHANGED = "The integration was changed after this attempt: what was sent then may differ from this."


def exhibit(services: Services, tenant_id: UUID, delivery_id: UUID, attempt_number: int) -> Exhibit | None:
    """Show what an attempt sent, made of the event and of the integration as it is now.

    Says in a note what keeps it from being made, and whether the integration has changed since. None: this type of
    integration does not show it. Raises NotFound.
    """
    with services.database.read() as tx:
        tried = _tried(tx, tenant_id, delivery_id, attempt_number)
        integration = integrations.get(tx, services.box, tenant_id, tried.delivery.integration_id)
        tenant = tenants.get(tx, tenant_id)
    if integration is None or tenant is None:
        return only_note(DELETED)
    if integration.secrets_unreadable:
        return only_note(UNREADABLE)
    try:
        transport = services.transports.get(integration.integration_type)
        shown = made(services, tenant, integration, transport, tried.claimed())
    except (InvalidInput, ValueError) as error:
        return only_note(f"It cannot be made with the integration's present configuration: {error}.")
    if shown is None:
        return None
    changed = integration.updated_at > tried.attempt.started_at
    return replace(shown, note=" ".join(filter(None, (shown.note, CHANGED if changed else ""))))


@dataclass(frozen=True, slots=True)
class _Tried:
    event: Event
    delivery: Delivery
    attempt: Attempt

    def claimed(self) -> Claimed:
        """Give the claim that the attempt was made with, as far as a message shows it."""
        return Claimed(
            delivery_id=self.delivery.id,
            tenant_id=self.delivery.tenant_id,
            integration_id=self.delivery.integration_id,
            integration_version=0,
            event_id=self.event.id,
            event_type=self.delivery.event_type,
            payload=self.event.payload,
            attempt=self.attempt.number,
            round_start=self.delivery.round_start,
            lost=0,
            token=self.attempt.id,
            started_at=self.attempt.started_at,
            lease_until=self.attempt.started_at,
            published_at=self.event.created_at,
        )


def _tried(tx: Transaction, tenant_id: UUID, delivery_id: UUID, attempt_number: int) -> _Tried:
    delivery = deliveries.get(tx, tenant_id, delivery_id)
    event = events.get(tx, tenant_id, delivery.event_id) if delivery else None
    found = deliveries.attempts_of(tx, tenant_id, delivery_id, first=attempt_number, last=attempt_number)
    if delivery is None or event is None or not found:
        raise NotFound("no such attempt")
    return _Tried(event, delivery, found[0])


def made(
    services: Services, tenant: Tenant, integration: Integration, transport: ConfiguredTransport, claimed: Claimed
) -> Exhibit | None:
    """Show what a claim's attempt sends; None: this type of integration does not show it."""
    # A third party's transport may have been written before there was such a method.
    show = getattr(transport, "exhibit", None)
    if show is None:
        return None
    message = compose(
        claimed,
        integration,
        sender_of(services, tenant),
        dialect=transport.dialect,
        body_limit=transport.body_limit,
        now=claimed.started_at,
    )
    shown: Exhibit | None = show(integration, message)
    return shown and _without_secrets(shown, secrets_of(integration, transport.configuration_model))


def _without_secrets(shown: Exhibit, secrets: tuple[str, ...]) -> Exhibit:
    """Take out what a transport forgot to mask, by what its configuration declares to be secret."""
    return replace(
        shown,
        title=scrub(shown.title, secrets),
        headers=tuple((name, scrub(value, secrets)) for name, value in shown.headers),
        body=scrub(shown.body, secrets),
        note=scrub(shown.note, secrets),
    )
