"""CxEngage's API: its clients' integrations are the same rows that every other door shows."""

from __future__ import annotations

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from api import Api
from contracts import salesforce_case
from httpx import Response
from servers.answers import reply
from servers.receiver import Receiver

from postrider.control import integrations, tenants
from postrider.domain.access import Permission
from postrider.domain.delivery import DeliveryStatus

SEEDS = Path(__file__).parent / "seeds"
SECRETS = {
    "token": "t0ken-of-the-api",
    "password": "pass-of-the-agent",
    "consumerSecret": "secret-of-the-app",
    "securityToken": "token-of-the-user",
}
SALESFORCE = {
    "consumerKey": "3MVG9",
    "consumerSecret": SECRETS["consumerSecret"],
    "username": "publisher@example.com",
    "password": SECRETS["password"],
    "securityToken": SECRETS["securityToken"],
}
REST = {"endpointPrefix": "https://api.example.com", "username": "", "password": "", "token": SECRETS["token"]}
ZENDESK = {
    "endpointPrefix": "https://example.zendesk.com",
    "username": "agent@example.com",
    "password": SECRETS["password"],
    "interactionFieldId": "",
    "workItems": False,
}
PROPERTIES = {"Salesforce": SALESFORCE, "REST API": REST, "Zendesk": ZENDESK}
FLAT = {"name": "Orders", "description": "d", "active": True, "type": "rest", "properties": REST}


def path(api: Api, rest: str = "") -> str:
    return f"/v1/tenants/{api.house.tenant.id}/integrations{rest}"


def create(api: Api, **changes: Any) -> dict[str, Any]:
    """Create an integration; gives what is answered of it."""
    return result(api.call("POST", path(api), json={**FLAT, **changes}))


def put(api: Api, made: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return result(api.call("PUT", path(api, f"/{made['id']}"), json=changes))


def result(answer: Response) -> Any:
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["result"]
    return answer.json()["result"]


def error(answer: Response, status: int) -> dict[str, Any]:
    """Give the error of an answer, having checked its form."""
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    told: dict[str, Any] = answer.json()["error"]
    assert told["code"] == status
    assert isinstance(told["message"], str)
    return told


def sample(api: Api) -> tuple[str, str, str]:
    """Read the documented request: its method, its path for the test's tenant, and its body."""
    text = (SEEDS / "cxengage_create_integration.sh").read_text()
    found = re.fullmatch(r"curl -X (\w+) .*?https://api.cxengage.net(.*?) -d '(.*)'\s*", text, re.DOTALL)
    assert found is not None
    address = found[2].replace("\n", "").replace("<tenantId>", str(api.house.tenant.id))
    return found[1], address, found[3]


def completed(text: str, properties: dict[str, Any]) -> str:
    """Write properties where a documented sample has blank ones, and what its JSON lacks."""
    text = re.sub(r'\{\s*"":""\s*"":""\s*\}(\s*")', lambda found: f"{json.dumps(properties)},{found[1]}", text)
    text = re.sub(r'\{\s*"":""\s*"":""\s*\}', lambda _: json.dumps(properties), text)
    return text + "}" * (text.count("{") - text.count("}"))


def test_the_documented_sample_as_it_is_written_is_no_json(api: Api) -> None:
    """Its commas and a brace are missing: the answer says so in CxEngage's form."""
    method, address, body = sample(api)

    told = error(api.call(method, address, content=body, headers={"Content-Type": "application/json"}), 400)

    assert "not valid JSON" in told["message"]


@pytest.mark.parametrize("type_name", PROPERTIES)
def test_the_documented_sample_makes_an_integration(api: Api, type_name: str) -> None:
    """Completed, it is answered with the documented members; `active` is what stands last in it."""
    method, address, body = sample(api)
    body = completed(body, PROPERTIES[type_name]).replace("<type>", type_name).replace("<name>", "Orders")
    made = result(api.call(method, address, content=body, headers={"Content-Type": "application/json"}))

    documented = json.loads(completed((SEEDS / "cxengage_create_integration_answer.txt").read_text(), {}))["result"]
    assert documented.keys() <= made.keys()
    assert {name: type(made[name]) for name in documented} == {name: type(one) for name, one in documented.items()}
    assert (made["name"], made["active"]) == ("Orders", False)
    assert made["type"] == type_name.partition(" ")[0].lower()
    assert made["tenantId"] == str(api.house.tenant.id)
    assert made["properties"].keys() >= PROPERTIES[type_name].keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["created"])


