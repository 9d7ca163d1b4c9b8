"""ERA's channels are integrations: made, changed and deleted by its API, and seen by every other door."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from api import Api
from httpx import Response
from servers.receiver import Receiver
from sqlalchemy import select

from postrider.control import integrations, tenants
from postrider.control.integrations import UNREADABLE
from postrider.domain.access import TENANT_PERMISSIONS, Permission
from postrider.domain.integration import NOWHERE, Integration
from postrider.store.tables import metadata

PATH = "/rest/v1/service/integration_points"
TOKENS = "/rest/v1/service/integration_tokens"
BOT = "123456:abcdefghij-TOKEN"


def send(api: Api, method: str, body: object, path: str = PATH) -> Response:
    """Send a body as JSON that may spell what no UTF-8 can hold."""
    return api.call(method, path, content=json.dumps(body))


def create(api: Api, **members: Any) -> dict[str, Any]:
    """Make a channel."""
    answer = send(api, "POST", {"code": "shop", "type": "public", **members})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def patch(api: Api, channel: dict[str, Any], *, key: str | None = None, **members: Any) -> Response:
    return api.call("PATCH", f"{PATH}/{channel['id']}", json=members, key=key)


def changed(api: Api, channel: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Change a channel."""
    answer = patch(api, channel, **members)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def integration(api: Api, channel: dict[str, Any]) -> Integration:
    """Read what a channel is here."""
    return integrations.get(api.house.services, api.house.tenant.id, UUID(channel["id"]))


def refused(answer: Response, status: int = 400) -> str:
    """Give the sentence of a refusal, having checked its form."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["error_code", "error_message"]
    assert body["error_code"] == 1000 + status
    return str(body["error_message"])


def publish(api: Api, token: str, event_type: str = "order.paid") -> Response:
    return api.post("/v2/events", {"type": "event", "event_type": event_type, "payload": {"n": 1.10}}, key=token)


# -- what is delivered -------------------------------------------------------------------------------------------------


def test_a_public_channel_gets_what_another_channel_publishes(either_api: Api, receiver: Receiver) -> None:
    """One publishes by its token_local; the other observes and gets it at its url with its token_remote."""
    sender = create(either_api, code="till", type="Subscriber")
    create(either_api, url=receiver.url, token_remote="their-token", observes=["order.paid"])

    assert publish(either_api, sender["token_local"]).status_code == 202
    either_api.house.run_until_idle()

    (came,) = receiver.requests
    assert came.headers["x-moltin-secret-key"] == "their-token"
    assert b'"n":1.1' in came.body


def test_a_channel_without_a_url_only_publishes(api: Api, receiver: Receiver) -> None:
    """It is stored switched off, with an address that leads nowhere and is never shown; a url makes it real."""
    made = create(api, observes=["order.paid"], token_remote="t0ken")
    assert made["url"] == ""
    assert integration(api, made).configuration == {"url": NOWHERE}
    assert not integration(api, made).enabled

    opened = changed(api, made, url=receiver.url)

    assert (opened["url"], opened["token_remote"]) == (receiver.url, "t0ken")
    assert integration(api, made).configuration == {"url": receiver.url, "secret_key": "t0ken"}
    assert integration(api, made).enabled

    closed = changed(api, made, url="")

    assert (closed["url"], closed["token_remote"]) == ("", "t0ken")
    assert integration(api, made).configuration == {"url": NOWHERE}
    assert not integration(api, made).enabled


def test_no_other_door_switches_on_a_channel_that_only_publishes(api: Api) -> None:
    """Its messages would lead to nobody."""
    made = create(api, type="Subscriber", observes=["order.paid"])

    assert api.post(f"/v2/integrations/{made['id']}/enable").status_code == 422
    assert not integration(api, made).enabled


def test_nothing_is_delivered_until_something_is_observed(api: Api, receiver: Receiver) -> None:
    """`observes` switches a channel on, and an empty one off."""
    made = create(api, url=receiver.url)
    assert (made["observes"], integration(api, made).enabled) == ([], False)

    assert changed(api, made, observes=["order.*"])["observes"] == ["order.*"]
    assert integration(api, made).enabled
    assert changed(api, made, observes=[])["observes"] == []
    assert not integration(api, made).enabled


def test_who_switched_it_off_is_not_overruled_by_the_way(api: Api, receiver: Receiver) -> None:
    """A channel that a person switched off stays off when it is sent back, and comes on with another url."""
    made = create(api, url=receiver.url, observes=["order.paid"])
    assert api.post(f"/v2/integrations/{made['id']}/disable").status_code == 200

    changed(api, made, **{**made, "opts": {"comment": "as it was"}})
    assert not integration(api, made).enabled

    changed(api, made, url=receiver.url_of("/new"))
    assert integration(api, made).enabled


def test_other_types_only_publish(api: Api) -> None:
    """A channel of another type keeps its url and sends nothing there."""
    made = create(api, type="Subscriber", url="sip:100@pbx.test", observes=["order.paid"])

    assert (made["type"], made["url"]) == ("Subscriber", "sip:100@pbx.test")
    assert integration(api, made).configuration == {"url": NOWHERE}
    assert not integration(api, made).enabled


def test_a_telegram_channel_sends_by_its_bot(either_api: Api, receiver: Receiver) -> None:
    """token_remote is the bot's, url where the Bot API is, opts.chat_id and opts.text the templates."""
    receiver.answer(200, b'{"ok":true,"result":{"message_id":1}}', {"Content-Type": "application/json"})
    opts = {"chat_id": "@orders", "text": "Paid: {{ payload.n | default(0) }}"}
    made = create(either_api, type="telegram", url=receiver.url, token_remote=BOT, opts=opts, observes=["order.paid"])
    assert integration(either_api, made).integration_type == "telegram"
    assert opts.items() <= made["opts"].items()

    publish(either_api, made["token_local"])
    either_api.house.run_until_idle()

    (came,) = receiver.requests
    assert came.path == f"/bot{BOT}/sendMessage"
    assert b"@orders" in came.body
    assert b"Paid: 1.1" in came.body


