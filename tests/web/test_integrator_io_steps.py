"""What is integrator.io's connectors' own: steps of installing, settings, updates, clones."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from api import Api, only_error
from integration_data import told
from servers.receiver import Receiver

from postrider.control import integrations
from postrider.control.installation import tell_settings
from postrider.domain.delivery import DeliveryStatus
from postrider.domain.errors import Conflict
from postrider.web.api.integrator_io import translation

from .test_integrator_io import HOOK, at, error, make, seed

REQUESTED = "postrider.install_step_requested"
UNDOING = "postrider.uninstall_step_requested"
SETTINGS = "postrider.integration_settings_changed"


def put(api: Api, made: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Read an integration and put it back changed, as the page of a client does."""
    answer = api.call("PUT", at(made), json={**api.get(at(made)).json(), **changes})
    assert answer.status_code == 200, answer.text
    now: dict[str, Any] = answer.json()
    return now


def completed(made: dict[str, Any], *which: int) -> list[dict[str, Any]]:
    return [{**step, "completed": index in which} for index, step in enumerate(made["install"])]


def news(api: Api, event_type: str) -> list[Any]:
    """List the data of the events of a type."""
    return [data for name, data in told(api.house.services, api.house.tenant.id) if name == event_type]


def theirs(api: Api, made: dict[str, Any]) -> dict[str, Any]:
    """Give an integration as our own API has it."""
    (found,) = [one for one in api.data("/v2/integrations") if one["id"].replace("-", "").startswith(made["_id"])]
    return dict(found)


def test_nothing_is_delivered_until_it_is_installed(either_api: Api, receiver: Receiver) -> None:
    """Not while a step is left, whatever is said; from the last step on all that comes."""
    api, installer = either_api, receiver.url_of("/installed")
    configuration, observes = {"url": installer}, ["order.paid"]
    made = make(api, **seed("get_smartconnector"), configuration=configuration, observes=observes, enabled=True)
    api.publish()
    put(api, made, install=completed(made, 0, 1, 2))
    api.publish()
    api.house.run_until_idle()
    assert receiver.requests == []
    assert {one.status for one in api.house.deliveries()} == {DeliveryStatus.SKIPPED}

    now = put(api, made, install=completed(made, 0, 1, 2, 3))
    api.publish()
    api.house.run_until_idle()

    assert now["enabled"] is True
    assert [request.path for request in receiver.requests] == ["/installed"]


@pytest.mark.parametrize("said", [{"mode": "settings"}, {"install": []}])
def test_it_is_on_when_no_step_is_left_to_wait_for(api: Api, said: dict[str, Any]) -> None:
    """In the mode `settings` it is installed, and without steps too."""
    made = make(api, **seed("get_smartconnector"), configuration=HOOK)
    assert theirs(api, made)["enabled"] is False

    assert put(api, made, **said)["enabled"] is True
    assert theirs(api, made)["enabled"] is True


def test_what_was_wanted_is_kept_for_the_day_it_is_installed(api: Api) -> None:
    """Who said that it is to be off finds it off at the end."""
    made = make(api, **seed("get_smartconnector"), configuration=HOOK, enabled=False)
    assert "enabled" not in made

    assert put(api, made, mode="settings")["enabled"] is False
    assert put(api, made, enabled=True)["enabled"] is True
    assert "enabled" not in put(api, made, mode="install")
    assert put(api, made, mode="settings")["enabled"] is True


def test_no_other_door_enables_what_is_being_installed(api: Api) -> None:
    """Our own API refuses it, by its endpoint and by a change, and changes the rest all the same."""
    made = make(api, **seed("get_smartconnector"), configuration=HOOK)
    path = f"/v2/integrations/{theirs(api, made)['id']}"

    for answer in (
        api.post(f"{path}/enable"),
        api.call("PUT", path, json={"data": {"type": "integration", "enabled": True}}),
    ):
        assert answer.status_code == 409
        assert "still being installed" in only_error(answer)["detail"]
    renamed = api.call("PUT", path, json={"data": {"type": "integration", "name": "Two", "enabled": False}})
    assert renamed.status_code == 200
    put(api, made, mode="settings")
    assert api.post(f"{path}/enable").status_code == 200