def test_flat_and_wrapped_bodies_are_the_same(api: Api) -> None:
    """Clients send what is wanted as it is, the documents wrap it."""
    flat = create(api)
    wrapped = [result(api.call("POST", path(api, "/"), json={name: FLAT})) for name in ("attribute", "attributes")]

    for one in wrapped:
        assert {**one, "id": "", "created": "", "updated": ""} == {**flat, "id": "", "created": "", "updated": ""}


@pytest.mark.parametrize(("given", "active"), [(True, True), ("true", True), ("false", False), (False, False)])
def test_active_may_be_text(api: Api, given: object, active: bool) -> None:  # noqa: FBT001 - a table's column
    """The documents write it so."""
    assert create(api, active=given)["active"] is active


def test_what_is_left_out_is_off_and_gets_nothing(api: Api) -> None:
    """Without `active` it is off; without `observes` nothing is delivered, until both are set."""
    given = {name: FLAT[name] for name in ("type", "properties")}
    made = result(api.call("POST", path(api), json=given))

    assert (made["name"], made["active"], made["observes"]) == ("REST API", False, [])


def test_it_is_the_same_row_everywhere(api: Api) -> None:
    """Elastic Path's API shows what CxEngage's made, and the other way round."""
    made = create(api, observes=["order.paid"])
    seen = api.data(f"/v2/integrations/{made['id']}")

    assert (seen["name"], seen["enabled"], seen["integration_type"]) == ("Orders", True, "rest")
    assert seen["configuration"]["url"] == REST["endpointPrefix"]
    assert seen["observes"] == ["order.paid"]

    hook = api.house.integrate("https://example.com/hook")
    listed = result(api.get(path(api)))
    assert [one["id"] for one in listed] == [made["id"], str(hook.id)]
    assert listed[1]["type"] == "webhook"
    assert listed[1]["properties"]["url"] == "https://example.com/hook"
    assert put(api, {"id": hook.id}, name="New")["name"] == "New"


def test_a_rest_integration_delivers(api: Api) -> None:
    """What is published arrives where the properties say, with the name and password of theirs."""
    with Receiver() as receiver:
        properties = {**REST, "endpointPrefix": receiver.url_of("/in"), "token": ""}
        create(api, observes=["order.paid"], properties={**properties, "username": "u", "password": "p"})
        api.publish(payload={"n": 1})
        api.house.run_until_idle()

        (request,) = receiver.requests
    assert (request.method, request.path, request.body) == ("POST", "/in", b'{"n":1}')
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"u:p"
    assert api.house.only_delivery().status is DeliveryStatus.DELIVERED


def test_a_zendesk_integration_makes_tickets(api: Api) -> None:
    """With work items, the ticket's field that an interaction's id is kept in holds the event's id."""
    with Receiver() as receiver:
        receiver.choose(lambda _: reply(201, b'{"ticket":{"id":1}}'))
        properties = {**ZENDESK, "endpointPrefix": receiver.url_of(""), "interactionFieldId": 360, "workItems": "true"}
        made = create(api, type="zendesk", observes=["order.paid"], properties=properties)
        event_id = api.publish()
        api.house.run_until_idle()

        (request,) = receiver.requests
    assert request.path == "/api/v2/tickets.json"
    assert json.loads(request.body)["ticket"]["custom_fields"] == [{"id": 360, "value": str(event_id)}]
    assert (made["properties"]["interactionFieldId"], made["properties"]["workItems"]) == ("360", True)

    without = put(api, made, properties={"workItems": False})["properties"]
    assert (without["fields"], without["interactionFieldId"], without["workItems"]) == ({}, "360", False)


