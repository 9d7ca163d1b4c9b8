"""Ocamba Hood's API: its clients' integrations are the same rows that every other door shows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from api import Api
from house import House, build_house
from httpx import Response
from servers.answers import reply
from servers.process import free_port
from servers.receiver import Receiver
from structlog.testing import capture_logs

from postrider.control import integrations, tenants
from postrider.control.defaults import of_kind
from postrider.domain.access import Permission
from postrider.domain.delivery import DeliveryStatus
from postrider.domain.quota import Quota
from postrider.store.engine import Database
from postrider.web.limits import Limits

SEEDS = Path(__file__).parent / "seeds"
EXAMPLES = {
    "twilio": "sms",
    "mitto": "sms",
    "custom": "email",
    "mailchimp": "email",
    "sendgrid": "email",
    "mailgun": "email",
}
SECRETS = {"auth_token", "api_key", "password"}
HOOD = "/v1/hood"
PATH = f"{HOOD}/integrations"
TOKEN = "token-of-the-account-1234"
SID = "AC" + "0a" * 16
CREATED = json.dumps({"sid": "SM1", "status": "queued"}).encode()
OFTEN = Limits(hood=(Quota(1_000_000, 60, fixed=True),))


@pytest.fixture
def hood(sqlite: Database) -> Iterator[Api]:
    """Serve with a limit that no test reaches."""
    with build_house(sqlite) as house, Api(house, limits=OFTEN) as built:
        yield built


@pytest.fixture
def either_hood(house: House) -> Iterator[Api]:
    """Serve so over each kind of database."""
    with Api(house, limits=OFTEN) as built:
        yield built


def seed(name: str) -> Any:
    return json.loads((SEEDS / f"ocamba_{name}.json").read_text())


def run(api: Api, name: str) -> tuple[dict[str, Any], Response]:
    """Run the document's curl command, its host and token changed; gives what it sent too."""
    written = (SEEDS / f"ocamba_create_{name}.sh").read_text()
    words = shlex.split(written.replace("\\\n", " ").replace("{TOKEN}", api.key))
    assert words[:3] == ["curl", "-X", "POST"]
    url = next(word for word in words if word.startswith("https://"))
    headers = dict(words[at + 1].split(": ") for at, word in enumerate(words) if word == "-H")
    body = words[words.index("-d") + 1]
    return json.loads(body), api.client.post(urlsplit(url).path, headers=headers, content=body)


def twilio(**changes: Any) -> dict[str, Any]:
    settings = {"account_sid": SID, "auth_token": TOKEN, "default_phone_number": "+15005550006"}
    return {"name": "Example Twilio", "provider_id": "1000", "settings": settings, "status": "active", **changes}


def create(api: Api, **changes: Any) -> dict[str, Any]:
    answer = api.call("POST", PATH, json=twilio(**changes))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def got(api: Api, made: dict[str, Any], **given: Any) -> dict[str, Any]:
    answer = api.get(f"{PATH}/{made['id']}", **given)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def patch(api: Api, made: dict[str, Any], **changes: Any) -> Response:
    return api.call("PATCH", f"{PATH}/{made['id']}", json=changes)


def stored(api: Api, made: dict[str, Any]) -> dict[str, Any]:
    found = integrations.get(api.house.services, api.house.tenant.id, UUID(made["id"]))
    return dict(found.configuration)


def refusal(answer: Response, status: int = 400) -> str:
    """Give the message of an error in the document's form."""
    error = answer.json()
    assert answer.status_code == error["code"] == status, answer.text
    assert error.keys() == seed("bad_request").keys()
    assert UUID(error["trace_id"])
    return str(error["message"])


@pytest.mark.parametrize(("name", "kind"), EXAMPLES.items())
def test_the_documents_examples_run_as_written(hood: Api, name: str, kind: str) -> None:
    """Each makes an integration, answered in the documented shape, its secrets masked and stored as they were sent."""
    sent, answer = run(hood, name)

    made, documented = answer.json(), seed("created")
    assert answer.status_code == 201, answer.text
    assert documented.keys() <= made.keys()
    assert {key: type(made[key]) for key in documented} == {key: type(documented[key]) for key in documented}
    assert (made["name"], made["type"], made["provider_id"]) == (sent["name"], kind, sent["provider_id"])
    assert (made["status"], made["is_default"], made["observes"]) == ("active", False, [])
    for field, value in sent["settings"].items():
        assert (made["settings"][field] == value) is (field not in SECRETS)
        assert str(stored(hood, made)[field]) == value
    assert not [value for field, value in sent["settings"].items() if field in SECRETS and value in answer.text]


