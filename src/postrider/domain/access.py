"""Who may do this?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address
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


class ActorKind(StrEnum):
    """As what somebody acts."""

    API_KEY = "api-key"
    OPERATOR_KEY = "operator-key"
    """The key that the environment sets."""
    COMMAND_LINE = "command-line"
    POSTRIDER = "postrider"
    """Nobody: Postrider by itself, as when it switches off an integration whose endpoint is gone."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, and from where."""

    kind: ActorKind
    tenant_id: UUID | None = None
    """Whose key it is."""
    api_key_id: UUID | None = None
    name: str = ""
    """The key's name."""
    address: str = ""
    """The client's IP address; empty where there is none."""


COMMAND_LINE = Actor(ActorKind.COMMAND_LINE)
POSTRIDER = Actor(ActorKind.POSTRIDER)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who stands behind a request."""

    tenant_id: UUID
    api_key_id: UUID
    permissions: frozenset[Permission]
    name: str = ""
    from_environment: bool = False
    host: str = ""
    """Where the request came from, as the server says."""

    @property
    def actor(self) -> Actor:
        """Give the caller as who makes a change."""
        kind = ActorKind.OPERATOR_KEY if self.from_environment else ActorKind.API_KEY
        return Actor(kind, self.tenant_id, self.api_key_id, self.name, plain_address(self.host))

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
    from_environment: bool = False
    """Whether it is the operator's key that the environment sets, and ends when the environment sets another."""
    integration_id: UUID | None = None
    """As which integration it publishes: it ends with it."""

    def valid(self, now: datetime) -> bool:
        """Tell whether the key opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def plain_address(host: str) -> str:
    """Give an IP address in its plain form; empty for anything else, which a proxy may have passed on."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return ""
