"""Integrations as people manage them: each use case checks, changes in one transaction, and publishes what it did."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from postrider.domain.access import POSTRIDER, Actor
from postrider.domain.audit import Action, FieldChange, integration_changes
from postrider.domain.catalogue import INTEGRATION_CREATED, INTEGRATION_DELETED, INTEGRATION_UPDATED
from postrider.domain.errors import Conflict, InvalidInput, NotFound
from postrider.domain.event import Event
from postrider.domain.installation import installing
from postrider.domain.integration import DeliveryPolicy, Integration, goes_nowhere
from postrider.domain.news import about_integration, gone_document, integration_document, trial_event
from postrider.domain.signature import DEFAULT_OVERLAP, SECRET_BYTES, retire, signing_secret, still_signing
from postrider.services import Change, Services
from postrider.store import api_keys, deliveries, events, health, integrations
from postrider.store.engine import Transaction
from postrider.transports.configuration import TransportConfiguration, mask, masked, revised, secret_fields

from . import event_types, given, policies
from .given import Given

DEFAULT_TYPE = "webhook"
GONE_REASON = "integration_deleted"
UNREADABLE = "*" * 8
"""Shown in the place of each secret that cannot be read."""
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Beside:
    """What another system's API says of an integration, beside what ours does.

    Said with it, an integration may observe nothing: it then gets nothing.
    """

    extras: Mapping[str, Any] = field(default_factory=dict)
    """Put in the place of what was stored of the same systems."""
    secrets: Mapping[str, Any] = field(default_factory=dict, repr=False)
    integration_id: UUID | None = None
    """Of a new one, where its maker chooses."""
    also: Callable[[Change, Integration], None] | None = None
    """Done in the same transaction; may be done again when others were quicker."""


@dataclass(frozen=True, slots=True)
class IntegrationPage:
    """Some of a tenant's integrations, in the order of their making."""

    integrations: list[Integration]
    total: int
    """How many the tenant has in all."""


def create(
    services: Services, tenant_id: UUID, data: object, *, by: Actor = POSTRIDER, beside: Beside | None = None
) -> Integration:
    """Make an integration from a request's `data`; its signing secret is in the answer.

    Conflict when the id that its maker chose is taken.
    """
    new = draft(services, tenant_id, data, beside=beside)
    with services.change(by) as change:
        if integrations.any_tenant_has(change.tx, new.id):
            raise Conflict(f"the id {new.id} is taken")
        integrations.add(change.tx, services.box, new, secret_names=_sealed_names(services, new))
        change.record(tenant_id, Action.INTEGRATION_CREATED, new.id, _told(services, None, new))
        if beside is not None and beside.also is not None:
            beside.also(change, new)
        _publish(services, change.tx, INTEGRATION_CREATED, new)
    services.ring.fan_out()
    return new


def draft(services: Services, tenant_id: UUID, data: object, *, beside: Beside | None = None) -> Integration:
    """Check what an integration would be made of, and make it without storing it."""
    wanted = given.read(data, known=partial(event_types.known, services, tenant_id))
    given.require_all(data, but=() if beside is None else ("observes",))
    new = _revised(services, _blank(services, tenant_id), wanted, beside)
    if beside is None and not new.observes:
        raise InvalidInput("data.observes", given.OBSERVE_SOMETHING)
    return new


def update(
    services: Services,
    tenant_id: UUID,
    integration_id: UUID,
    data: object,
    *,
    by: Actor = POSTRIDER,
    beside: Beside | None = None,
) -> Integration:
    """Change what the request's `data` names; what changes nothing makes no new version and no event."""
    wanted = given.read(data, known=partial(event_types.known, services, tenant_id))
    revise, also = partial(_revised, services, wanted=wanted, beside=beside), beside.also if beside else None
    return _change(services, tenant_id, integration_id, revise, action=Action.INTEGRATION_UPDATED, by=by, also=also)


def set_enabled(
    services: Services, tenant_id: UUID, integration_id: UUID, *, enabled: bool, by: Actor = POSTRIDER
) -> Integration:
    """Switch an integration on or off; switched on, it gets what was held for it."""
    revise = partial(_revised, services, wanted=Given({"enabled": enabled}, {}))
    action = Action.INTEGRATION_ENABLED if enabled else Action.INTEGRATION_DISABLED
    return _change(services, tenant_id, integration_id, revise, action=action, by=by)


def rotate_secret(
    services: Services,
    tenant_id: UUID,
    integration_id: UUID,
    *,
    overlap: timedelta = DEFAULT_OVERLAP,
    by: Actor = POSTRIDER,
) -> Integration:
    """Give an integration a new signing secret, which is in the answer; the old one signs too until `overlap` is over.

    Conflict when the integration's secrets cannot be read.
    """
    secret, now = _new_secret(), services.clock.now()

    def step(old: Integration) -> Integration:
        if old.secrets_unreadable:
            raise Conflict(
                "the integration's stored secrets cannot be read, so none of them can be replaced alone: "
                "send its whole configuration, or have the missing encryption key put back"
            )
        retired = retire(old.signing_secret, old.retired_secrets, overlap=overlap, now=now)
        return replace(old, signing_secret=secret, retired_secrets=retired)

    return _change(services, tenant_id, integration_id, step, action=Action.INTEGRATION_SECRET_ROTATED, by=by)


