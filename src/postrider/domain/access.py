"""Who may do this?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Permission(StrEnum):
    """What an API key can be allowed to do."""

    EVENTS_PUBLISH = "events:publish"
    EVENTS_READ = "events:read"
    INTEGRATIONS_READ = "integrations:read"
    INTEGRATIONS_WRITE = "integrations:write"
    DELIVERIES_READ = "deliveries:read"
    DELIVERIES_REDRIVE = "deliveries:redrive"
    TENANTS_MANAGE = "tenants:manage"


TENANT_PERMISSIONS = frozenset(Permission) - {Permission.TENANTS_MANAGE}
"""What a tenant's own key gets when nothing else is said; managing tenants is for operators."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who stands behind a request."""

    tenant_id: UUID
    api_key_id: UUID
    permissions: frozenset[Permission]

    def may(self, permission: Permission) -> bool:
        """Tell whether the caller was given the permission."""
        return permission in self.permissions


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is shown after its making: without the key."""

    id: UUID
    tenant_id: UUID
    name: str
    prefix: str
    """Its first characters, so that a person can tell keys apart."""
    permissions: frozenset[Permission]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def valid(self, now: datetime) -> bool:
        """Tell whether the key opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
