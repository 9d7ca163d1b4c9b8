"""Filters that offer integrations to choose from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from api import Api
from web.dashboard.visitor import Visitor

from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission
from postrider.domain.delivery import DeliveryStatus
from postrider.web.dashboard import choices

Visit = Callable[[str | None], Visitor]


@pytest.mark.parametrize("page", ["deliveries", "dead-letters", "dead-letters/group"])
def test_the_chosen_integration_stays_chosen_among_very_many(
    api: Api, pages: Visitor, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """The field said "any" for one that is not offered, and the next press of the button showed those of all."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)
    chosen = f"/dashboard/{page}?integration_id={delivery.integration_id}"
    monkeypatch.setattr(choices, "MOST", 0)

    form = pages.get(chosen).form(f"/{page}")
    gone = api.call("DELETE", f"/v2/integrations/{delivery.integration_id}")

    assert ("integration_id", str(delivery.integration_id)) in form.fields
    assert gone.status_code == 200
    assert "(deleted)" in pages.get(chosen).text


def test_another_tenants_integration_is_not_offered(api: Api, visit: Visit) -> None:
    """An id in an address names nothing of others."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)
    other = create_tenant(api.house.services, name="other")
    stranger = visit(api.new_key(Permission.DELIVERIES_READ, tenant=other))

    page = stranger.get(f"/dashboard/deliveries?integration_id={delivery.integration_id}")

    assert page.status == 200
    assert f'value="{delivery.integration_id}"' not in page.html
