"""Keys that may do little: no page shows them more than the API would."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from api import Api
from servers.receiver import Receiver
from web.dashboard.visitor import Visitor

from postrider.domain.access import Permission

Visit = Callable[[str | None], Visitor]


@pytest.mark.parametrize("lacking", [Permission.INTEGRATIONS_READ, Permission.EVENTS_READ])
def test_what_was_sent_shows_no_address_or_payload_to_who_may_not_see_it(
    api: Api, receiver: Receiver, visit: Visit, lacking: Permission
) -> None:
    """A request is made of both: who might see payloads alone saw the integration's address with its query too."""
    api.house.integrate(receiver.url_of("/orders?token=t0ken"))
    api.house.publish(payload=b'{"order":"A-1001"}')
    api.house.run_until_idle()
    path = f"/dashboard/deliveries/{api.house.only_delivery().id}"
    may = {Permission.EVENTS_READ, Permission.INTEGRATIONS_READ, Permission.DELIVERIES_READ}
    stranger, reader = visit(api.new_key(*(may - {lacking}))), visit(api.new_key(*may))

    for address in (path, f"{path}?attempt=1"):
        page = stranger.get(address)
        assert page.status == 200
        assert "t0ken" not in page.html
        assert "A-1001" not in page.html
    assert "t0ken" in reader.get(path).html
    assert "A-1001" in reader.get(path).html
    assert "shown to keys with the permissions events:read and integrations:read" in stranger.get(path).text