def test_a_salesforce_integration_publishes_platform_events(api: Api) -> None:
    """It is let in at the `loginUrl`, and sends the event's type and payload."""
    with Receiver() as receiver:
        receiver.choose(salesforce_case.publish)
        properties = {**SALESFORCE, "loginUrl": receiver.url_of("")}
        create(api, type="salesforce", observes=["order.paid"], properties=properties)
        api.publish(payload={"n": 1.10})
        api.house.run_until_idle()

        login, event = receiver.requests
    assert login.path == salesforce_case.LOGIN
    assert event.path.endswith("/sobjects/Postrider_Event__e/")
    assert json.loads(event.body) == {"Type__c": "order.paid", "Payload__c": '{"n":1.1}'}
    assert api.house.only_delivery().status is DeliveryStatus.DELIVERED


def test_what_only_cxengage_knows_is_kept(api: Api) -> None:
    """Salesforce's `pushEnabled` has no meaning here, and comes back as it was given."""
    made = create(api, type="Salesforce", properties={**SALESFORCE, "pushEnabled": True})

    assert made["properties"]["pushEnabled"] is True
    assert made["properties"]["loginUrl"] == "https://login.salesforce.com"
    assert put(api, made, name="x")["properties"]["pushEnabled"] is True


def test_only_what_is_given_changes(api: Api) -> None:
    """Members and properties that are not given stay; secrets too, and when their mask is given back."""
    made = create(api, observes=["order.paid"])

    assert put(api, made, description="new") | {"updated": ""} == {**made, "description": "new", "updated": ""}
    assert put(api, made, properties=made["properties"])["properties"] == made["properties"]
    changed = put(api, made, properties={"path": "/in", "method": "PUT"})["properties"]
    assert changed == {**made["properties"], "path": "/in", "method": "PUT"}
    stored = integrations.get(api.house.services, api.house.tenant.id, UUID(made["id"]))
    assert stored.configuration["token"] == SECRETS["token"]


def test_blank_means_none_and_a_token_stands_before_a_name(api: Api) -> None:
    """What is filled says how a REST integration is let in; what was filled before gives way."""
    made = create(api)

    basic = put(api, made, properties={"username": "u", "password": "secret-enough"})["properties"]
    assert (basic["username"], basic["token"]) == ("u", "")
    token = put(api, made, properties={"token": "another-token"})["properties"]
    assert (token["username"], token["password"]) == ("", "")
    assert token["token"].endswith("oken")
    none = put(api, made, properties={"token": " "})["properties"]
    assert (none["username"], none["password"], none["token"]) == ("", "", "")


def test_a_mask_is_kept_for_the_same_address_only(api: Api) -> None:
    """A new address wants its secrets anew, so that none is sent to who may not know it."""
    made = create(api)

    told = error(
        api.call("PUT", path(api, f"/{made['id']}"), json={"properties": {"endpointPrefix": "https://evil.test"}}), 400
    )

    assert list(told["attribute"]) == ["properties.token"]


@pytest.mark.parametrize("type_name", PROPERTIES)
def test_no_answer_holds_a_secret(api: Api, type_name: str) -> None:
    """Whoever asks, and however."""
    made = create(api, type=type_name, properties=PROPERTIES[type_name])
    reader = api.new_key(Permission.INTEGRATIONS_READ)
    one = path(api, f"/{made['id']}")
    answers = [api.get(one), api.get(path(api)), api.get(one, key=reader), api.call("PUT", one, json={"name": "x"})]

    for text in (json.dumps(made), *(answer.text for answer in answers)):
        assert not [secret for secret in SECRETS.values() if secret in text]


