"""How much a key may ask, and how often an address may fail to sign in, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from api import Api, only_error
from house import build_house

from postrider.control import keys
from postrider.domain.access import Permission
from postrider.domain.quota import Quota
from postrider.store.engine import Database
from postrider.web.limits import Limits, subscriber

HOUR = 3600


@pytest.fixture
def limited(sqlite: Database) -> Iterator[Api]:
    """Serve with three requests an hour for each key."""
    with build_house(sqlite) as house, Api(house, limits=Limits(requests=Quota(3, HOUR))) as built:
        yield built


@pytest.fixture
def wary(sqlite: Database) -> Iterator[Api]:
    """Serve with five sign-ins that may fail."""
    with build_house(sqlite) as house, Api(house, limits=Limits(failed_sign_ins=5)) as built:
        yield built


def event(api: Api, key: str | None = None) -> Any:
    return api.post("/v2/events", {"event_type": "order.paid", "payload": 1}, key=key)


def test_answers_tell_how_the_key_stands(limited: Api) -> None:
    """Both forms of the headers say the same: how many in which time, how many are left, and when it begins anew."""
    first, second = event(limited), limited.get("/v2/events")

    assert first.headers["ratelimit-policy"] == f'"key";q=3;w={HOUR}'
    assert first.headers["ratelimit"].startswith('"key";r=2;t=')
    assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("3", "2")
    assert second.headers["ratelimit-remaining"] == "1"
    assert 0 < int(second.headers["ratelimit-reset"]) <= HOUR
    assert second.headers["ratelimit"] == f'"key";r=1;t={second.headers["ratelimit-reset"]}'


def test_one_too_many_is_refused_with_the_time_to_wait(limited: Api) -> None:
    """The fourth request is 429, on the publish route as on any other, and nothing is stored for it."""
    answers = [event(limited) for _ in range(5)]
    read = limited.get("/v2/events")

    assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429]
    assert (only_error(answers[3])["title"], read.status_code) == ("Too Many Requests", 429)
    assert 0 < int(answers[3].headers["retry-after"]) <= HOUR * 2
    assert answers[3].headers["ratelimit-remaining"] == "0"
    with limited.house.services.database.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM events").scalar_one() == 3


def test_keys_count_for_themselves(limited: Api) -> None:
    """A busy key takes nothing from its tenant's other keys."""
    for _ in range(4):
        event(limited)

    assert event(limited, limited.new_key(Permission.EVENTS_PUBLISH)).status_code == 202


def test_token_counts_for_its_key(limited: Api) -> None:
    """Fetching access tokens gives nobody more requests."""
    grant = {"grant_type": "client_credentials", "client_id": "x", "client_secret": limited.key}
    tokens = [limited.client.post("/oauth/access_token", data=grant).json()["access_token"] for _ in range(2)]

    statuses = [event(limited, key).status_code for key in (limited.key, *tokens, limited.key)]

    assert statuses == [202, 202, 202, 429]


def test_without_a_limit_no_header_speaks_of_one(api: Api) -> None:
    """What is not limited is not told of."""
    assert not [name for name in event(api).headers if name.startswith("ratelimit")]


def test_health_is_not_limited(limited: Api) -> None:
    """Who watches over it needs no key and no quota."""
    assert {limited.client.get("/healthz").status_code for _ in range(10)} == {200}


@pytest.mark.parametrize("secret", ["nonsense", "pr_" + "x" * 38, "prt_" + "x" * 60])
def test_guessing_keys_ends_soon(wary: Api, secret: str) -> None:
    """After five failures an address is told to wait, whatever it tries, and no database is asked."""
    answers = [wary.get("/v2/events", key=f"{secret}{number}") for number in range(8)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3
    assert 0 < int(answers[-1].headers["retry-after"]) <= 120
    assert "address" in only_error(answers[-1])["detail"]


def test_guessing_client_secrets_ends_soon(wary: Api) -> None:
    """The sign-in counts together with the keys."""
    guess = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "nonsense"}
    statuses = [wary.client.post("/oauth/access_token", data=guess).status_code for _ in range(6)]

    assert statuses == [401] * 5 + [429]
    assert wary.get("/v2/events", key="other").status_code == 429


def test_right_key_is_not_found_out_by_guessing_on(wary: Api) -> None:
    """While an address waits, a right key that it never used before opens nothing either."""
    for number in range(6):
        wary.get("/v2/events", key=f"guess-{number}")

    assert wary.get("/v2/events", key=wary.new_key(Permission.EVENTS_READ)).status_code == 429


def test_known_key_goes_on_beside_one_who_guesses(wary: Api) -> None:
    """Who shares an address with an attacker, behind a proxy for one, keeps access with a key that was seen before."""
    assert wary.get("/v2/events").status_code == 200
    for number in range(6):
        wary.get("/v2/events", key=f"guess-{number}")
    known = wary.app.state.authenticator.known
    with known._guard:  # as if the seconds of being remembered were over
        known._found = {reference: (time.monotonic() - 1, key) for reference, (_, key) in known._found.items()}

    assert wary.get("/v2/events").status_code == 200


def test_missing_header_is_no_guess(wary: Api) -> None:
    """Forgetting the key is told as often as it happens."""
    assert {wary.client.get("/v2/events").status_code for _ in range(10)} == {401}


def test_revoked_key_counts_as_a_failure(wary: Api) -> None:
    """A client that goes on with an ended key is slowed down too."""
    secret = wary.new_key(Permission.EVENTS_READ)
    key = keys.find_key(wary.house.services, secret)
    keys.revoke_key(wary.house.services, key.tenant_id, UUID(str(key.id)))

    assert [wary.get("/v2/events", key=secret).status_code for _ in range(6)] == [401] * 5 + [429]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_address_is_that_of_a_subscriber(host: str, name: str) -> None:
    """Nobody gets fresh guesses by changing the lower half of an IPv6 address."""
    assert subscriber(host) == name