def test_without_an_address_it_is_off(api: Api) -> None:
    """Until it is said where its events go: then it is on, unless that was not wanted."""
    made, off = make(api, observes=["order.paid"]), make(api, enabled=False)
    assert "configuration" not in made
    assert theirs(api, made)["configuration"] == translation.NOWHERE
    assert [theirs(api, one)["enabled"] for one in (made, off)] == [False, False]

    assert [put(api, one, configuration=HOOK)["enabled"] for one in (made, off)] == [True, False]


def test_a_step_is_asked_for_by_an_event(either_api: Api, receiver: Receiver) -> None:
    """Whoever observes such requests gets the function's name; nothing else changes, and the audit log has it."""
    api, example = either_api, seed("get_smartconnector")
    made = make(api, **example)
    api.house.integrate(receiver.url_of("/backend"), REQUESTED, UNDOING)

    by_place = api.call("POST", at(made, "/installStep"), json={"step": 1})
    by_name = api.call("POST", at(made, "/installStep"), json={"step": "Integrator Bundle"})
    api.house.run_until_idle()

    assert (by_place.status_code, by_name.status_code) == (202, 202)
    answer = by_place.json()
    event_id = UUID(answer.pop("event")["id"])
    assert answer == {
        "_id": made["_id"],
        "step": 1,
        "name": "BigCommerce Connection",
        "function": "verifyBigCommerceConnection",
    }
    assert api.data(f"/v2/events/{event_id}")["event_type"] == REQUESTED
    first, second = news(api, REQUESTED)
    assert first == {
        "type": "install-step",
        "integration": {
            "type": "integration",
            "id": theirs(api, made)["id"],
            "_id": made["_id"],
            "name": example["name"],
        },
        "step": 1,
        "name": "BigCommerce Connection",
        "function": "verifyBigCommerceConnection",
        "_connectionId": "56fd5ad0945g2345c4e678aca76",
        "version": "1.0.1",
    }
    assert (second["step"], second["function"]) == (2, "verifyIntegratorBundleInstallation")
    assert len(receiver.requests) == 2
    assert b"verifyBigCommerceConnection" in b"".join(request.body for request in receiver.requests)
    assert api.get(at(made)).json() == made
    actions = [entry["action"] for entry in api.data("/v2/audit-log")]
    assert actions.count("integration.step_requested") == 2


def test_a_step_is_undone_by_its_other_function(api: Api) -> None:
    """In the mode `uninstall` the uninstaller's name is published, as an event of its own."""
    made = make(api, **{**seed("get_smartconnector"), "mode": "uninstall"})

    answer = api.call("POST", at(made, "/installStep"), json={"step": 0})

    assert answer.json()["function"] == "deleteNetSuiteConnection"
    (asked,) = news(api, UNDOING)
    assert (asked["type"], asked["function"]) == ("uninstall-step", "deleteNetSuiteConnection")
    assert news(api, REQUESTED) == []


@pytest.mark.parametrize(
    ("members", "body", "code", "field"),
    [
        ({"mode": "settings"}, {"step": 0}, "invalid_field", "mode"),
        ({"install": None, "mode": None}, {"step": 0}, "invalid_field", "mode"),
        ({}, {}, "missing_required_field", "step"),
        ({}, [], "missing_required_field", "step"),
        ({}, {"step": 4}, "invalid_field", "step"),
        ({}, {"step": -1}, "invalid_field", "step"),
        ({}, {"step": True}, "invalid_field", "step"),
        ({}, {"step": "Nothing"}, "invalid_field", "step"),
        ({"install": [{"name": "By hand"}]}, {"step": 0}, "invalid_field", "install.0.installerFunction"),
    ],
)
def test_steps_that_cannot_be_asked_for(api: Api, members: dict[str, Any], body: object, code: str, field: str) -> None:
    """Are refused with the field that is to blame, and nothing is published."""
    made = make(api, **{**seed("get_smartconnector"), **members})

    assert error(api.call("POST", at(made, "/installStep"), json=body)) == (422, code, field)
    assert news(api, REQUESTED) == []


