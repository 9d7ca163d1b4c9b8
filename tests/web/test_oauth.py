"""Access tokens, as Elastic Path's clients ask for them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from api import Api, only_error
from httpx import Response

from postrider.control import keys
from postrider.domain.access import Permission

PATH = "/oauth/access_token"


def ask(api: Api, **form: str) -> Response:
    """Ask for a token; a field given as empty is left out."""
    whole = {"grant_type": "client_credentials", "client_id": "shop", "client_secret": api.key, **form}
    return api.client.post(PATH, data={name: value for name, value in whole.items() if value})


def test_a_key_buys_a_token(either_api: Api) -> None:
    """The token opens what the key opens, for the key's tenant."""
    key = either_api.new_key(Permission.EVENTS_READ)

    told = ask(either_api, client_secret=key).json()

    assert told.keys() == {"access_token", "token_type", "expires_in", "expires", "identifier"}
    assert (told["token_type"], told["expires_in"], told["identifier"]) == ("Bearer", 3600, "client_credentials")
    assert told["expires"] == int(either_api.house.clock.now().timestamp()) + 3600
    assert either_api.get("/v2/events", key=told["access_token"]).status_code == 200
    assert either_api.get("/v2/deliveries", key=told["access_token"]).status_code == 403


def test_a_token_ends_after_an_hour(api: Api) -> None:
    """A token's end is looked at with every request."""
    token = ask(api).json()["access_token"]

    api.house.clock.move(seconds=3599)
    before = api.get("/v2/events", key=token)
    api.house.clock.move(seconds=1)

    assert before.status_code == 200
    assert only_error(api.get("/v2/events", key=token))["status"] == 401


def test_a_token_ends_with_its_key(api: Api) -> None:
    """A key that ends sooner gives a shorter token."""
    key = api.new_key(Permission.EVENTS_READ, expires_at=api.house.clock.now() + timedelta(minutes=10))

    assert ask(api, client_secret=key).json()["expires_in"] == 600


def test_a_revoked_key_buys_nothing(api: Api) -> None:
    """Asking for a token looks the key up anew."""
    made = keys.create_key(api.house.services, api.house.tenant.id, name="k", permissions=[Permission.EVENTS_READ])
    keys.revoke_key(api.house.services, api.house.tenant.id, made.key.id)

    assert only_error(ask(api, client_secret=made.secret))["status"] == 401


def test_a_token_that_was_touched_is_refused(api: Api) -> None:
    """Every bit of a token is signed."""
    token = ask(api).json()["access_token"]
    touched = [
        token[:place] + ("A" if letter != "A" else "B") + token[place + 1 :]
        for place, letter in enumerate(token)
        if 4 <= place < len(token) - 1
    ]

    assert {api.get("/v2/events", key=one).status_code for one in touched[::5]} == {401}


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"client_secret": ""}, 401, "client_secret"),
        ({"client_secret": "wrong"}, 401, "Unable to validate"),
        ({"client_id": ""}, 422, "client_id"),
        ({"grant_type": ""}, 422, "client_credentials"),
        ({"grant_type": "implicit", "client_secret": ""}, 422, "no anonymous tokens"),
        ({"grant_type": "password"}, 422, "client_credentials"),
    ],
)
def test_what_is_missing_is_named(refusing: Api, form: dict[str, str], status: int, said: str) -> None:
    """A request for a token says what is wrong with it, in the form of all errors."""
    error = only_error(ask(refusing, **form))

    assert error["status"] == status
    assert said in error["detail"]


def test_a_body_of_another_kind_is_refused(refusing: Api) -> None:
    """JSON is no form: nothing in it is read."""
    assert only_error(refusing.client.post(PATH, json={"grant_type": "client_credentials"}))["status"] == 422