def test_an_integration_is_seen_through_every_door(either_hood: Api) -> None:
    """Made here it is in `/v2`; made there it is here, with its provider."""
    here = create(either_hood, observes=["order.paid"])
    there = either_hood.post(
        "/v2/integrations",
        {
            "type": "integration",
            "name": "Text",
            "enabled": False,
            "integration_type": "mitto",
            "observes": ["order.paid"],
            "configuration": {"api_key": TOKEN, "sender_name": "Orders"},
        },
    ).json()["data"]

    own = either_hood.data(f"/v2/integrations/{here['id']}")
    assert (own["integration_type"], own["enabled"], own["observes"]) == ("twilio", True, ["order.paid"])
    seen = got(either_hood, there)
    assert (seen["name"], seen["status"], seen["provider"]["name"]) == ("Text", "inactive", "mitto")


def test_a_get_has_what_the_document_says(hood: Api) -> None:
    """The provider is nested, the time is in GMT, and the company is named by digits."""
    document = got(hood, create(hood))

    assert document["provider"]["id"] == document["provider_id"] == "1000"
    assert [one["name"] for one in document["provider"]["settings"]][:2] == ["account_sid", "auth_token"]
    assert document["provider"]["settings"][0] == {
        "title": "Account SID",
        "name": "account_sid",
        "type": "string",
        "required": True,
        "deprecated": False,
    }
    assert document["create_time"] == "2026-11-22 12:00:00"
    assert document["company_id"].isdigit()
    assert document["templates"]["to"] == "{{ payload.data.customer.phone }}"


def test_the_company_is_the_tenants_organisation(hood: Api) -> None:
    """Where it has a number of its own, that is told."""
    tenant = tenants.create_tenant(hood.house.services, name="other", org_id="6197120")
    key = hood.new_key(*Permission, tenant=tenant)

    assert hood.call("POST", PATH, json=twilio(), key=key).json()["company_id"] == "6197120"


def test_a_patch_changes_what_is_given_and_keeps_the_rest(either_hood: Api) -> None:
    """It is answered without a body; settings of another provider are left out, a mask keeps its secret."""
    made = create(either_hood, observes=["order.paid"])
    settings = {
        "default_phone_number": "+15005550009",
        "auth_token": made["settings"]["auth_token"],
        "domain": "x.test",
    }

    answer = patch(either_hood, made, name="Test Patch", settings=settings, templates={"text": "{{ event.id }}"})

    assert (answer.status_code, answer.content) == (204, b"")
    now = got(either_hood, made)
    assert (now["name"], now["status"], now["observes"]) == ("Test Patch", "active", ["order.paid"])
    assert now["settings"]["default_phone_number"] == "+15005550009"
    assert now["templates"]["text"] == "{{ event.id }}"
    assert stored(either_hood, made)["auth_token"] == TOKEN
    assert "domain" not in stored(either_hood, made)
    assert patch(either_hood, made, status="inactive", observes=[]).status_code == 204
    assert (got(either_hood, made)["status"], got(either_hood, made)["observes"]) == ("inactive", [])


def test_null_gives_a_template_its_default_back(hood: Api) -> None:
    """So it does for a setting that may be absent; one that may not is asked for."""
    made = create(hood, templates={"text": "own"})

    assert patch(hood, made, templates={"text": None}, settings={"api_url": None}).status_code == 204

    assert "{{ event.id }}" in got(hood, made)["templates"]["text"]
    assert "settings.account_sid" in refusal(patch(hood, made, settings={"account_sid": None}))