def test_changed_settings_are_told(either_api: Api, receiver: Receiver) -> None:
    """Once for each change, with the settings as they are now; what leaves them as they are tells nothing."""
    api = either_api
    made = make(api, **seed("get_smartconnector"))
    api.house.integrate(receiver.url_of("/backend"), SETTINGS)

    put(api, made, name="New")
    put(api, made, settings={"sections": [], "price": 1})
    put(api, made, settings={"sections": [], "price": 1})
    put(api, made, settings=None)
    api.house.run_until_idle()

    first, second = news(api, SETTINGS)
    assert (first["type"], first["settings"]) == ("integration-settings", {"sections": [], "price": 1})
    assert (first["integration"]["_id"], first["version"]) == (made["_id"], "1.0.1")
    assert second["settings"] is None
    assert len(receiver.requests) == 2


def test_settings_rest_while_an_update_is_in_progress(api: Api) -> None:
    """They are refused until it is said to be over; all else can change."""
    made = make(api, **seed("get_smartconnector"), updateInProgress=True)

    assert put(api, made, version="1.0.2")["version"] == "1.0.2"
    for settings in ({"price": 1}, None):
        for in_progress in (True, False):
            body = {**made, "settings": settings, "updateInProgress": in_progress}
            assert error(api.call("PUT", at(made), json=body)) == (422, "update_in_progress", "settings")
    assert api.get(at(made)).json()["settings"] == made["settings"]
    assert news(api, SETTINGS) == []

    assert put(api, made, updateInProgress=False)["updateInProgress"] is False
    assert put(api, made, settings={"price": 1})["settings"] == {"price": 1}


def test_a_change_that_others_overtook_is_refused(api: Api) -> None:
    """An update that began meanwhile is not overlooked: who read before it reads again."""
    made, services, tenant = make(api, settings={"price": 1}), api.house.services, api.house.tenant.id
    before = integrations.get(services, tenant, UUID(theirs(api, made)["id"]))
    wish = translation.replaced({"name": "One", "settings": {"price": 2}}, before)
    put(api, made, updateInProgress=True)

    with pytest.raises(Conflict):
        integrations.update(
            services, tenant, before.id, wish.data, beside=wish.beside(also=tell_settings(services, before))
        )

    now = api.get(at(made)).json()
    assert (now["settings"], now["updateInProgress"]) == ({"price": 1}, True)
    assert news(api, SETTINGS) == []


def test_a_clone_is_a_deep_copy(either_api: Api) -> None:
    """Of all but secrets; it has an id of its own, other connections where they are mapped, and changes alone."""
    api = either_api
    original = make(
        api,
        **{**seed("get_smartconnector"), "mode": "settings", "description": "D", "updateInProgress": True},
        configuration=HOOK,
        observes=["order.paid"],
        delivery={"retry_waits": [7]},
    )
    body = {"name": "Copy", "connectionMap": {"56fd5ad0945g2345c4e678aca76": "11aa"}, "sandbox": False}

    answer = api.call("POST", at(original, "/clone"), json=body)

    assert answer.status_code == 201
    (entry,) = answer.json()
    assert entry.items() >= {"model": "Integration", "name": "Copy"}.items()
    copied = api.get(at(entry)).json()
    assert copied["_id"] == entry["_id"] != original["_id"]
    assert [step.get("_connectionId") for step in copied["install"]] == ["11aa", "11aa", None, None]
    same = original.keys() - {"_id", "name", "install", "configuration", "enabled", "updateInProgress"}
    assert {name: copied[name] for name in same} == {name: original[name] for name in same}
    assert "updateInProgress" not in copied
    put(api, copied, settings={"price": 1})
    assert api.get(at(original)).json() == original


