"""What would be sent for an event, by a configuration that need not be saved; nothing is sent or stored."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from postrider.domain.delivery import Claimed
from postrider.domain.errors import NotFound
from postrider.domain.exhibit import Exhibit, only_note
from postrider.domain.integration import DeliveryPolicy, Integration
from postrider.domain.signature import SECRET_BYTES, signing_secret
from postrider.services import Services
from postrider.store import tenants
from postrider.transports.configuration import TransportConfiguration, revised, secret_fields
from postrider.transports.template_sample import SAMPLE, SAMPLE_TYPE

from .exhibit import made

_KINDS = ("0123456789", "abcdef", "ABCDEF", string.ascii_lowercase, string.ascii_uppercase)
NOT_SHOWN = "This type of integration does not show what it sends."
NAME = "Preview"


def preview(
    services: Services,
    tenant_id: UUID,
    *,
    integration_type: str,
    configuration: object,
    payload: bytes | None = None,
    stored: Mapping[str, Any] | None = None,
    name: str = NAME,
) -> Exhibit:
    """Show what a configuration sends for an event with this payload, or for the sample order when None.

    `stored` is the configuration that it is to replace: secrets given by their masks are taken from there. Raises
    InvalidInput for what could not be saved, and for a template that this payload does not fill.
    """
    transport = services.transports.get(integration_type)
    checked = revised(transport.configuration_model, configuration, stored or {}, payload=payload)
    with services.database.read() as tx:
        tenant = tenants.get(tx, tenant_id)
    if tenant is None:
        raise NotFound("no such tenant")
    now = services.clock.now()
    shown = _without_kept(transport.configuration_model, configuration, checked)
    integration = _integration(services.ids.new(), tenant_id, integration_type, name, shown, now)
    claimed = _claimed(services, integration, SAMPLE if payload is None else payload, now)
    return made(services, tenant, integration, transport, claimed) or only_note(NOT_SHOWN)


def _without_kept(model: type[TransportConfiguration], given: object, checked: Mapping[str, Any]) -> dict[str, Any]:
    """Put others in the place of the secrets that are kept unseen.

    All secrets are taken out of what is shown: who guesses them in a payload would see which guess is gone.
    """
    before = given if isinstance(given, Mapping) else {}
    kept = {
        name
        for name, mark in secret_fields(model).items()
        if name in checked and before.get(name) != checked[name] and not mark.shown_to_writers
    }
    return {name: _another(value) if name in kept else value for name, value in checked.items()}


def _another(secret: str) -> str:
    """Make up a secret in which each character is of the same kind."""
    return "".join(secrets.choice(next((kind for kind in _KINDS if one in kind), one)) for one in secret)


def _integration(
    integration_id: UUID, tenant_id: UUID, integration_type: str, name: str, checked: dict[str, Any], now: datetime
) -> Integration:
    return Integration(
        id=integration_id,
        tenant_id=tenant_id,
        integration_type=integration_type,
        name=name,
        description="",
        enabled=True,
        observes=(SAMPLE_TYPE,),
        configuration=checked,
        policy=DeliveryPolicy(),
        # Signatures are shown cut short, so that it does not matter whose they are.
        signing_secret=signing_secret(bytes(SECRET_BYTES)),
        version=1,
        created_at=now,
        updated_at=now,
    )


def _claimed(services: Services, integration: Integration, payload: bytes, now: datetime) -> Claimed:
    event_id, delivery_id, token = services.ids.many(3)
    return Claimed(
        delivery_id=delivery_id,
        tenant_id=integration.tenant_id,
        integration_id=integration.id,
        integration_version=1,
        event_id=event_id,
        event_type=SAMPLE_TYPE,
        payload=payload,
        attempt=1,
        round_start=0,
        lost=0,
        token=token,
        started_at=now,
        lease_until=now,
        published_at=now,
    )
