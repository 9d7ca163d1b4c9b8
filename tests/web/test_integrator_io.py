"""integrator.io's clients work against Postrider as they are: its documents' examples, its lists, errors and limit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from api import Api
from httpx import Response
from starlette.routing import Mount

from postrider.control import integrations, tenants
from postrider.domain.access import Permission
from postrider.domain.bucket import Bucket, pour
from postrider.web.api import integrator_io
from postrider.web.api.integrator_io import translation
from postrider.web.api.integrator_io.callers import Buckets

SEEDS = Path(__file__).parent / "seeds"
PATH = "/v1/integrations"
ADDITIONS = {"createdAt", "type", "configuration", "observes", "delivery", "enabled"}
HOOK = {"url": "https://example.com/hook", "secret_key": "squirrel-1234"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def seed(name: str) -> Any:
    return json.loads((SEEDS / f"integrator_{name}.json").read_text())


def make(api: Api, **members: Any) -> dict[str, Any]:
    """Create an integration; gives its document."""
    answer = api.call("POST", PATH, json={"name": "One", **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def at(made: dict[str, Any], rest: str = "") -> str:
    return f"{PATH}/{made['_id']}{rest}"


def error(answer: Response) -> tuple[int, str, str | None]:
    """Give an answer's status, and its one error's code and field."""
    (told,) = answer.json()["errors"]
    assert told.keys() <= {"code", "message", "field"}
    assert told["message"]
    return answer.status_code, told["code"], told.get("field")


@pytest.mark.parametrize("name", ["get_diy", "get_smartconnector"])
def test_documented_examples(either_api: Api, name: str) -> None:
    """A request of the document, with host and token changed, is answered as the document shows."""
    api, documented = either_api, seed(name)
    first, *rest = (SEEDS / f"integrator_{name}.http").read_text().splitlines()
    method, path, _ = first.split()
    headers = dict(line.split(": ") for line in rest) | {"Authorization": f"Bearer {api.key}"}
    del headers["Host"]
    wish = translation.new(documented)
    beside = wish.beside(integration_id=UUID(path.rpartition("/")[2] + "0" * 8))
    integrations.create(api.house.services, api.house.tenant.id, wish.data, beside=beside)

    answer = api.client.request(method, path, headers=headers)

    assert answer.status_code == 200
    told = answer.json()
    assert told.pop("_id") == path.rpartition("/")[2]
    assert _MOMENT.fullmatch(told.pop("lastModified"))
    wanted = {name: value for name, value in documented.items() if name not in {"_id", "lastModified"}}
    assert {name: told[name] for name in wanted} == wanted
    assert told.keys() - wanted.keys() <= ADDITIONS


@pytest.mark.parametrize("example", ["get_diy", "get_smartconnector"])
def test_documented_endpoints(api: Api, example: str) -> None:
    """Each endpoint of the document's table takes the examples' objects and answers with the status that it says."""
    made = make(api, **seed(example))
    for endpoint in sorted(seed("endpoints"), key=lambda one: bool(one["method"] == "DELETE")):
        path = "/v1" + endpoint["uri"].replace("{_id}", made["_id"])
        body = {"json": seed(example)} if endpoint["method"] in {"POST", "PUT"} else {}
        assert api.call(endpoint["method"], path, **body).status_code == endpoint["success"], endpoint

    assert error(api.get(at(made))) == (404, "not_found", None)


def test_it_is_the_row_that_all_others_see(api: Api) -> None:
    """What is made here is what Elastic Path's API shows, and what that changes is shown here."""
    made = make(api, description="D", configuration=HOOK, observes=["order.paid"], delivery={"retry_waits": [7]})

    (theirs,) = api.data("/v2/integrations")
    assert theirs["id"].replace("-", "").startswith(made["_id"])
    assert (theirs["name"], theirs["enabled"], theirs["observes"]) == ("One", True, ["order.paid"])
    assert theirs["configuration"] == HOOK
    api.call("PUT", f"/v2/integrations/{theirs['id']}", json={"data": {"type": "integration", "name": "Two"}})
    assert api.get(at(made)).json()["name"] == "Two"


def test_who_only_reads_sees_masks(api: Api) -> None:
    """Secrets are masked for a key that may not write, in the list too; and such a key changes nothing."""
    made, key = make(api, configuration=HOOK), api.new_key(Permission.INTEGRATIONS_READ)

    for told in (api.get(at(made), key=key).json(), api.get(PATH, key=key).json()[0]):
        assert told["configuration"] == {**HOOK, "secret_key": "*" * 9 + "1234"}
    assert error(api.call("DELETE", at(made), key=key)) == (403, "forbidden", None)
    assert error(api.get(PATH, key="wrong")) == (401, "unauthorized", None)


