"""What a Hood body says of an integration, in our words and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from postrider.control import integrations
from postrider.control.defaults import MEMBER as DEFAULT_OF
from postrider.domain.errors import InvalidInput
from postrider.domain.integration import Integration
from postrider.services import Services
from postrider.store import tenants
from postrider.store.health import Health
from postrider.transports.configuration import template_fields
from postrider.web.integration_state import IntegrationState, state_of

from . import providers
from .providers import Provider

SYSTEM = "hood"
"""The name of its part of an integration's extras."""
TEMPLATES = ("to", "subject", "text", "html")
ACTIVE, INACTIVE = "active", "inactive"
LONGEST_NAME = 100
UPDATABLE = ("name", "settings", "status", "is_default", "observes", "templates")
MEMBERS = (
    "id",
    "company_id",
    "name",
    "type",
    "provider_id",
    "settings",
    "status",
    "is_default",
    "effective_status",
    "create_time",
    "observes",
    "templates",
)
PROVIDER = "provider"
"""The member of the full view that is not among `MEMBERS`."""
_COMPANY_NUMBERS = 10**15


def new_data(services: Services, given: object) -> tuple[Provider, dict[str, Any]]:
    """Read who sends and an integration's `data` out of a body that makes one; raises InvalidInput."""
    body = as_object(given)
    provider = _provider(services, body.get("provider_id"))
    for name in ("name", "settings"):
        if name not in body:
            raise InvalidInput(name, f"{name}: is required")
    data = {"type": "integration", "enabled": True, **_plain(body), "integration_type": provider.transport}
    return provider, {**data, "configuration": _configuration(services, provider, body, {})}


def changed_data(services: Services, old: Integration, provider: Provider, given: object) -> dict[str, Any]:
    """Read what a body changes of an integration; raises InvalidInput, also when it is nothing."""
    body = as_object(given)
    if not any(name in body for name in UPDATABLE):
        raise InvalidInput("", f"send at least one of {', '.join(UPDATABLE)}")
    if body.get("provider_id", provider.id) != provider.id:
        raise InvalidInput("provider_id", "provider_id: cannot be changed; make a new integration")
    data = {"type": "integration", **_plain(body)}
    if "settings" in body or "templates" in body:
        # Stored secrets go in as their masks: so they are kept only for where they are sent now.
        shown = integrations.document(services, old, for_writer=True)["configuration"]
        data["configuration"] = _configuration(services, provider, body, shown)
    return data


def wanted_default(given: object) -> bool | None:
    """Read whether it is to be the default of its type; None when the body does not say; raises InvalidInput."""
    wanted = as_object(given).get("is_default")
    if wanted is not None and not isinstance(wanted, bool):
        raise InvalidInput("is_default", "is_default: must be true or false")
    return wanted


def as_object(given: object, name: str = "") -> Mapping[str, Any]:
    """Give what must be a JSON object; InvalidInput names it."""
    if not isinstance(given, Mapping):
        raise InvalidInput(name, f"{name or 'the body'}: must be an object")
    return given


def is_default(integration: Integration, provider: Provider) -> bool:
    """Tell whether it is the default one of its type."""
    return bool(integration.extras.get(SYSTEM, {}).get(DEFAULT_OF) == provider.kind)


def default_extras(provider: Provider, *, default: bool) -> dict[str, Any]:
    """Write whether it is the default one, as extras."""
    return {SYSTEM: {DEFAULT_OF: provider.kind} if default else {}}


def company_id(services: Services, tenant_id: UUID) -> str:
    """Name the tenant by digits: its organisation's, or some that are always the same."""
    with services.database.read() as tx:
        tenant = tenants.get(tx, tenant_id)
    own = tenant.org_id if tenant else ""
    return own if own.isascii() and own.isdigit() else str(tenant_id.int % _COMPANY_NUMBERS)


def document(
    services: Services,
    integration: Integration,
    provider: Provider,
    *,
    company: str,
    health: Health,
    for_writer: bool,
) -> dict[str, Any]:
    """Write an integration in Hood's words, its secrets masked, without its provider."""
    stored = integrations.document(services, integration, for_writer=for_writer)["configuration"]
    templates = template_fields(providers.model_of(services, provider))
    return {
        "id": str(integration.id),
        "company_id": company,
        "name": integration.name,
        "type": provider.kind,
        "provider_id": provider.id,
        "settings": {name: _as_text(value) for name, value in stored.items() if name not in templates},
        "status": ACTIVE if integration.enabled else INACTIVE,
        "is_default": is_default(integration, provider),
        "effective_status": _effective(integration, health, now=services.clock.now()),
        "create_time": integration.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "observes": list(integration.observes),
        "templates": {name: value for name, value in stored.items() if name in templates},
    }


def _effective(integration: Integration, health: Health, *, now: datetime) -> str:
    """Tell whether it is known to work: something has arrived, and nothing failed since."""
    state = state_of(health, enabled=integration.enabled, secrets_unreadable=integration.secrets_unreadable, now=now)
    return ACTIVE if state is IntegrationState.HEALTHY and health.last_success_at is not None else INACTIVE


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _provider(services: Services, provider_id: object) -> Provider:
    if provider_id is None:
        raise InvalidInput("provider_id", "provider_id: is required")
    found = providers.by_id(services, provider_id) if isinstance(provider_id, str) else None
    if found is None:
        known = ", ".join(f"{one.id} ({one.name})" for one in providers.installed(services))
        raise InvalidInput("provider_id", f"provider_id: must be one of {known}")
    return found


def _plain(body: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if "name" in body:
        data["name"] = _name(body["name"])
    if "status" in body:
        data["enabled"] = _enabled(body["status"])
    if "observes" in body:
        data["observes"] = body["observes"]
    return data


def _name(given: object) -> str:
    if not isinstance(given, str) or not given.strip() or len(given) > LONGEST_NAME:
        raise InvalidInput("name", f"name: must be text of 1 to {LONGEST_NAME} characters, not only spaces")
    return given


def _enabled(given: object) -> bool:
    if given not in (ACTIVE, INACTIVE):
        raise InvalidInput("status", f"status: must be {ACTIVE} or {INACTIVE}")
    return given == ACTIVE


def _configuration(
    services: Services, provider: Provider, body: Mapping[str, Any], stored: Mapping[str, Any]
) -> dict[str, Any]:
    """Put what is given into what is stored; null takes a member out of it.

    Settings that are not the provider's are left out, as Hood does.
    """
    model = providers.model_of(services, provider)
    templates = template_fields(model)
    settings, texts = as_object(body.get("settings", {}), "settings"), as_object(body.get("templates", {}), "templates")
    for name in texts:
        if name not in templates:
            raise InvalidInput("templates", f"templates: has no member {name[:60]!r}, only {', '.join(templates)}")
    own = {name: value for name, value in settings.items() if name in model.model_fields and name not in templates}
    return {name: value for name, value in {**stored, **own, **texts}.items() if value is not None}
