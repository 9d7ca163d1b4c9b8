"""The event types that everybody knows: Elastic Path's list, as data."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

_CREATED_UPDATED_DELETED = ("created", "updated", "deleted")

# Elastic Path's table of observable events (2026): 51 keys.
_CURRENT = {
    "address": _CREATED_UPDATED_DELETED,
    "account": _CREATED_UPDATED_DELETED,
    "account-member": _CREATED_UPDATED_DELETED,
    "account-membership": _CREATED_UPDATED_DELETED,
    "cart": ("updated", "deleted"),
    "currency": _CREATED_UPDATED_DELETED,
    "customer": _CREATED_UPDATED_DELETED,
    "customAPIEntryType": _CREATED_UPDATED_DELETED,
    "file": ("created", "deleted"),
    "integration": _CREATED_UPDATED_DELETED,
    "one-time-password-token-request": ("created",),
    "order": ("created", "updated", "paid", "authorized", "fulfilled", "cancelled", "refunded"),
    "payment-gateway": ("updated",),
    "catalog-release": _CREATED_UPDATED_DELETED,
    "catalog-rule": _CREATED_UPDATED_DELETED,
    "settings": ("created", "updated"),
    "stock-transaction": ("created",),
    "transaction": ("created", "updated"),
    "user-authentication-info": _CREATED_UPDATED_DELETED,
}

# Elastic Path's subscriptions (since April 2024): 28 keys. It writes `canceled` here and `cancelled` for orders.
_SUBSCRIPTIONS = {
    "subscription": (
        "created",
        "create-failed",
        "paused",
        "canceled",
        "pending_cancel",
        "pending_pause",
        "resumed",
        "closed",
    ),
    "subscription-subscriber": _CREATED_UPDATED_DELETED,
    "subscription-product": _CREATED_UPDATED_DELETED,
    "subscription-plan": _CREATED_UPDATED_DELETED,
    "subscription-offering": _CREATED_UPDATED_DELETED,
    "subscription-job": _CREATED_UPDATED_DELETED,
    "subscription-invoice": ("created", "deleted"),
    "subscription-schedule": _CREATED_UPDATED_DELETED,
}

# Gone from Elastic Path's table, still in its command line tool's: 12 keys.
_LEGACY = {
    "brand": _CREATED_UPDATED_DELETED,
    "category": _CREATED_UPDATED_DELETED,
    "collection": _CREATED_UPDATED_DELETED,
    "product": _CREATED_UPDATED_DELETED,
}

# Postrider's own news, beside integration.created, .updated and .deleted.
_OWN = {
    "integration": ("disabled", "recovered"),
    "postrider": ("test", "install_step_requested", "uninstall_step_requested", "integration_settings_changed"),
}


def _names(*groups: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(f"{entity}.{action}" for group in groups for entity, actions in group.items() for action in actions)


ELASTIC_PATH = _names(_CURRENT, _SUBSCRIPTIONS, _LEGACY)
OWN = _names(_OWN)
BUILT_IN = frozenset(ELASTIC_PATH) | frozenset(OWN)
INTEGRATION_CREATED = "integration.created"
INTEGRATION_UPDATED = "integration.updated"
INTEGRATION_DELETED = "integration.deleted"
TEST = "postrider.test"
INSTALL_STEP_REQUESTED = "postrider.install_step_requested"
UNINSTALL_STEP_REQUESTED = "postrider.uninstall_step_requested"
SETTINGS_CHANGED = "postrider.integration_settings_changed"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Find the known event type that was probably meant."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return near[0] if near else None