def test_the_send_script_says_how_a_channel_sends(api: Api, receiver: Receiver) -> None:
    """Absent it is that of the type; one of ours sends by a channel of any type, and an empty one sends nothing."""
    public = create(api, type="public", url=receiver.url)
    other = create(api, type="Subscriber", url=receiver.url, send_svcscriptcode="send_to_web", observes=["order.paid"])
    silent = create(api, type="public", url=receiver.url, send_svcscriptcode="", observes=["order.paid"])
    own = create(api, type="public", url=receiver.url, send_svcscriptcode="my_script", observes=["order.paid"])
    assert [one["send_svcscriptcode"] for one in (public, other, silent, own)] == [
        *("send_to_web", "send_to_web", "", "my_script")
    ]
    assert [one["type"] for one in (other, silent)] == ["Subscriber", "public"]
    assert [integration(api, one).enabled for one in (other, silent, own)] == [True, False, True]
    publish(api, public["token_local"])
    api.house.run_until_idle()
    receiver.wait_for(2)
    told = {json.loads(request.body)["integration"]["id"] for request in receiver.requests}
    assert told == {other["id"], own["id"]}

    assert changed(api, other, send_svcscriptcode="")["url"] == receiver.url
    assert not integration(api, other).enabled
    assert changed(api, silent, send_svcscriptcode="send_to_web")["send_svcscriptcode"] == "send_to_web"
    assert integration(api, silent).enabled


def test_a_bots_token_goes_to_no_other_script(api: Api, receiver: Receiver) -> None:
    """It is sent anew for a script that sends it elsewhere, and shown to nobody before."""
    opts = {"chat_id": "1"}
    made = create(api, type="bot", url=receiver.url, token_remote=BOT, opts=opts, send_svcscriptcode="send_to_telegram")
    assert integration(api, made).integration_type == "telegram"
    assert BOT not in str(made)

    assert "token_remote" in refused(patch(api, made, send_svcscriptcode="send_to_web"))
    assert "token_remote" in refused(patch(api, made, type="public", send_svcscriptcode="send_to_web"))


def test_a_bots_token_is_shown_to_nobody_and_sent_nowhere_else(api: Api, receiver: Receiver) -> None:
    """Its mask keeps it where it is; a new url or type wants it anew."""
    made = create(api, type="telegram", token_remote=BOT, opts={"chat_id": "1"}, url=receiver.url)
    assert made["token_remote"].startswith("***")

    kept = changed(api, made, **{**made, "opts": {"text": "New"}})
    assert integration(api, kept).configuration["bot_token"] == BOT
    for moved in ({"url": "https://evil.test"}, {"type": "public", "url": "https://evil.test"}, {"type": "x"}):
        assert "token_remote" in refused(patch(api, made, **moved))
        assert "token_remote" in refused(patch(api, made, **moved, token_remote=made["token_remote"]))

    assert changed(api, made, url="", token_remote=BOT)["url"] == ""


