"""Event types, without the web."""

from __future__ import annotations

import pytest
from house import House

from postrider.control import event_types
from postrider.control.event_types import KnownTypes
from postrider.control.tenants import create_tenant
from postrider.domain.catalogue import BUILT_IN
from postrider.domain.errors import Conflict, InvalidInput


def test_a_tenant_knows_its_own_beside_the_built_in_ones(house: House) -> None:
    """What one tenant adds no other knows."""
    other = create_tenant(house.services, name="other")

    event_types.add(house.services, house.tenant.id, name="fish.caught", description=" A fish. ")

    assert event_types.known(house.services, house.tenant.id) == BUILT_IN | {"fish.caught"}
    assert event_types.known(house.services, other.id) == BUILT_IN
    own = [one for one in event_types.list_all(house.services, house.tenant.id) if one.own]
    assert [(one.name, one.description) for one in own] == [("fish.caught", "A fish.")]


def test_two_tenants_may_add_the_same(house: House) -> None:
    """Names are each tenant's own."""
    for tenant in (house.tenant, create_tenant(house.services, name="other")):
        event_types.add(house.services, tenant.id, name="fish.caught")


def test_a_name_is_added_once(house: House) -> None:
    """What is known already is a conflict; Postrider's own names are nobody's."""
    event_types.add(house.services, house.tenant.id, name="fish.caught")

    for name in ("fish.caught", "order.paid"):
        with pytest.raises(Conflict):
            event_types.add(house.services, house.tenant.id, name=name)
    with pytest.raises(InvalidInput):
        event_types.add(house.services, house.tenant.id, name="postrider.news")


def test_what_was_seen_is_remembered(house: House) -> None:
    """The database is asked only about what is not known here."""
    known = KnownTypes(house.services)
    event_types.add(house.services, house.tenant.id, name="fish.caught")

    before = known.unknown(house.tenant.id, ["order.paid", "fish.caught", "fish.lost"])
    known.look_up(house.tenant.id)

    assert before == ["fish.caught", "fish.lost"]
    assert known.unknown(house.tenant.id, ["order.paid", "fish.caught", "fish.lost"]) == ["fish.lost"]
