"""Hood's providers: which transport each one is, and its settings as the transport declares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from postrider.services import Services
from postrider.transports.configuration import TransportConfiguration, template_fields

SMS, EMAIL = "sms", "email"
KINDS = (SMS, EMAIL)
LOGO = "/dashboard/assets/icon.svg"
"""Postrider's own: it has none of the providers'."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who sends."""

    id: str
    name: str
    """As Hood calls it."""
    kind: str
    transport: str
    """As `integration_type` has it."""


ALL = (
    Provider("1000", "twilio", SMS, "twilio"),
    Provider("1001", "custom_email_provider", EMAIL, "smtp"),
    Provider("1002", "mandrill_email", EMAIL, "mailchimp"),
    Provider("1003", "sendgrid", EMAIL, "sendgrid"),
    Provider("1004", "mitto", SMS, "mitto"),
    Provider("1005", "mailgun", EMAIL, "mailgun"),
)


def installed(services: Services) -> list[Provider]:
    """List the providers whose transports are there."""
    names = set(services.transports.names())
    return [one for one in ALL if one.transport in names]


def by_id(services: Services, provider_id: str) -> Provider | None:
    """Find a provider whose transport is there."""
    return next((one for one in installed(services) if one.id == provider_id), None)


def by_transport(services: Services, transport: str) -> Provider | None:
    """Find the provider that a type of integration is."""
    return next((one for one in installed(services) if one.transport == transport), None)


def model_of(services: Services, provider: Provider) -> type[TransportConfiguration]:
    """Give the declarations of a provider's settings and templates."""
    return services.transports.get(provider.transport).configuration_model


def document(services: Services, provider: Provider) -> dict[str, Any]:
    """Write a provider with its settings, and, which Hood does not have, its templates."""
    model = model_of(services, provider)
    templates = template_fields(model)
    fields = model.model_fields.items()
    return {
        "id": provider.id,
        "type": provider.kind,
        "name": provider.name,
        "logo": services.options.public_url.rstrip("/") + LOGO,
        "settings": [_setting(name, field) for name, field in fields if name not in templates],
        "templates": [
            {**_setting(name, field), "default": None if field.is_required() else field.default}
            for name, field in fields
            if name in templates
        ],
    }


def _setting(name: str, field: FieldInfo) -> dict[str, Any]:
    return {
        "title": field.title or name.replace("_", " ").capitalize(),
        "name": name,
        # Hood has no other type: numbers are told, and taken, as text too.
        "type": "string",
        "required": field.is_required(),
        "deprecated": bool(field.deprecated),
    }