def test_a_secret_does_not_follow_a_new_address(hood: Api) -> None:
    """Who cannot see it cannot have it sent elsewhere either, by leaving it out or by its mask."""
    made = create(hood)
    elsewhere = {"api_url": "https://collector.example.com"}

    for settings in (elsewhere, {**elsewhere, "auth_token": made["settings"]["auth_token"]}):
        assert "settings.auth_token: send it anew" in refusal(patch(hood, made, settings=settings))
    assert patch(hood, made, settings={**elsewhere, "auth_token": "another-token-567"}).status_code == 204


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "name: must be text of 1 to 100"),
        ({"name": "n" * 101}, "name: must be text of 1 to 100"),
        ({"provider_id": "7"}, "provider_id: must be one of 1000 (twilio), 1001"),
        ({"provider_id": 1000}, "provider_id: must be one of"),
        ({"settings": None}, "settings: must be an object"),
        ({"settings": {}}, "settings.account_sid"),
        ({"settings": {"account_sid": SID, "auth_token": TOKEN}}, "settings: needs a sender"),
        ({"status": "on"}, "status: must be active or inactive"),
        ({"is_default": "yes"}, "is_default: must be true or false"),
        ({"observes": ["order.payd"]}, "did you mean order.paid"),
        ({"templates": {"subjekt": "x"}}, "templates: has no member 'subjekt'"),
        ({"templates": {"text": "{{ payload.nothing }}"}}, "templates.text: payload.nothing is not there"),
    ],
)
def test_bad_input_is_told_in_hoods_words(hood: Api, changes: dict[str, Any], said: str) -> None:
    """The message names the member as Hood's body has it, and nothing is made."""
    assert said in refusal(hood.call("POST", PATH, json=twilio(**changes)))

    assert hood.get(PATH).json() == {"total": 0, "items": []}


@pytest.mark.parametrize("changes", [{}, {"id": "1", "type": "sms"}])
def test_a_patch_of_nothing_is_refused(hood: Api, changes: dict[str, Any]) -> None:
    """As Hood says: at least one of the fields that can be changed."""
    assert "send at least one of name, settings" in refusal(patch(hood, create(hood), **changes))


def test_the_provider_stays(hood: Api) -> None:
    """What was read can be sent back as it is; another provider cannot be chosen."""
    made = create(hood, observes=["order.paid"])

    assert patch(hood, made, **got(hood, made)).status_code == 204
    assert stored(hood, made)["auth_token"] == TOKEN
    assert "provider_id: cannot be changed" in refusal(patch(hood, made, provider_id="1004", name="x"))


def test_errors_have_a_trace_in_the_log(hood: Api) -> None:
    """Each kind of refusal has the documented form, and its trace id leads to the line of the request."""
    reader = hood.new_key(Permission.INTEGRATIONS_READ)
    with capture_logs() as lines:
        answers = [
            (hood.post_bytes(PATH, b"{"), 400, "Bad request."),
            (hood.get(PATH, key="nonsense"), 401, "Unauthorized."),
            (hood.call("POST", PATH, json=twilio(), key=reader), 403, "Forbidden."),
            (hood.get(f"{PATH}/{uuid4()}"), 404, "Not found."),
            (hood.get(f"{PATH}/1165"), 404, "Not found."),
            (hood.get(f"{HOOD}/nothing"), 404, "Not found."),
            (hood.call("DELETE", PATH), 405, "Method not allowed."),
        ]

    for answer, status, title in answers:
        refusal(answer, status)
        assert answer.json()["title"] == title
        (line,) = [line for line in lines if line.get("trace_id") == answer.json()["trace_id"]]
        assert (line["status"], line["request_id"]) == (status, answer.headers["x-request-id"])


def test_what_fails_here_is_told_without_a_message(hood: Api) -> None:
    """As the document shows it: our own failures have a trace and no more."""
    with hood.house.services.database.write() as tx:
        tx.exec_driver_sql("ALTER TABLE integrations RENAME TO away")
    answer = hood.get(PATH)

    assert answer.status_code == 500
    assert answer.json().keys() == seed("server_error").keys()
    assert {**answer.json(), "trace_id": ""} == {**seed("server_error"), "trace_id": ""}