def test_who_made_and_who_changed_it_is_told(either_api: Api) -> None:
    """By the key that did it last, whatever else happened since; of what nobody's key did, by none."""
    api = either_api
    first, second = (api.new_key(Permission.INTEGRATIONS_WRITE, Permission.INTEGRATIONS_READ) for _ in range(2))
    made = result(api.call("POST", path(api), json=FLAT, key=first))
    api.house.clock.move(hours=1)
    changed = result(api.call("PUT", path(api, f"/{made['id']}"), json={"name": "x"}, key=second))
    by_nobody = api.house.integrate("https://example.com/hook")

    assert made["createdBy"] == made["updatedBy"] == changed["createdBy"]
    assert changed["updatedBy"] not in {None, made["createdBy"]}
    assert (changed["created"], made["updated"]) == (made["created"], made["created"])
    assert changed["updated"] > changed["created"]
    listed = {one["id"]: one for one in result(api.get(path(api)))}
    assert listed[made["id"]] == changed
    assert (listed[str(by_nobody.id)]["createdBy"], listed[str(by_nobody.id)]["updatedBy"]) == (None, None)


def test_a_listener_says_what_is_observed(api: Api) -> None:
    """While it is active; what the integration observes by itself stays."""
    made = create(api, observes=["order.paid"])
    at = path(api, f"/{made['id']}/listeners")

    given = {"name": "L", "active": True, "listenerType": "push", "properties": {"a": 1}}
    listener = result(api.call("POST", at, json={**given, "observes": ["order.paid", "order.created"]}))

    assert {name: listener[name] for name in given} == given
    assert listener["integrationId"] == made["id"]
    assert result(api.get(at)) == [listener]
    assert result(api.get(f"{at}/{listener['id']}")) == listener
    assert result(api.get(path(api, f"/{made['id']}")))["observes"] == ["order.paid", "order.created"]

    off = result(api.call("PUT", f"{at}/{listener['id']}", json={"active": "false"}))
    assert off == {**listener, "active": False, "updated": off["updated"]}
    assert result(api.get(path(api, f"/{made['id']}")))["observes"] == ["order.paid"]


def test_what_a_listener_observes_outlives_a_change_of_the_integration(api: Api) -> None:
    """`observes` of the integration is its own part; its listeners' comes on top."""
    made = create(api)
    at = path(api, f"/{made['id']}/listeners")
    result(api.call("POST", at, json={"name": "L", "active": True, "observes": ["order.created"]}))

    assert put(api, made, observes=["order.paid"])["observes"] == ["order.paid", "order.created"]
    assert put(api, made, observes=[])["observes"] == ["order.created"]
    assert len(result(api.get(at))) == 1


def test_listeners_made_at_the_same_time_are_all_kept(either_api: Api) -> None:
    """None is lost by a change that was based on an older state."""
    made = create(either_api)
    at = path(either_api, f"/{made['id']}/listeners")

    def add(name: str) -> None:
        result(either_api.call("POST", at, json={"name": name}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, "abcd"))

    assert sorted(one["name"] for one in result(either_api.get(at))) == ["a", "b", "c", "d"]


def test_a_key_that_may_not_is_told_what_it_lacks(api: Api) -> None:
    """By CxEngage's name of the permission."""
    reader = api.new_key(Permission.INTEGRATIONS_READ)
    publisher = api.new_key(Permission.EVENTS_PUBLISH)
    made = create(api)

    for method, rest in (("POST", ""), ("PUT", f"/{made['id']}"), ("POST", f"/{made['id']}/listeners")):
        told = error(api.call(method, path(api, rest), json=FLAT, key=reader), 403)
        assert "MANAGE_ALL_PROVIDERS" in told["message"]
    assert "VIEW_ALL_PROVIDERS" in error(api.get(path(api), key=publisher), 403)["message"]
    error(api.call("GET", path(api), key="nobody-has-this-key-12345"), 401)