def test_a_telegram_channel_without_its_bot_only_publishes(api: Api) -> None:
    """Until it has a token and a chat."""
    made = create(api, type="telegram", url="http://trapper.com", observes=["order.paid"])
    assert integration(api, made).configuration == {"url": NOWHERE}

    changed(api, made, url="", token_remote=BOT, opts={"chat_id": "1"})

    assert integration(api, made).integration_type == "telegram"
    assert integration(api, made).enabled


# -- token_local -------------------------------------------------------------------------------------------------------


def test_a_channel_may_publish_and_nothing_else(api: Api) -> None:
    """Its token opens no other door, and not for event types that nobody knows."""
    token = create(api)["token_local"]

    assert publish(api, token).status_code == 202
    assert publish(api, token, "no.such").status_code == 422
    for method, path in (("GET", PATH), ("POST", PATH), ("LOOKUP", PATH), ("GET", f"{TOKENS}/{token}")):
        assert "lacks the permission" in refused(api.call(method, path, key=token, json={}), 403)
    assert api.get("/v2/events", key=token).status_code == 403


def test_a_deleted_channels_token_is_over(either_api: Api) -> None:
    """It publishes no more, though it just did, and is found no more."""
    made = create(either_api)
    assert publish(either_api, made["token_local"]).status_code == 202

    assert either_api.call("DELETE", f"{PATH}/{made['id']}").status_code == 204

    assert publish(either_api, made["token_local"]).status_code == 401
    assert refused(either_api.get(f"{TOKENS}/{made['token_local']}"), 404) == "Token not found"
    assert refused(either_api.call("LOOKUP", PATH, json=made["token_local"]), 404) == "Lookup failed"


def test_a_token_names_its_channel(either_api: Api) -> None:
    """As `integration_tokens` has it."""
    made = create(either_api)

    told = either_api.get(f"{TOKENS}/{made['token_local']}")

    link = {"self": {"href": f"{PATH}/{made['id']}"}}
    assert told.json() == {"domain": "shop", "integration_point": {"id": made["id"], "_links": link}}


def test_lookup_finds_by_id_code_and_token(either_api: Api) -> None:
    """A code may be that of several channels; what is no key of any is not found."""
    one, two = create(either_api, code="same"), create(either_api, code="same")

    def found(sought: object) -> Any:
        answer = send(either_api, "LOOKUP", sought)
        return answer.json() if answer.status_code == 200 else refused(answer, 404)

    assert found("same") == sorted([one["id"], two["id"]])
    assert found(one["id"]) == found(one["id"].upper()) == found(one["token_local"]) == [one["id"]]
    for nothing in ("", "sam", "\ud800", "\0", one["id"][:-1], "*" * 28 + one["token_local"][-4:], "x" * 10_000):
        assert found(nothing) == "Lookup failed"
    for wrong in (None, 1, ["same"], {"code": "same"}):
        assert "JSON string" in refused(send(either_api, "LOOKUP", wrong))


def test_who_may_not_write_sees_no_token(api: Api) -> None:
    """A reader is shown masks, everywhere, and cannot find tokens out by filters."""
    made = create(api, token_remote="far-side-token", token_remote2="second-token", url="https://x.example/")
    reader = api.new_key(Permission.INTEGRATIONS_READ)
    secret = {made["token_local"], "far-side-token", "second-token"}

    answers = [
        api.get(f"{PATH}/{made['id']}", key=reader),
        api.get(PATH, key=reader),
        api.get(PATH, key=reader, params={"mask": "token_local,token_remote", "flat": "true"}),
    ]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert not [token for token in secret for answer in answers if token in answer.text]
    wish = f'{{"token_local": "{made["token_local"]}"}}'
    assert api.get(PATH, key=reader, params={"filter": wish}).json() == []
    assert [one["id"] for one in api.get(PATH, params={"filter": wish}).json()] == [made["id"]]