def test_a_clone_has_no_secret_of_its_original(api: Api) -> None:
    """Its maker is told which to give, and it is off until somebody enables it; or gives them at once."""
    original = make(api, configuration=HOOK, observes=["order.paid"])

    bare = api.call("POST", at(original, "/clone"))
    (entry,) = bare.json()
    refused = api.call("POST", at(original, "/clone"), json={"enabled": True})
    given = {"enabled": True, "configuration": {"secret_key": "acorn-5678"}}
    (whole,) = api.call("POST", at(original, "/clone"), json=given).json()

    assert entry["secretsNeeded"] == ["configuration.secret_key"]
    assert HOOK["secret_key"] not in bare.text
    copied = api.get(at(entry)).json()
    assert (copied["enabled"], copied["configuration"]) == (False, {"url": HOOK["url"]})
    assert error(refused) == (422, "missing_required_field", "configuration.secret_key")
    assert "secretsNeeded" not in whole
    copied = api.get(at(whole)).json()
    assert (copied["enabled"], copied["configuration"]) == (True, {**HOOK, "secret_key": "acorn-5678"})
    signing = {
        integrations.get(api.house.services, api.house.tenant.id, UUID(one["id"])).signing_secret
        for one in api.data("/v2/integrations")
    }
    assert len(signing) == 3


def test_a_clone_whose_type_cannot_do_without_its_secrets(api: Api) -> None:
    """Is made when they are given, and not before."""
    sqs = {
        "url": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
        "aws_access_key_id": "ASIAJLVYNHUWCPKOPSYQ",
        "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLpUSJ",
        "region": "eu-west-1",
    }
    original = make(api, type="aws_sqs", configuration=sqs)

    refused = api.call("POST", at(original, "/clone"), json={})
    secrets = {name: value for name, value in sqs.items() if name.startswith("aws_")}
    made = api.call("POST", at(original, "/clone"), json={"configuration": secrets})

    status, code, field = error(refused)
    assert (status, code) == (422, "missing_required_field")
    assert str(field).startswith("configuration.aws_")
    assert sqs["aws_secret_access_key"] not in refused.text + made.text
    assert made.status_code == 201


@pytest.mark.parametrize("waits_for", [{"install": [{"name": "A"}], "configuration": {"url": HOOK["url"]}}, {}])
def test_a_clone_of_what_delivers_nothing_yet_wants_what_it_wants(api: Api, waits_for: dict[str, Any]) -> None:
    """A pattern that is never installed itself, or has no address, is on when its clone is complete."""
    (copied,) = api.call("POST", at(make(api, **waits_for), "/clone")).json()

    assert put(api, copied, mode="settings", configuration=HOOK)["enabled"] is True


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"connectionMap": []}, 201, None, None),
        ({"connectionMap": [1]}, 400, "invalid_connectionMap", "connectionMap"),
        ({"connectionMap": {"a": 1}}, 400, "invalid_connectionMap", "connectionMap"),
        ({"name": ""}, 422, "invalid_field", "name"),
        ({"configuration": [1]}, 422, "invalid_field", "configuration"),
        ({"configuration": {"url": HOOK["url"], "secret_key": "********1234"}}, 422, "invalid_field", None),
        ([], 422, "invalid_field", None),
    ],
)
def test_clones_that_are_refused(api: Api, body: object, status: int, code: str | None, field: str | None) -> None:
    """Name the field that is to blame."""
    answer = api.call("POST", at(make(api), "/clone"), json=body)

    assert answer.status_code == status
    if code is not None:
        told_status, told_code, told_field = error(answer)
        assert (told_status, told_code) == (status, code)
        assert field in {None, told_field}
    assert len(json.loads(api.get("/v2/integrations").text)["data"]) == (2 if status == 201 else 1)