def test_another_tenants_are_not_there(api: Api) -> None:
    """Neither in the list nor by id, whatever is asked."""
    made = make(api)
    other = api.new_key(*Permission, tenant=tenants.create_tenant(api.house.services, name="fish"))

    assert api.get(PATH, key=other).status_code == 204
    for method, rest, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "x"}),
        ("DELETE", "", None),
        ("POST", "/clone", {}),
        ("POST", "/installStep", {"step": 0}),
    ):
        assert error(api.call(method, at(made, rest), key=other, json=body)) == (404, "not_found", None)
    assert api.get(at(made)).json() == made


@pytest.mark.parametrize("name", ["123ab456c789de1011fg12h13i", "0" * 23, "0" * 24, "%20", "٣" * 24])
def test_what_is_no_id_names_nothing(api: Api, name: str) -> None:
    """The document's own made-up id among them, which has letters beyond f; nor does a wrong address."""
    make(api)

    assert error(api.get(f"{PATH}/{name}")) == (404, "not_found", None)
    assert error(api.get("/v1/nothing")) == (404, "not_found", None)
    assert error(api.call("PATCH", f"{PATH}/{name}")) == (405, "method_not_allowed", None)


def test_lists_lead_on(either_api: Api) -> None:
    """An empty list is 204 without a body; a long one is a bare array with a link to what follows."""
    api = either_api
    empty = api.get(PATH)
    assert (empty.status_code, empty.content) == (204, b"")
    made = [make(api, name=f"{number}") for number in range(5)]

    pages, address = [], f"{PATH}?limit=2&include=version"
    while address:
        answer = api.get(address)
        pages.append(answer.json())
        address = answer.links.get("next", {}).get("url", "").removeprefix("https://postrider.test")

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one for page in pages for one in page] == [{"_id": one["_id"], "name": one["name"]} for one in made]
    assert api.get(f"{PATH}?skip=5").status_code == 204


def test_ids_differ_though_made_in_one_moment(api: Api) -> None:
    """The clock stands still, and yet each is found by its 24 digits."""
    made = [make(api) for _ in range(20)]

    assert all(re.fullmatch("[0-9a-f]{24}", one["_id"]) for one in made)
    assert [api.get(at(one)).json() for one in made] == made


def test_lists_tell_what_is_asked(api: Api) -> None:
    """`include` adds to id and name, `exclude` takes away; both reach into objects, by id neither does."""
    made = make(api, **seed("get_smartconnector"))

    (included,) = api.get(f"{PATH}?include=settings.commonresources.netsuiteConnectionId,install.completed").json()
    (excluded,) = api.get(f"{PATH}?exclude=settings.sections,install,name").json()

    assert included == {
        "_id": made["_id"],
        "name": made["name"],
        "settings": {"commonresources": {"netsuiteConnectionId": "56fd5ad09a67g56412gh23a5"}},
        "install": [{"completed": False}] * 4,
    }
    assert made.keys() - excluded.keys() == {"install", "name"}
    assert excluded["settings"] == {"commonresources": made["settings"]["commonresources"]}
    assert api.get(at(made, "?include=mode")).json() == made


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("include=a&exclude=b", "include"),
        ("include=a%20b", "include"),
        ("exclude=a-b", "exclude"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("skip=-1", "skip"),
        ("skip=9999999999", "skip"),
    ],
)
def test_lists_refuse_nonsense(api: Api, query: str, field: str) -> None:
    """With 400, its code and the parameter's name; after the key was asked for."""
    assert error(api.get(f"{PATH}?{query}")) == (400, "invalid_query_params", field)
    assert error(api.get(f"{PATH}?{query}", key="wrong")) == (401, "unauthorized", None)


STEP = {"name": "A", "completed": False}


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_required_field", "name"),
        ({"name": ""}, "invalid_field", "name"),
        ({"name": "a", "mode": "gone"}, "invalid_field", "mode"),
        ({"name": "a", "mode": ["install"]}, "invalid_field", "mode"),
        ({"name": "a", "settings": []}, "invalid_field", "settings"),
        ({"name": "a", "settings": {"x": "\u0000"}}, "invalid_field", "settings.x"),
        ({"name": "a", "settings": {"x": "y" * 70_000}}, "invalid_field", None),
        ({"name": "a", "version": 1}, "invalid_field", "version"),
        ({"name": "a", "updateInProgress": "yes"}, "invalid_field", "updateInProgress"),
        ({"name": "a", "enabled": 1}, "invalid_field", "enabled"),
        ({"name": "a", "description": "d" * 5_121}, "invalid_field", "description"),
        ({"name": "a", "install": [STEP, {}]}, "missing_required_field", "install.1.name"),
        ({"name": "a", "install": [{"name": "A", "completed": 1}]}, "invalid_field", "install.0.completed"),
        ({"name": "a", "install": {}}, "invalid_field", "install"),
        ({"name": "a", "type": "fax"}, "invalid_field", "type"),
        ({"name": "a", "type": "aws_sqs"}, "missing_required_field", "configuration.url"),
        ({"name": "a", "configuration": {"url": "x"}}, "invalid_field", "configuration.url"),
        ({"name": "a", "configuration": 1}, "invalid_field", "configuration"),
        ({"name": "a", "observes": ["order.payed"]}, "invalid_field", "observes.0"),
        ({"name": "a", "delivery": {"fast": True}}, "invalid_field", "delivery.fast"),
        ([], "invalid_field", None),
    ],
)
def test_bad_input_is_told_in_its_form(api: Api, body: object, code: str, field: str | None) -> None:
    """Of a new integration and of a replaced one, with 422, a code and the field's own name; nothing is stored."""
    assert error(api.call("POST", PATH, json=body)) == (422, code, field)
    assert api.get(PATH).status_code == 204

    made = make(api)
    if body != {"name": "a", "type": "aws_sqs"}:
        assert error(api.call("PUT", at(made), json=body)) == (422, code, field)
    assert api.get(at(made)).json() == made