def test_the_tenant_of_the_address_is_the_keys(api: Api) -> None:
    """Another's, and one that there is not, are answered alike; and so is another's integration."""
    other = tenants.create_tenant(api.house.services, name="other")
    made = create(api)
    key = api.new_key(*Permission, tenant=other)

    answers = [api.get(f"/v1/tenants/{tenant}/integrations", key=key) for tenant in (made["tenantId"], uuid4(), "x")]
    assert len({answer.json()["error"]["message"] for answer in answers}) == 1
    for answer in answers:
        error(answer, 403)
    for rest in ("", "/listeners", f"/listeners/{uuid4()}"):
        error(api.get(f"/v1/tenants/{other.id}/integrations/{made['id']}{rest}", key=key), 404)
    error(api.call("PUT", f"/v1/tenants/{other.id}/integrations/{made['id']}", json={"name": "x"}, key=key), 404)
    assert result(api.get(f"/v1/tenants/{other.id}/integrations", key=key)) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "calabrio"}, "type"),
        ({"type": None}, "type"),
        ({"active": "yes"}, "active"),
        ({"name": ""}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"description": 1}, "description"),
        ({"observes": ["order.payed"]}, "observes.0"),
        ({"observes": "order.paid"}, "observes"),
        ({"properties": []}, "properties"),
        ({"properties": {}}, "properties.endpointPrefix"),
        ({"properties": {**REST, "endpointPrefix": "ftp://x"}}, "properties.endpointPrefix"),
        ({"properties": {**REST, "colour": "red"}}, "properties.colour"),
        ({"properties": {**REST, "path": "{{ payload.nothing }}"}}, "properties.path"),
        ({"type": "zendesk", "properties": {**ZENDESK, "endpointPrefix": ""}}, "properties.endpointPrefix"),
        ({"type": "zendesk", "properties": {**ZENDESK, "workItems": True}}, "properties.interactionFieldId"),
        ({"type": "zendesk", "properties": {**ZENDESK, "workItems": []}}, "properties.workItems"),
        ({"type": "zendesk", "properties": {**ZENDESK, "interactionFieldId": {}}}, "properties.interactionFieldId"),
        ({"type": "zendesk", "properties": {**ZENDESK, "fields": "x", "workItems": 0}}, "properties.workItems"),
        ({"type": "zendesk", "properties": {**ZENDESK, "fields": "x"}}, "properties.fields"),
        ({"type": "salesforce", "properties": {**SALESFORCE, "consumerKey": ""}}, "properties.consumerKey"),
        ({"type": "salesforce", "properties": {**SALESFORCE, "loginUrl": "x"}}, "properties.loginUrl"),
    ],
)
def test_bad_input_names_the_clients_own_field(refusing: Api, changes: dict[str, Any], field: str) -> None:
    """A bad request names the member, or the property, as the client wrote it."""
    told = error(refusing.call("POST", path(refusing), json={**FLAT, **changes}), 400)

    assert list(told["attribute"]) == [field]
    assert "data." not in told["message"]


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "null", '{"attribute": 1}', "{", "", '{"a": NaN}'])
def test_bodies_that_are_no_objects_are_refused(refusing: Api, body: str) -> None:
    """In CxEngage's form."""
    error(refusing.call("POST", path(refusing), content=body), 400)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"active": 1}, "active"),
        ({"properties": []}, "properties"),
        ({"listenerType": 1}, "listenerType"),
        ({"observes": [1]}, "observes"),
        ({"active": True, "observes": ["order.payed"]}, "observes.0"),
    ],
)
def test_bad_listeners_are_refused(api: Api, changes: dict[str, Any], field: str) -> None:
    """And nothing is stored of them."""
    made = create(api)
    at = path(api, f"/{made['id']}/listeners")

    told = error(api.call("POST", at, json={"name": "L", **changes}), 400)

    assert list(told["attribute"]) == [field]
    assert result(api.get(at)) == []


def test_text_that_no_database_takes_is_refused_in_what_is_kept(api: Api) -> None:
    """Of listeners too."""
    made = create(api)

    answer = api.call("POST", path(api, f"/{made['id']}/listeners"), json={"name": "L", "properties": {"a": "\0"}})

    error(answer, 400)


def test_a_type_cannot_change(api: Api) -> None:
    """The same one may be given back, in any spelling."""
    made = create(api)

    assert put(api, made, type="REST API")["type"] == "rest"
    assert list(error(api.call("PUT", path(api, f"/{made['id']}"), json={"type": "zendesk"}), 400)["attribute"]) == [
        "type"
    ]


def test_there_is_no_delete(api: Api) -> None:
    """CxEngage has none; other doors do."""
    made = create(api)

    error(api.call("DELETE", path(api, f"/{made['id']}")), 405)
    error(api.get(path(api, "/not-an-id")), 404)