def test_tokens_are_in_no_record_and_encrypted_where_they_are_stored(either_api: Api) -> None:
    """The audit log has the making of channel and key, and no row of any table a token in clear."""
    made = create(either_api, token_remote="far-side-token", token_remote2="second-token", url="https://x.example/")
    changed(either_api, made, token_remote2="third-token", observes=["order.paid"])
    api = either_api

    entries = api.data("/v2/audit-log")
    assert {"integration.created", "api-key.created", "integration.updated"} <= {one["action"] for one in entries}
    with api.house.services.database.read() as tx:
        rows = [repr(tuple(row)) for table in metadata.sorted_tables for row in tx.execute(select(table))]
    told = "".join([*rows, repr(entries)])
    assert made["id"] in told
    for token in (made["token_local"], "far-side-token", "second-token", "third-token"):
        assert token not in told


def test_a_channel_is_made_by_who_may_publish(api: Api) -> None:
    """A key hands out no more than it has."""
    writer = api.new_key(Permission.INTEGRATIONS_WRITE)

    told = refused(api.call("POST", PATH, key=writer, json={"code": "a", "type": "public"}), 403)

    assert "events:publish" in told
    assert api.get(PATH).json() == []


# -- changes -----------------------------------------------------------------------------------------------------------


def test_a_channel_can_be_sent_back_as_it_was_shown(api: Api) -> None:
    """To a writer or a reader: masks stand for what they hide, and nothing changes."""
    made = create(api, token_remote="far-side-token", token_remote2="second-token", url="https://x.example/")
    before = integration(api, made)
    reader = api.new_key(Permission.INTEGRATIONS_READ)

    for shown in (made, api.get(f"{PATH}/{made['id']}", key=reader).json()):
        assert changed(api, made, **shown) == made

    assert integration(api, made) == before


@pytest.mark.parametrize("name", ["token_remote", "token_remote2"])
def test_a_wrong_mask_is_refused(api: Api, name: str) -> None:
    """Storing it would lose the token."""
    made = create(api, **{name: "far-side-token"})

    assert name in refused(patch(api, made, **{name: "*****oken"}))
    assert name in refused(api.call("POST", PATH, json={"code": "a", "type": "b", name: "*****oken"}))


def test_id_and_token_stay(api: Api) -> None:
    """They may be sent along as they are."""
    made = create(api)
    other = create(api)

    assert "id: cannot be changed" in refused(patch(api, made, id=other["id"]))
    assert "token_local: cannot be changed" in refused(patch(api, made, token_local=other["token_local"]))
    assert changed(api, made, id=made["id"], token_local=made["token_local"]) == made


def test_opts_are_changed_one_by_one(api: Api) -> None:
    """What is not given of them stays, ours and what nobody here knows."""
    made = create(api, opts={"title": "Till", "comment": "First", "roles": ["special01"], "colour": {"r": 1}})
    assert integration(api, made).name == "Till"

    now = changed(api, made, opts={"title": "", "issync": True})

    assert now["opts"] == {**made["opts"], "title": "", "issync": True}
    assert (integration(api, made).name, integration(api, made).description) == ("shop", "First")


def test_what_other_doors_change_is_shown(api: Api, receiver: Receiver) -> None:
    """Name, url and secret that were changed by the main API are the channel's; what else it set stays."""
    made = create(api, url=receiver.url, token_remote="t1")
    data = {
        "type": "integration",
        "name": "Renamed",
        "description": "By hand",
        "observes": ["order.paid"],
        "configuration": {"url": receiver.url_of("/x"), "secret_key": "t2"},
    }
    assert api.call("PUT", f"/v2/integrations/{made['id']}", json={"data": data}).status_code == 200

    shown = api.get(f"{PATH}/{made['id']}").json()

    assert (shown["code"], shown["url"], shown["token_remote"]) == ("shop", receiver.url_of("/x"), "t2")
    assert (shown["opts"]["title"], shown["opts"]["comment"]) == ("Renamed", "By hand")
    assert shown["observes"] == ["order.paid"]
    assert shown["token_local"] == made["token_local"]


def test_others_integrations_are_channels_too(either_api: Api, receiver: Receiver) -> None:
    """They are listed without a token; the first change gives them one."""
    other = either_api.house.integrate(receiver.url)
    (shown,) = either_api.get(PATH).json()
    assert (shown["id"], shown["code"], shown["type"]) == (str(other.id), "hook", "public")
    assert (shown["token_local"], shown["url"]) == ("", receiver.url)

    now = changed(either_api, shown, code="adopted", opts={"title": "hook"})

    assert len(now["token_local"]) == 32
    assert publish(either_api, now["token_local"]).status_code == 202
    assert integration(either_api, shown).configuration == other.configuration
    assert integration(either_api, shown).enabled


