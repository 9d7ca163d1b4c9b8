"""Which event types a tenant may publish and observe: the built-in ones and its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from postrider.domain.access import POSTRIDER, Actor
from postrider.domain.audit import Action
from postrider.domain.catalogue import BUILT_IN, OWN
from postrider.domain.errors import Conflict, InvalidInput
from postrider.domain.observe import NAME_LENGTH, is_name, patterns_for
from postrider.services import Services
from postrider.store import event_types
from postrider.store.event_types import OwnEventType

from .texts import LONGEST_REASON, short_text

RESERVED = "postrider."
"""Names that begin so are for Postrider's own news."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An event type as people see it."""

    name: str
    description: str
    own: OwnEventType | None
    """What the tenant added; None: built in."""


def known(services: Services, tenant_id: UUID) -> frozenset[str]:
    """Read the names that a tenant knows."""
    return BUILT_IN | _own_names(services, tenant_id)


def list_all(services: Services, tenant_id: UUID) -> list[Listed]:
    """List a tenant's event types by name, the built-in ones among them."""
    with services.database.read() as tx:
        own = event_types.list_all(tx, tenant_id)
    built_in = [Listed(name, _provenance(name), None) for name in BUILT_IN]
    return sorted([*built_in, *(Listed(one.name, one.description, one) for one in own)], key=lambda one: one.name)


def observer_counts(services: Services, tenant_id: UUID, names: Iterable[str]) -> dict[str, int]:
    """Count the integrations that observe each of the event types, the disabled ones too."""
    with services.database.read() as tx:
        of_pattern = event_types.observers(tx, tenant_id)
    nobody = frozenset[UUID]()
    return {
        name: len(nobody.union(*(of_pattern.get(pattern, nobody) for pattern in patterns_for(name)))) for name in names
    }


def add(
    services: Services, tenant_id: UUID, *, name: str, description: str = "", by: Actor = POSTRIDER
) -> OwnEventType:
    """Add an event type to a tenant's own; raises InvalidInput for a wrong name, Conflict for a known one."""
    if not is_name(name):
        raise InvalidInput(
            "data.name",
            "name: must be words of letters, digits, `_` and `-`, at least two, joined by dots, such as order.paid; "
            f"at most {NAME_LENGTH} characters",
        )
    if name in BUILT_IN:
        raise Conflict(f"the event type {name} is built in")
    if name.startswith(RESERVED):
        raise InvalidInput("data.name", f"name: names that begin with {RESERVED!r} are Postrider's own")
    text = short_text("data.description", description, longest=LONGEST_REASON, empty=True)
    new = OwnEventType(name, text, services.clock.now())
    with services.change(by) as change:
        if not event_types.add(change.tx, tenant_id, new):
            raise Conflict(f"the event type {name} is there already")
        change.record(tenant_id, Action.EVENT_TYPE_ADDED, name)
    return new


class KnownTypes:
    """The event types that this process has seen, so that publishing asks the database only about others.

    What is in here stays true: event types are added, never taken away.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._own: dict[UUID, frozenset[str]] = {}

    def unknown(self, tenant_id: UUID, names: Iterable[str]) -> list[str]:
        """List those of the names that are not known here; the database may know more. Does no I/O."""
        own = self._own.get(tenant_id, frozenset())
        return [name for name in names if name not in BUILT_IN and name not in own]

    def look_up(self, tenant_id: UUID) -> frozenset[str]:
        """Read a tenant's event types and remember them."""
        own = _own_names(self._services, tenant_id)
        self._own[tenant_id] = own
        return BUILT_IN | own


def _own_names(services: Services, tenant_id: UUID) -> frozenset[str]:
    with services.database.read() as tx:
        return frozenset(one.name for one in event_types.list_all(tx, tenant_id))


def _provenance(name: str) -> str:
    return "Postrider's own news." if name in OWN else "From Elastic Path's catalogue."
