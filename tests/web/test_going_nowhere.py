"""An integration of which a client has not said where it goes: it is kept, and no door switches it on."""

from __future__ import annotations

from typing import Any

import pytest
from api import Api
from httpx import Response

BLANK = {"endpointPrefix": "", "username": "", "password": "", "token": "t0ken-of-the-api"}
FULL = {**BLANK, "endpointPrefix": "https://api.example.com"}


def path(api: Api, rest: str = "") -> str:
    return f"/v1/tenants/{api.house.tenant.id}/integrations{rest}"


def create(api: Api, **changes: Any) -> Response:
    body = {"name": "Flows", "type": "rest", "properties": BLANK, "observes": ["order.paid"], **changes}
    return api.call("POST", path(api), json=body)


def told(answer: Response) -> list[str]:
    """Give the names of what is wrong."""
    assert answer.status_code == 400, answer.text
    return list(answer.json()["error"]["attribute"])


def test_a_blank_prefix_is_kept_and_shown(either_api: Api) -> None:
    """CxEngage's clients may leave it blank, and put back what they read."""
    api = either_api
    made = create(api).json()["result"]
    assert (made["active"], made["properties"]["endpointPrefix"]) == (False, "")

    back = api.call("PUT", path(api, f"/{made['id']}"), json=made).json()["result"]
    assert back == made


def test_a_blank_prefix_and_active_do_not_go_together(api: Api) -> None:
    """Said at once, one after the other, or the prefix taken from what is active: the answer names it."""
    assert told(create(api, active=True)) == ["properties.endpointPrefix"]
    blank = create(api).json()["result"]
    assert told(api.call("PUT", path(api, f"/{blank['id']}"), json={"active": True})) == ["properties.endpointPrefix"]
    active = create(api, active=True, properties=FULL).json()["result"]
    taken = api.call("PUT", path(api, f"/{active['id']}"), json={"properties": BLANK})
    assert told(taken) == ["properties.endpointPrefix"]

    mended = api.call("PUT", path(api, f"/{blank['id']}"), json={"active": True, "properties": FULL})
    assert mended.json()["result"]["active"] is True


@pytest.mark.parametrize("made_by", ["cxengage", "integrator"])
def test_no_other_door_switches_on_what_goes_nowhere(api: Api, made_by: str) -> None:
    """Neither Elastic Path's nor CxEngage's, whoever made it."""
    if made_by == "cxengage":
        create(api)
    else:
        api.call("POST", "/v1/integrations", json={"name": "One"})
    (one,) = api.data("/v2/integrations")

    for answer in (
        api.call("PUT", f"/v2/integrations/{one['id']}", json={"data": {"type": "integration", "enabled": True}}),
        api.post(f"/v2/integrations/{one['id']}/enable"),
        api.call("PUT", path(api, f"/{one['id']}"), json={"active": True}),
    ):
        assert answer.status_code in {400, 422}, answer.text
    assert api.data(f"/v2/integrations/{one['id']}")["enabled"] is False


def test_a_mask_is_not_kept_on_the_way_through_nowhere(api: Api) -> None:
    """Blank in between, a token is still that of the old address only."""
    made = create(api, properties=FULL).json()["result"]
    shown = made["properties"]

    blank = api.call("PUT", path(api, f"/{made['id']}"), json={"properties": {**shown, "endpointPrefix": ""}})
    moved = api.call("PUT", path(api, f"/{made['id']}"), json={"properties": {"endpointPrefix": "https://evil.test"}})
    assert [told(answer) for answer in (blank, moved)] == [["properties.token"]] * 2
