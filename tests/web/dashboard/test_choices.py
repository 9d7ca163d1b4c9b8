"""Filters that offer integrations to choose from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from api import Api
from web.dashboard.visitor import Visitor

from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission
from postrider.domain.delivery import DeliveryStatus
from postrider.web.dashboard.choices import integration_choices

Visit = Callable[[str | None], Visitor]


def test_the_chosen_integration_is_offered_among_very_many(api: Api) -> None:
    """The field said "any" for one that was not offered, and the next press of the button showed those of all."""
    made = [api.house.integrate("http://127.0.0.1:9/", name=name) for name in ("a", "b", "c")]
    with api.house.services.database.read() as tx:
        offered = integration_choices(tx, api.house.tenant.id, chosen=made[2].id, most=1)

    assert [head.name for head in offered] == ["a", "c"]


@pytest.mark.parametrize("page", ["deliveries", "dead-letters", "dead-letters/group"])
def test_a_deleted_integration_stays_chosen(api: Api, pages: Visitor, page: str) -> None:
    """What is narrowed to one that is gone stays narrowed to it."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)
    gone = api.call("DELETE", f"/v2/integrations/{delivery.integration_id}")
    shown = pages.get(f"/dashboard/{page}?integration_id={delivery.integration_id}")

    assert gone.status_code == 200
    assert ("integration_id", str(delivery.integration_id)) in shown.form(f"/{page}").fields
    assert "(deleted)" in shown.text


def test_another_tenants_integration_is_not_offered(api: Api, visit: Visit) -> None:
    """An id in an address names nothing of others."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)
    other = create_tenant(api.house.services, name="other")
    stranger = visit(api.new_key(Permission.DELIVERIES_READ, tenant=other))

    page = stranger.get(f"/dashboard/deliveries?integration_id={delivery.integration_id}")

    assert page.status == 200
    assert f'value="{delivery.integration_id}"' not in page.html
