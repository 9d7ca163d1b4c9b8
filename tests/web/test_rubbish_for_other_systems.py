"""What other systems' clients may send and nobody can store or answer: each door refuses it in its own form."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from api import Api
from httpx import Response

from postrider.control.given import MOST_BESIDE

INTEGRATOR = "/v1/integrations"


def cxengage(api: Api, rest: str = "") -> str:
    return f"/v1/tenants/{api.house.tenant.id}/integrations{rest}"


def send(api: Api, path: str, body: str, method: str = "POST") -> Response:
    return api.call(method, path, content=body, headers={"Content-Type": "application/json"})


def listeners(api: Api) -> str:
    """Make an integration; gives the address of its listeners."""
    body = {"name": "One", "type": "rest", "properties": {"endpointPrefix": "https://api.example.com"}}
    made: dict[str, Any] = api.call("POST", cxengage(api), json=body).json()["result"]
    return cxengage(api, f"/{made['id']}/listeners")


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_beyond_all_is_not_kept(api: Api, number: str) -> None:
    """It was stored, and the tenant's lists could then not be written any more."""
    kept = send(api, INTEGRATOR, f'{{"name":"One","settings":{{"deep":[{number}]}}}}')
    (told,) = kept.json()["errors"]
    assert (kept.status_code, told["field"]) == (422, "settings.deep.0")

    hung = send(api, listeners(api), f'{{"name":"One","properties":{{"deep":{number}}}}}')
    assert (hung.status_code, list(hung.json())) == (400, ["error"])

    assert api.get(INTEGRATOR).status_code == 200
    assert api.get(cxengage(api)).status_code == 200


@pytest.mark.parametrize("path", [lambda _: INTEGRATOR, cxengage, lambda _: "/v2/integrations"])
def test_a_name_that_cannot_be_answered_is_not_answered(api: Api, path: Callable[[Api], str]) -> None:
    """Half of a surrogate pair names a member that is no JSON: the answer named it, and failed."""
    answer = send(api, path(api), '{"data":{"\\ud800":NaN}}')

    assert answer.status_code in {400, 422}
    assert "NaN is not JSON" in answer.text


def test_what_is_said_of_what_is_no_json_is_short(api: Api) -> None:
    """However long the name is that it stands under."""
    answer = send(api, INTEGRATOR, f'{{"{"x" * 100_000}":NaN}}')

    assert (answer.status_code, len(answer.content) < 1_000) == (422, True)


@pytest.mark.parametrize("depth", range(880, 1000, 5))
def test_nan_in_the_deep_is_refused(refusing: Api, depth: int) -> None:
    """Where Python still reads such a body, but cannot look through it."""
    answer = send(refusing, INTEGRATOR, "[" * depth + "NaN" + "]" * depth)

    assert answer.status_code in {400, 422}


def test_listeners_cannot_fill_the_database(api: Api) -> None:
    """What they keep of an integration is read with it each time, so that it has a bound."""
    path = listeners(api)

    answer = api.call("POST", path, json={"name": "One", "properties": {"text": "x" * MOST_BESIDE}})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert api.get(path).json() == {"result": []}


def test_a_clone_holds_no_more_than_what_is_made(api: Api) -> None:
    """Its connections' ids were stored however long they were, and could then not be put back."""
    step = {"name": "Connect", "_connectionId": "old"}
    made = api.call("POST", INTEGRATOR, json={"name": "One", "install": [step]}).json()

    answer = api.call("POST", f"{INTEGRATOR}/{made['_id']}/clone", json={"connectionMap": {"old": "x" * 256}})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "invalid_connectionMap")


def test_long_projections_take_no_longer(api: Api) -> None:
    """Each name of a document was looked for among all paths: a list of some hundred integrations took minutes."""
    settings = {f"a{number}": {"b": 1} for number in range(1_000)}
    for _ in range(20):
        assert api.call("POST", INTEGRATOR, json={"name": "One", "settings": settings}).status_code == 201
    paths = ",".join(f"settings.a{number}.c" for number in range(230))
    began = time.monotonic()

    answer = api.get(f"{INTEGRATOR}?include={paths}")
    assert answer.json()[0]["settings"]["a229"] == {}
    assert time.monotonic() - began < 2
    assert api.get(f"{INTEGRATOR}?exclude={paths},{paths}").json()["errors"][0]["field"] == "exclude"