def test_integrations_of_other_types_keep_their_way(api: Api) -> None:
    """A queue is no channel's: what is said about it can be changed, how it delivers cannot."""
    configuration = {
        "url": "https://sqs.eu-west-1.amazonaws.com/1/q",
        "aws_access_key_id": "AKIA0000000000000000",
        "aws_secret_access_key": "s" * 40,
        "region": "eu-west-1",
    }
    other = api.house.integrate("", integration_type="aws_sqs", configuration=configuration)
    (shown,) = api.get(PATH).json()
    assert (shown["type"], shown["url"], shown["token_remote"]) == ("aws_sqs", "", "")

    for members in ({"type": "public"}, {"url": "https://x.example/"}, {"token_remote": "t"}):
        assert "/v2/integrations" in refused(patch(api, shown, **members))
    assert changed(api, shown, opts={"comment": "A queue"})["opts"]["comment"] == "A queue"
    assert integration(api, shown).configuration == other.configuration


def test_integrations_of_other_types_name_no_script(api: Api) -> None:
    """Mail and SMS were said to be sent by `send_to_web`; sent back as they were shown they stay as they are."""
    mitto = {"provider_id": "1004", "settings": {"api_key": "a-key-of-mitto", "sender_name": "Shop"}}
    made = api.call("POST", "/v1/hood/integrations", json={"name": "SMS", **mitto}).json()
    (row,) = api.get(PATH).json()
    assert (row["type"], row["send_svcscriptcode"]) == ("mitto", "")

    before = integration(api, made)
    back = changed(api, **{"channel": row, **{name: row[name] for name in row if name not in {"ext", "token_local"}}})

    assert (back["type"], back["send_svcscriptcode"]) == ("mitto", "")
    after = integration(api, made)
    assert (after.integration_type, after.configuration) == (before.integration_type, before.configuration)


def test_changes_at_the_same_time_all_stay(either_api: Api) -> None:
    """None is lost because two had read the same channel."""
    made = create(either_api)
    names = [f"n{number}" for number in range(4)]

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda name: patch(either_api, made, opts={name: name}).status_code, names))

    stored = either_api.get(f"{PATH}/{made['id']}").json()["opts"]
    assert set(statuses) <= {200, 409}
    assert {name for name, status in zip(names, statuses, strict=True) if status == 200} == stored.keys() & {*names}


def test_a_chosen_id_is_kept_and_taken_once(api: Api) -> None:
    """By anybody's integration."""
    made = create(api, id="b4680fbe-016c-d86f-1d6b-50e54938780c")
    assert made["id"] == "b4680fbe-016c-d86f-1d6b-50e54938780c"

    assert "is taken" in refused(api.call("POST", PATH, json={**made, "code": "again"}), 409)


def test_unreadable_secrets_are_told_and_stay(api: Api) -> None:
    """Where the encryption key is missing nothing is shown, and nothing can be lost by a change."""
    made = create(api, url="https://x.example/")
    with api.house.services.database.write() as tx:
        table = metadata.tables["integrations"]
        tx.execute(table.update().where(table.c.id == UUID(made["id"])).values(secrets="not ours"))

    assert api.get(f"{PATH}/{made['id']}").json()["token_local"] == UNREADABLE
    assert "cannot be read" in refused(patch(api, made, code="new"), 409)


# -- refusals ----------------------------------------------------------------------------------------------------------

