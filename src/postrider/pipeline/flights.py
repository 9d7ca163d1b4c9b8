"""The flights of one integration: the one that serves it as it is now, and those of before that still have something
in the air.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from postrider.domain.integration import Integration
from postrider.domain.message import Sender
from postrider.domain.outcome import Landed
from postrider.domain.ports import Flight, FlightLimits, Transport
from postrider.services import Services
from postrider.store import integrations, tenants
from postrider.store.tenants import Tenant


def sender_of(services: Services, tenant: Tenant) -> Sender:
    """Say who sends a tenant's messages."""
    return Sender(str(tenant.id), tenant.org_id, services.options.public_url)


@dataclass(frozen=True, slots=True)
class Opened:
    """An integration at one version, and the flight that serves it."""

    integration: Integration
    sender: Sender
    transport: Transport
    flight: Flight


@dataclass(slots=True)
class Flights:
    """Served by one thread at a time."""

    services: Services
    integration_id: UUID
    wake: Callable[[], None]
    """Given to flights: something has landed."""
    current: Opened | None = None
    """None: not opened yet, or grounded."""
    _retiring: list[Opened] = field(default_factory=list)

    def open(self) -> bool:
        """Read the integration and open its flight; False when it is gone.

        Raises SecretUnreadable, and InvalidInput when its type or configuration is not known any more.
        """
        with self.services.database.read() as tx:
            integration = integrations.any_tenant_get(tx, self.services.box, self.integration_id)
            tenant = tenants.get(tx, integration.tenant_id) if integration else None
        if integration is None or tenant is None:
            return False
        policy = integration.policy
        transport = self.services.transports.get(integration.integration_type)
        limits = FlightLimits(policy.timeout, policy.max_in_flight, policy.success_statuses)
        sender = sender_of(self.services, tenant)
        self.current = Opened(integration, sender, transport, transport.open(integration, limits, self.wake))
        return True

    def version(self) -> int:
        """Tell which version of the integration is served; -1 when none is."""
        return self.current.integration.version if self.current else -1

    def retire(self) -> None:
        """Put nothing more into the present flight; what is in it ends as it began."""
        if self.current is not None:
            self._retiring.append(self.current)
            self.current = None

    def ground(self) -> list[UUID]:
        """Retire the present flight, and give back the ids of what no byte was sent of."""
        unsent = [] if self.current is None else self.current.flight.close()
        self.retire()
        return unsent

    def landed(self) -> Iterator[Landed]:
        """Take what has come back, from all of them; never waits."""
        for opened in self._all():
            yield from opened.flight.take(0)

    def close(self) -> list[UUID]:
        """Take off no more, and give back the ids of what no byte was sent of; the rest still lands."""
        return [delivery_id for opened in self._all() for delivery_id in opened.flight.close()]

    def close_retired(self, flying: Iterable[Opened]) -> None:
        """Close the flights of before that have nothing in the air any more; `flying` are those that have."""
        if self._retiring:
            busy = {id(opened) for opened in flying}
            for opened in [one for one in self._retiring if id(one) not in busy]:
                opened.flight.close()
                self._retiring.remove(opened)

    def _all(self) -> tuple[Opened, ...]:
        return (*self._retiring, *([self.current] if self.current else []))