def test_tenants_do_not_see_each_other(either_hood: Api) -> None:
    """What is another's is not there: not to read, to change, to list or to test."""
    made = create(either_hood, is_default=True)
    other = either_hood.new_key(*Permission, tenant=tenants.create_tenant(either_hood.house.services, name="other"))

    refusal(either_hood.get(f"{PATH}/{made['id']}", key=other), 404)
    refusal(either_hood.call("PATCH", f"{PATH}/{made['id']}", json={"name": "stolen"}, key=other), 404)
    assert either_hood.get(PATH, key=other).json()["total"] == 0
    for integration in ({"id": made["id"]}, {"type": "sms"}):
        body = {"integration": integration, "recipient": "+15035550142"}
        refusal(either_hood.call("POST", f"{HOOD}/test-notification", json=body, key=other), 404)
    assert either_hood.call("POST", PATH, json=twilio(is_default=True), key=other).json()["is_default"] is True
    assert got(either_hood, made)["is_default"] is True


def test_readers_see_no_secret_and_change_nothing(hood: Api) -> None:
    """A key that only reads gets masks."""
    made = create(hood)
    reader = hood.new_key(Permission.INTEGRATIONS_READ)

    assert TOKEN not in hood.get(f"{PATH}/{made['id']}", key=reader).text
    refusal(hood.call("PATCH", f"{PATH}/{made['id']}", json={"name": "x"}, key=reader), 403)


def test_one_integration_of_a_type_is_the_default(either_hood: Api) -> None:
    """Making another one the default takes it from the first; the other type has its own."""
    first, second = create(either_hood, is_default=True), create(either_hood)
    mail = run(either_hood, "mailgun")[1].json()
    patch(either_hood, mail, is_default=True)

    assert patch(either_hood, second, is_default=True).status_code == 204

    assert [got(either_hood, one)["is_default"] for one in (first, second, mail)] == [False, True, True]
    told = either_hood.data(f"/v2/audit-log?object_id={first['id']}")
    assert [change["field"] for change in told[0]["changes"]] == ["extras.hood"]
    assert patch(either_hood, second, is_default=False).status_code == 204
    assert got(either_hood, second)["is_default"] is False


def test_many_who_become_the_default_at_once_leave_one(either_hood: Api) -> None:
    """Whoever is last is it, alone."""
    made = [create(either_hood) for _ in range(6)]

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda one: patch(either_hood, one, is_default=True).status_code, made))

    assert set(answers) == {204}
    assert sum(got(either_hood, one)["is_default"] for one in made) == 1
    with either_hood.house.services.database.read() as tx:
        assert of_kind(tx, either_hood.house.tenant.id, system="hood", kind="sms") is not None


def test_an_event_is_sent_by_the_provider(hood: Api, receiver: Receiver) -> None:
    """What is made here is delivered as any integration is, and its effective status says that it works."""
    receiver.answer(201, CREATED)
    settings = twilio()["settings"] | {"api_url": receiver.url_of("")}
    made = create(hood, settings=settings, observes=["order.paid"], templates={"text": "Order {{ payload.data.id }}"})
    assert got(hood, made)["effective_status"] == "inactive"

    hood.publish(payload={"data": {"id": "42", "customer": {"phone": "+15035550142"}}})
    hood.house.run_until_idle()

    assert parse_qs(receiver.requests[0].body.decode())["Body"] == ["Order 42"]
    assert got(hood, made)["effective_status"] == "active"


def notify(api: Api, integration: Any, recipient: str = "+15035550142") -> Response:
    return api.call("POST", f"{HOOD}/test-notification", json={"integration": integration, "recipient": recipient})


def test_a_test_is_sent_at_once_for_what_is_not_stored(hood: Api, receiver: Receiver) -> None:
    """The body of an integration is enough: its recipient gets the test, and nothing is kept but its record."""
    receiver.answer(201, CREATED)
    answer = notify(hood, twilio(settings=twilio()["settings"] | {"api_url": receiver.url_of("")}))

    assert (answer.status_code, answer.content) == (204, b"")
    assert parse_qs(receiver.requests[0].body.decode())["To"] == ["+15035550142"]
    assert hood.get(PATH).json()["total"] == 0
    assert hood.data("/v2/audit-log")[0]["action"] == "integration.tested"


