"""Who gets in, and what they may do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from api import Api, only_error
from servers.process import wait_until

from postrider.control import keys, tokens
from postrider.domain.access import Permission
from postrider.store import api_keys
from postrider.web.auth import KnownKeys

MINTED = keys.mint()


@pytest.mark.parametrize(
    "authorization",
    [
        "", "Bearer", "Basic {key}", "{key}", "Bearer {key}x", "Bearer pr_wrong", "Bearer prt_",
        "Bearer prt_AAAA", "Bearer prt_" + "A" * 75, "Bearer prt_!!", "Bearer " + "x" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused(refusing: Api, authorization: str) -> None:
    """Nothing but a whole key behind `Bearer` counts."""
    headers = {"Authorization": authorization.format(key=refusing.key)}

    answer = refusing.client.get("/v2/events", headers=headers)

    assert only_error(answer)["status"] == 401
    assert refusing.key not in answer.text


def test_a_mistyped_key_is_told_so(refusing: Api) -> None:
    """The checksum of a made key tells a slip of the hand from a foreign key."""
    mistyped = MINTED[:-1] + ("a" if MINTED[-1] != "a" else "b")

    assert "checksum" in only_error(refusing.get("/v2/events", key=mistyped))["detail"]
    assert "checksum" not in only_error(refusing.get("/v2/events", key=MINTED))["detail"]


def test_the_scheme_has_no_case(refusing: Api) -> None:
    """`bearer` is `Bearer`, as HTTP says of schemes."""
    answer = refusing.client.get("/v2/events", headers={"Authorization": f"bearer {refusing.key}"})

    assert answer.status_code == 200


def test_an_expired_key_is_refused_at_once(api: Api) -> None:
    """A key's end is looked at with every request, though the key itself is remembered."""
    key = api.new_key(Permission.EVENTS_READ, expires_at=api.house.clock.now() + timedelta(minutes=1))
    before = api.get("/v2/events", key=key)

    api.house.clock.move(minutes=1)

    assert before.status_code == 200
    assert only_error(api.get("/v2/events", key=key))["status"] == 401


def test_a_revoked_key_ends_within_seconds(either_api: Api) -> None:
    """A key that another process revoked works for a few seconds more, where it was just seen, and then no more."""
    made = keys.create_key(
        either_api.house.services, either_api.house.tenant.id, name="k", permissions=[Permission.EVENTS_READ]
    )
    assert either_api.get("/v2/events", key=made.secret).status_code == 200

    keys.revoke_key(either_api.house.services, either_api.house.tenant.id, made.key.id)

    wait_until(lambda: either_api.get("/v2/events", key=made.secret).status_code == 401, "the key ended", seconds=10)


def test_a_key_revoked_here_ends_here_at_once(api: Api) -> None:
    """The process that revokes a key forgets it, and its access tokens, with the answer."""
    made = keys.create_key(api.house.services, api.house.tenant.id, name="k", permissions=[Permission.EVENTS_READ])
    token = tokens.issue(api.house.services.pepper, made.key, now=api.house.clock.now()).text
    before = [api.get("/v2/events", key=secret).status_code for secret in (made.secret, token)]

    api.call("DELETE", f"/v2/api-keys/{made.key.id}")

    assert before == [200, 200]
    assert [api.get("/v2/events", key=secret).status_code for secret in (made.secret, token)] == [401, 401]


def test_a_revoked_key_ends_its_tokens_elsewhere_within_seconds(either_api: Api) -> None:
    """A web process that has just seen an access token opens nothing for it seconds after another revoked its key."""
    made = keys.create_key(
        either_api.house.services, either_api.house.tenant.id, name="k", permissions=[Permission.EVENTS_READ]
    )
    token = tokens.issue(either_api.house.services.pepper, made.key, now=either_api.house.clock.now()).text
    with Api(either_api.house) as elsewhere:
        before = elsewhere.get("/v2/events", key=token).status_code

        either_api.call("DELETE", f"/v2/api-keys/{made.key.id}")

        assert before == 200
        assert either_api.get("/v2/events", key=token).status_code == 401
        wait_until(lambda: elsewhere.get("/v2/events", key=token).status_code == 401, "the token ended", seconds=10)
        assert elsewhere.client.post("/oauth/access_token", data=form(made.secret)).status_code == 401


def form(secret: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", "client_id": "shop", "client_secret": secret}


def test_a_key_that_was_revoked_elsewhere_makes_no_keys(either_api: Api) -> None:
    """A process that still remembers a key asks the database before it lets the key make another."""
    made = keys.create_key(
        either_api.house.services, either_api.house.tenant.id, name="k", permissions=[Permission.INTEGRATIONS_WRITE]
    )
    assert either_api.get("/v2/api-keys", key=made.secret).status_code == 200

    keys.revoke_key(either_api.house.services, either_api.house.tenant.id, made.key.id)
    answer = either_api.post("/v2/api-keys", {"name": "heir"}, key=made.secret)

    assert only_error(answer)["status"] == 401
    assert "heir" not in {key["name"] for key in either_api.data("/v2/api-keys")}


def test_the_last_use_is_noted(either_api: Api) -> None:
    """A key shows when it was last used."""
    secret = either_api.new_key(Permission.EVENTS_READ)

    either_api.get("/v2/events", key=secret)

    wait_until(lambda: keys.find_key(either_api.house.services, secret).last_used_at is not None, "the use is noted")


def test_the_last_use_is_noted_once_a_minute(api: Api) -> None:
    """A busy key does not write with every request."""
    secret = api.new_key(Permission.EVENTS_READ)
    api.get("/v2/events", key=secret)
    wait_until(lambda: keys.find_key(api.house.services, secret).last_used_at is not None, "the use is noted")
    first = keys.find_key(api.house.services, secret).last_used_at

    api.house.clock.move(seconds=30)
    api.get("/v2/events", key=secret)
    api.app.state.authenticator.close()

    assert keys.find_key(api.house.services, secret).last_used_at == first


def test_known_keys_do_not_grow_without_end(api: Api) -> None:
    """However many keys are used, only so many are remembered."""
    known = KnownKeys()
    with api.house.services.database.read() as tx:
        (key,) = api_keys.page(tx, api.house.tenant.id, before=None, limit=100)

    for number in range(25_000):
        known.put(number.to_bytes(4), key)

    assert len(known._found) <= 10_000
    assert known.get((24_999).to_bytes(4)) == key