GOOD = {"code": "a", "type": "public"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "must be an object"),
        ("code", "must be an object"),
        ({"type": "public"}, "code: is required"),
        ({"code": "a"}, "type: is required"),
        ({**GOOD, "code": " "}, "code: must not be empty"),
        ({**GOOD, "code": 1}, "code: must be text"),
        ({**GOOD, "code": "x" * 256}, "code: must have at most 255"),
        ({**GOOD, "code": "a\0"}, "code: must not hold control characters"),
        ({**GOOD, "code": "\ud800"}, "code: must"),
        ({**GOOD, "id": "b4680fbe"}, "id: must be an id"),
        ({**GOOD, "colour": "red"}, "colour: is no field of a channel"),
        ({**GOOD, "opts": []}, "opts: must be an object"),
        ({**GOOD, "opts": {"issync": "yes"}}, "opts.issync: must be true or false"),
        ({**GOOD, "opts": {"title": None}}, "opts.title: must be text"),
        ({**GOOD, "opts": {"title": " "}}, "opts.title: must be text of 1 to"),
        ({**GOOD, "opts": {"roles": ["a", 1]}}, "opts.roles.1: must be text"),
        ({**GOOD, "opts": {"recv_timeout": 1.5}}, "opts.recv_timeout: must be a whole number"),
        ({**GOOD, "opts": {"comment": "x" * 2_001}}, "opts.comment: must be text of up to"),
        ({**GOOD, "opts": {"mine": "x" * 20_000}}, "opts: must have at most"),
        ({**GOOD, "opts": {"mine": ["\0"]}}, "opts: must not have NUL"),
        ({**GOOD, "opts": {"mine": ["\ud800"]}}, "opts"),
        ({**GOOD, "url": "gopher://x"}, "url: must be an absolute URL"),
        ({**GOOD, "url": "https://user:pass@x.example"}, "url: must not have a user name"),
        ({**GOOD, "url": "https://x.example", "token_remote": "a b\u00e9"}, "token_remote: is sent in an HTTP header"),
        ({**GOOD, "observes": "order.paid"}, "observes: must be a list"),
        ({**GOOD, "observes": None}, "observes: must be a list"),
        ({**GOOD, "observes": ["no.such"]}, "observes: 'no.such' is not a known event type"),
        (
            {"code": "a", "type": "telegram", "token_remote": "short", "opts": {"chat_id": "1"}},
            "token_remote: must be a bot's token",
        ),
        (
            {"code": "a", "type": "telegram", "token_remote": BOT, "opts": {"chat_id": "{{ nothing"}},
            "opts.chat_id: ",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_eras_words(refusing: Api, body: Any, said: str) -> None:
    """The field is named as ERA names it, for a new channel and a changed one."""
    assert said in refused(send(refusing, "POST", body))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"NaN", b"[" * 100_000, b"9" * 10_000])
def test_what_is_no_json_is_refused(refusing: Api, content: bytes) -> None:
    """By every method that reads a body."""
    for method in ("POST", "LOOKUP"):
        refused(refusing.call(method, PATH, content=content))


def test_what_is_not_there(refusing: Api) -> None:
    """Ids, tokens and addresses that name nothing, and methods that are none of an address's."""
    for method in ("GET", "PATCH", "DELETE"):
        refused(refusing.call(method, f"{PATH}/b4680fbe-016c-d86f-1d6b-50e54938780c", json={}), 404)
        refused(refusing.call(method, f"{PATH}/abc", json={}), 404)
    refused(refusing.get(f"{TOKENS}/82ddc7c68623726346a78371173e2f8d"), 404)
    refused(refusing.get(f"{TOKENS}/%00%F0%9F%98%80"), 404)
    refused(refusing.get("/rest/v1/service/elsewhere"), 404)
    refused(refusing.call("PUT", PATH, json={}), 405)
    refused(refusing.call("LOOKUP", f"{TOKENS}/x", json=""), 405)


def test_without_a_key_nothing_opens(refusing: Api) -> None:
    """A body is not even read."""
    for method in ("GET", "POST", "LOOKUP"):
        answer = refusing.client.request(method, PATH, content=b"{")
        refused(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_another_tenants_channels_are_not_there(either_api: Api) -> None:
    """By id, code, token, filter or change."""
    made = create(either_api, code="theirs")
    other = tenants.create_tenant(either_api.house.services, name="other")
    key = either_api.new_key(*TENANT_PERMISSIONS, tenant=other)

    assert either_api.get(PATH, key=key).json() == []
    assert either_api.get(PATH, key=key, params={"filter": '{"code":"theirs"}'}).json() == []
    for sought in (made["id"], "theirs", made["token_local"]):
        refused(either_api.call("LOOKUP", PATH, json=sought, key=key), 404)
    refused(either_api.get(f"{TOKENS}/{made['token_local']}", key=key), 404)
    for method in ("GET", "PATCH", "DELETE"):
        refused(either_api.call(method, f"{PATH}/{made['id']}", json={}, key=key), 404)
    assert either_api.get(f"{PATH}/{made['id']}").json() == made