def test_a_test_that_fails_is_told(hood: Api, receiver: Receiver) -> None:
    """What the provider said stands in the message, without the secret that it said back."""
    receiver.answer(401, json.dumps({"code": 20003, "message": f"Authenticate {TOKEN}"}).encode())

    said = refusal(notify(hood, twilio(settings=twilio()["settings"] | {"api_url": receiver.url_of("")})))

    assert said.startswith("the test was not delivered: Twilio answered with status 401")
    assert TOKEN not in said


def test_a_test_by_mail_is_sent_at_once_too(hood: Api) -> None:
    """A mail server that does not listen is told of, and the recipient of a mail must be an address of one."""
    settings = {"sending_domain": "localhost", "port": str(free_port()), "default_sender_email": "shop@example.com"}
    letter = {"name": "Mail", "provider_id": "1001", "settings": settings}

    assert refusal(notify(hood, letter, "ada@example.com")).startswith("the test was not delivered: ")
    assert refusal(notify(hood, letter, "+15035550142")).startswith("recipient: cannot be it: ")


def test_a_stored_integration_is_tested_as_it_is_stored(hood: Api, receiver: Receiver) -> None:
    """Its id is enough; the test goes the way of every event, and its failure shows in the effective status."""
    receiver.answer(201, CREATED)
    made = create(hood, settings=twilio()["settings"] | {"api_url": receiver.url_of("")})

    assert notify(hood, got(hood, made)).status_code == 204
    hood.house.run_until_idle()

    assert hood.house.only_delivery().status is DeliveryStatus.DELIVERED
    assert parse_qs(receiver.requests[0].body.decode())["To"] == ["+15035550142"]
    assert got(hood, made)["effective_status"] == "active"
    receiver.use(reply(400, b"{}"))
    assert notify(hood, {"id": made["id"]}).status_code == 204
    hood.house.run_until_idle()
    assert got(hood, made)["effective_status"] == "inactive"


def test_the_default_integration_of_a_type_can_be_tested(hood: Api, receiver: Receiver) -> None:
    """With no id and no provider, the type says which."""
    receiver.answer(201, CREATED)
    refusal(notify(hood, {"type": "sms"}), 404)
    create(hood, settings=twilio()["settings"] | {"api_url": receiver.url_of("")}, is_default=True)

    assert notify(hood, {"type": "sms"}).status_code == 204
    hood.house.run_until_idle()

    assert len(receiver.requests) == 1


def test_the_samples_customer_is_never_written_to(hood: Api, receiver: Receiver) -> None:
    """Without a recipient there is nobody to write to, unless the template names one itself."""
    receiver.answer(201, CREATED)
    settings = twilio()["settings"] | {"api_url": receiver.url_of("")}

    left_out = refusal(notify(hood, twilio(settings=settings), ""))
    assert left_out.startswith("recipient: is needed: payload.data.customer.phone is not there")
    assert notify(hood, twilio(settings=settings, templates={"to": "+15035550199"}), "").status_code == 204

    assert [parse_qs(one.body.decode())["To"] for one in receiver.requests] == [["+15035550199"]]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ([], 400, "the body: must be an object"),
        ({}, 400, "integration: must be an object"),
        ({"integration": {"id": "1165"}}, 404, "no such integration"),
        ({"integration": {"type": "pigeon"}}, 400, "integration.type: must be one of sms, email"),
        ({"integration": {"name": "x"}}, 400, "provider_id: is required"),
        ({"integration": twilio(), "recipient": 1}, 400, "recipient: must be text"),
        ({"integration": twilio(), "recipient": "\x00"}, 400, "recipient: must not hold control characters"),
    ],
)
def test_a_test_of_nothing_is_refused(hood: Api, body: Any, status: int, said: str) -> None:
    """It says what is missing."""
    assert said in refusal(hood.call("POST", f"{HOOD}/test-notification", json=body), status)


def test_a_switched_off_integration_is_not_tested(hood: Api) -> None:
    """The test would be skipped, so it is refused."""
    made = create(hood, status="inactive")

    assert re.search("disabled", refusal(notify(hood, {"id": made["id"]}), 409))