def delete(services: Services, tenant_id: UUID, integration_id: UUID, *, by: Actor = POSTRIDER) -> None:
    """Delete an integration: what it still had to get is discarded, what is under way ends."""
    now = services.clock.now()
    with services.change(by) as change:
        tx = change.tx
        if not integrations.remove(tx, tenant_id, integration_id, now=now):
            raise _not_found(integration_id)
        change.record(tenant_id, Action.INTEGRATION_DELETED, integration_id)
        api_keys.revoke_of_integration(tx, tenant_id, integration_id, now=now)
        deliveries.discard_pending(tx, tenant_id, integration_id, reason=GONE_REASON, now=now)
        gone = about_integration(
            INTEGRATION_DELETED,
            gone_document(integration_id),
            event_id=services.ids.new(),
            tenant_id=tenant_id,
            now=now,
        )
        events.add(tx, [gone])
    services.ring.fan_out()


def get(services: Services, tenant_id: UUID, integration_id: UUID) -> Integration:
    """Read one integration, with its secrets in clear."""
    with services.database.read() as tx:
        found = integrations.get(tx, services.box, tenant_id, integration_id)
    if found is None:
        raise _not_found(integration_id)
    return found


def page(services: Services, tenant_id: UUID, *, offset: int, limit: int) -> IntegrationPage:
    """Read some of the tenant's integrations, with their secrets in clear."""
    with services.database.read() as tx:
        found = integrations.page(tx, services.box, tenant_id, offset=offset, limit=limit)
        return IntegrationPage(found, integrations.count(tx, tenant_id))


def send_test(
    services: Services,
    tenant_id: UUID,
    integration_id: UUID,
    *,
    said: Mapping[str, Any] | None = None,
    by: Actor = POSTRIDER,
) -> Event:
    """Publish a `postrider.test` event that this integration alone gets; `said` is what its data says besides.

    Conflict when it is switched off: the test would be skipped.
    """
    integration = get(services, tenant_id, integration_id)
    if not integration.enabled:
        raise Conflict("the integration is disabled, so the test would not be sent; enable it first")
    test = trial_event(integration, event_id=services.ids.new(), now=services.clock.now(), said=said)
    with services.change(by) as change:
        events.add(change.tx, [test])
        change.record(tenant_id, Action.INTEGRATION_TESTED, integration_id)
    services.ring.fan_out()
    return test


def document(services: Services, integration: Integration, *, for_writer: bool) -> dict[str, Any]:
    """Write an integration as JSON, its secrets masked: for a key that may write integrations, or one that may not."""
    return integration_document(
        integration,
        configuration=_shown_configuration(services, integration, for_writer=for_writer),
        signing_secret=UNREADABLE if integration.secrets_unreadable else mask(integration.signing_secret),
        public_url=services.options.public_url,
    )


def _shown_configuration(services: Services, integration: Integration, *, for_writer: bool) -> dict[str, Any]:
    if _uninstalled(services, integration):
        # Nobody is left to say which fields are secret.
        return {}
    model = _model(services, integration)
    shown = masked(model, integration.configuration, for_writer=for_writer)
    # Shown as a mask, so that it cannot be sent back as if it were known.
    return shown | dict.fromkeys(secret_fields(model), UNREADABLE) if integration.secrets_unreadable else shown


def _change(
    services: Services,
    tenant_id: UUID,
    integration_id: UUID,
    step: Callable[[Integration], Integration],
    *,
    action: Action,
    by: Actor,
    also: Callable[[Change, Integration], None] | None = None,
) -> Integration:
    """Store what `step` makes of the integration, again from its newest state when somebody else was quicker."""
    for _ in range(_TRIES):
        old = get(services, tenant_id, integration_id)
        stepped = step(old)
        if stepped == old:
            return old
        now = services.clock.now()
        retired = still_signing(stepped.retired_secrets, now=now)
        new = replace(stepped, retired_secrets=retired, version=old.version + 1, updated_at=now)
        if _store(services, old, new, action=action, by=by, also=also):
            return new
    raise Conflict("the integration is being changed by others at the same time; try again")


def _store(
    services: Services,
    old: Integration,
    new: Integration,
    *,
    action: Action,
    by: Actor,
    also: Callable[[Change, Integration], None] | None,
) -> bool:
    fresh_start = _deserves_fresh_start(old, new)
    new_rate = old.policy.rate_limit != new.policy.rate_limit
    with services.change(by) as change:
        tx = change.tx
        if not integrations.change(tx, services.box, new, secret_names=_sealed_names(services, new)):
            return False
        change.record(new.tenant_id, action, new.id, _told(services, old, new))
        if also is not None:
            also(change, new)
        if fresh_start:
            health.any_tenant_start_afresh(tx, new.id)
        if new_rate:
            health.any_tenant_forget_rate(tx, new.id)
        _publish(services, tx, INTEGRATION_UPDATED, new)
    services.ring.fan_out()
    if fresh_start or new_rate:
        services.ring.deliver([new.id])
    return True


