"""What a method that an address does not take is answered with, at the other systems' doors."""

from __future__ import annotations

import pytest
from api import Api

TENANT = "{tenant}"
ONE = "/01a21a8c-27e9-78af-97e6-b2bb531d1c95"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/hood/integrations", "GET, HEAD, POST"),
        ("DELETE", f"/v1/hood/integrations{ONE}", "GET, HEAD, PATCH"),
        ("DELETE", f"/v1/tenants/{TENANT}/integrations{ONE}", "GET, HEAD, PUT"),
        ("PATCH", f"/v1/integrations{ONE}", "DELETE, GET, HEAD, PUT"),
        ("PUT", "/rest/v1/service/integration_points", "GET, HEAD, LOOKUP, POST"),
        ("PUT", f"/rest/v1/service/integration_points{ONE}", "DELETE, GET, HEAD, PATCH"),
        ("PUT", f"/rest/v1/service/integration_points{ONE}/", "DELETE, GET, HEAD, PATCH"),
    ],
)
def test_a_wrong_method_is_told_all_the_right_ones(api: Api, method: str, path: str, allowed: str) -> None:
    """They were told of one of them, whatever else the address takes."""
    answer = api.call(method, path.replace(TENANT, str(api.house.tenant.id)), json={})

    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert "the Allow header lists those that it takes" in answer.text