@pytest.mark.parametrize("body", [b"{", b"", b"[" * 100_000, b'{"name":NaN}'])
def test_what_is_no_json(api: Api, body: bytes) -> None:
    """Is refused, after the key was asked for."""
    status, code, _ = error(api.post_bytes(PATH, body))

    assert (status, code) in {(400, "invalid_request"), (422, "invalid_field")}
    assert error(api.post_bytes(PATH, body, key="wrong")) == (401, "unauthorized", None)


def test_a_put_replaces(api: Api) -> None:
    """What is not given is gone, but for what its clients do not know or do not set: additions, mode, update."""
    made = make(
        api,
        **{**seed("get_smartconnector"), "mode": "settings", "description": "D", "updateInProgress": True},
        configuration=HOOK,
        observes=["order.paid"],
    )

    answer = api.call("PUT", at(made), json={"name": "Two", "settings": made["settings"]})

    assert answer.status_code == 200
    assert made.keys() - answer.json().keys() == {"_connectorId", "description", "install", "version"}
    assert {name for name in answer.json() if answer.json()[name] != made[name]} == {"name"}


def test_what_was_read_can_be_put_back(api: Api) -> None:
    """By who sees masks too, and it changes nothing."""
    made = make(api, **{**seed("get_smartconnector"), "description": "d" * 3_000}, configuration=HOOK)
    masked = {**made, "configuration": {**HOOK, "secret_key": "*" * 9 + "1234"}}
    api.house.clock.move(seconds=1)

    assert api.call("PUT", at(made), json=made).json() == made
    assert api.call("PUT", at(made), json=masked).json() == made


def test_a_long_description_is_kept_whole(api: Api) -> None:
    """integrator.io's may be longer than ours, which shows its beginning; one that is changed there is shown here."""
    made = make(api, description="d" * 5_120)
    (theirs,) = api.data("/v2/integrations")

    assert (len(made["description"]), len(theirs["description"])) == (5_120, 2_000)
    copied = api.call("POST", at(made, "/clone")).json()[0]
    assert api.get(at(copied)).json()["description"] == made["description"]
    data = {"type": "integration", "description": "short"}
    api.call("PUT", f"/v2/integrations/{theirs['id']}", json={"data": data})
    assert api.get(at(made)).json()["description"] == "short"


def test_a_full_bucket_lets_in_as_it_leaks(api: Api) -> None:
    """A key that asks too often is told when to come back; another key is not held up."""
    now = [0.0]
    small = integrator_io.create(api.app, Buckets(Bucket(2, 0.25), clock=lambda: now[0]))
    (mount,) = [one for one in api.app.router.routes if isinstance(one, Mount) and one.path == integrator_io.PATH]
    api.app.router.routes[api.app.router.routes.index(mount)] = Mount(integrator_io.PATH, small)

    answers = [api.get(PATH) for _ in range(3)]

    assert [one.status_code for one in answers] == [204, 204, 429]
    assert answers[2].headers["retry-after"] == "4"
    told = {"code": "rate_limited", "message": "Too many requests. Retry after 4 seconds."}
    assert answers[2].json() == {"errors": [told]}
    assert api.get(PATH, key=api.new_key(*Permission)).status_code == 204
    now[0] = 4.0
    assert [api.get(PATH).status_code for _ in range(2)] == [204, 429]


def test_the_bucket_is_as_documented() -> None:
    """A thousand at once, then 300 a second; what was refused costs nothing, and rest earns no more than a bucket."""
    bucket, last = integrator_io.callers.BUCKET, None
    for _ in range(1_000):
        last = pour(bucket, last, now=0.0)
        assert last.wait_seconds == 0
    assert pour(bucket, last, now=0.0).wait_seconds == pytest.approx(1 / 300)

    let_in = 0
    for step in range(2_000):
        last = pour(bucket, last, now=step / 1_000)
        let_in += last.wait_seconds == 0

    assert 598 <= let_in <= 601
    assert pour(bucket, last, now=1e6).level == 1