def _told(services: Services, old: Integration | None, new: Integration) -> tuple[FieldChange, ...]:
    states = [one for one in (old, new) if one is not None]
    return integration_changes(old, new, secret_names={name for one in states for name in _secret_names(services, one)})


def _deserves_fresh_start(old: Integration, new: Integration) -> bool:
    # Who switches it on or mends its address wants to see it tried now, and not disabled again by the first failure.
    return new.enabled and (not old.enabled or old.configuration != new.configuration)


def _revised(services: Services, old: Integration, wanted: Given, beside: Beside | None = None) -> Integration:
    """Apply what was given to an integration, as far as the rest of it allows."""
    wanted = _without_what_was_not_shown(services, old, wanted)
    changed = _with_extras(replace(old, **wanted.plain), beside)
    if beside is None and not changed.observes and old.observes:
        raise InvalidInput("data.observes", given.OBSERVE_SOMETHING)
    if changed.enabled and installing(changed.extras):
        raise Conflict("the integration is still being installed: it can be enabled when its steps are completed")
    if old.secrets_unreadable and "configuration" in wanted.raw:
        # All that could not be read is given anew; the signing secret, which only we know, is made anew.
        changed = replace(changed, secrets_unreadable=False, signing_secret=_new_secret())
    configuration = _configuration(services, old, changed.integration_type, wanted)
    if changed.enabled and goes_nowhere(configuration):
        raise InvalidInput("data.configuration.url", "url: says nowhere yet, so the integration cannot be enabled")
    return replace(
        changed,
        configuration=configuration,
        policy=policies.changed(old.policy, wanted.raw["delivery"]) if "delivery" in wanted.raw else old.policy,
        disabled_reason="" if changed.enabled else old.disabled_reason,
    )


def _with_extras(integration: Integration, beside: Beside | None) -> Integration:
    if beside is None:
        return integration
    given.check_beside(beside.extras)
    given.check_beside(beside.secrets)
    return replace(
        integration,
        id=beside.integration_id or integration.id,
        extras={**integration.extras, **beside.extras},
        extra_secrets={**integration.extra_secrets, **beside.secrets},
    )


def _configuration(services: Services, old: Integration, new_type: str, wanted: Given) -> dict[str, Any]:
    if "configuration" not in wanted.raw and new_type == old.integration_type:
        return dict(old.configuration)
    model = services.transports.get(new_type).configuration_model
    if "configuration" not in wanted.raw:
        raise InvalidInput(
            "data.configuration", f"configuration: is required when integration_type changes to {new_type}"
        )
    raw = wanted.raw["configuration"]
    # The secrets of one type are no other type's: a mask in a new type's configuration is not put back.
    stored = old.configuration if new_type == old.integration_type else {}
    return revised(model, raw, stored)


def _blank(services: Services, tenant_id: UUID) -> Integration:
    now = services.clock.now()
    return Integration(
        id=services.ids.new(),
        tenant_id=tenant_id,
        integration_type=DEFAULT_TYPE,
        name="",
        description="",
        enabled=False,
        observes=(),
        configuration={},
        policy=DeliveryPolicy(),
        signing_secret=_new_secret(),
        version=1,
        created_at=now,
        updated_at=now,
    )


def _publish(services: Services, tx: Transaction, event_type: str, integration: Integration) -> None:
    news = about_integration(
        event_type,
        document(services, integration, for_writer=False),
        event_id=services.ids.new(),
        tenant_id=integration.tenant_id,
        now=integration.updated_at,
    )
    events.add(tx, [news])


def _new_secret() -> str:
    return signing_secret(secrets.token_bytes(SECRET_BYTES))


def _model(services: Services, integration: Integration) -> type[TransportConfiguration]:
    return services.transports.get(integration.integration_type).configuration_model


def _uninstalled(services: Services, integration: Integration) -> bool:
    """Tell whether the transport that it was made for is not there any more; it can be managed all the same."""
    return integration.integration_type not in services.transports.names()


def _without_what_was_not_shown(services: Services, old: Integration, wanted: Given) -> Given:
    """Read the empty configuration that is shown of an uninstalled type as what it is when it is sent back: no wish."""
    same_type = wanted.plain.get("integration_type", old.integration_type) == old.integration_type
    if not (same_type and wanted.raw.get("configuration") == {} and _uninstalled(services, old)):
        return wanted
    return replace(wanted, raw={name: value for name, value in wanted.raw.items() if name != "configuration"})


def _secret_names(services: Services, integration: Integration) -> Collection[str]:
    """List the fields that are not to be told; of an uninstalled type all."""
    if _uninstalled(services, integration):
        return integration.configuration.keys()
    return secret_fields(_model(services, integration)).keys()


def _sealed_names(services: Services, integration: Integration) -> Collection[str]:
    """List the fields to be stored encrypted: but where what is encrypted stays as it lies there, none is added."""
    return () if integration.secrets_unreadable else _secret_names(services, integration)


def _not_found(integration_id: UUID) -> NotFound:
    return NotFound(f"there is no integration {integration_id}")
