"""Whatever names and literals lead inside, nothing is connected to: the real product in a network of our own.

`walled/scene.py` plays it, once for all tests of this file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from walled.listener import BANNER
from walled.network import UNSHARE
from walled.scene import ADDRESSES, ALLOWED, LITERALS, PUBLIC, PUBLIC_IPV6, TRANSPORTS

TESTS = Path(__file__).parents[1]
LATER = {"webhook": "http_503", "stomp": "stomp_error", "smtp": "smtp_451"}
"""How each says that a public address did not take it."""
REBINDING = ("rebinding", "rebinding-metadata", "rebinding-ipv6")
INSIDE = (
    *("inside", "closed-port", "alias", "alias-of-localhost", "this-host", "mapped"),
    *("nat64", "6to4", "teredo", "all-inside", "test-button"),
)
UNFOUND_FIRST = {"failing-first": "dns_failed", "unknown-first": "dns_not_found", "silent-first": "dns_failed"}


class Seen:
    """What the scene saw."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.connections: dict[str, int] = told["connections"]
        self.asked: dict[str, int] = told["asked"]
        self.reached: list[str] = told["reached"]
        self._deliveries = {(case["transport"], case["host"]): case["delivery"] for case in told["cases"]}

    def delivery(self, transport: str, host: str) -> dict[str, Any]:
        return dict(self._deliveries[transport, host])

    def named(self, transport: str, name: str) -> dict[str, Any]:
        return self.delivery(transport, f"{name}.{transport}.test")

    def everything(self) -> list[dict[str, Any]]:
        return list(self._deliveries.values())


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs to be allowed to make namespaces (unshare), as root or as a user")
    scene = [*UNSHARE, sys.executable, str(TESTS / "walled" / "scene.py"), str(tmp_path_factory.mktemp("scene"))]
    done = subprocess.run(
        scene,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr.decode()
    return Seen(json.loads(done.stdout))


def words(delivery: dict[str, Any]) -> list[str]:
    """Give the error of each attempt."""
    return [attempt["error"] for attempt in delivery["attempts"]]


def test_connections_would_have_been_seen(seen: Seen) -> None:
    """Every address of the scene can be connected to, and is noted when it is."""
    assert set(seen.reached) >= {*ADDRESSES, "127.0.0.1", "::1"}


def test_nothing_inside_was_ever_connected_to(seen: Seen) -> None:
    """Over all names, literals and transports there is not one connection to an address that is not public."""
    assert set(seen.connections) == {PUBLIC, PUBLIC_IPV6, ALLOWED}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", REBINDING)
def test_name_that_rebinds_is_refused_once_it_leads_inside(seen: Seen, transport: str, name: str) -> None:
    """A name server that says a public address first and an inner one next gains nothing by it."""
    delivery = seen.named(transport, name)

    assert seen.asked[f"{name}.{transport}.test"] == 2
    assert set(words(delivery)[:-1]) == {LATER[transport]}
    assert words(delivery)[-1] == "address_refused"
    assert delivery["status"] == "dead"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", INSIDE)
def test_name_that_leads_inside_is_refused(seen: Seen, transport: str, name: str) -> None:
    """By whatever kind of record, and by the test button as by an event, it is refused and not tried again."""
    delivery = seen.named(transport, name)

    assert words(delivery) == ["address_refused"]
    assert delivery["status"] == "dead"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("name", "first"), UNFOUND_FIRST.items())
def test_first_lookup_that_fails_opens_no_way_round(seen: Seen, transport: str, name: str, first: str) -> None:
    """A name that could not be looked up at first is judged when it can be."""
    assert words(seen.named(transport, name)) == [first, "address_refused"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_name_with_addresses_of_both_kinds_goes_to_the_public_one(seen: Seen, transport: str) -> None:
    """One reply with inner and public addresses reaches the public one alone, again and again."""
    assert set(words(seen.named(transport, "both"))) == {LATER[transport]}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("host", LITERALS)
def test_literal_that_leads_inside_is_refused(seen: Seen, transport: str, host: str) -> None:
    """An address that is plainly written, or in IPv6's clothes, is refused like a name's."""
    assert words(seen.delivery(transport, host)) == ["address_refused"]


def test_refusal_tells_nothing_of_what_is_there(seen: Seen) -> None:
    """Whoever made the integration reads no answer, no status, no header and no address of a place inside."""
    refused = [
        attempt
        for delivery in seen.everything()
        for attempt in delivery["attempts"]
        if attempt["error"] == "address_refused"
    ]

    assert refused
    for attempt in refused:
        assert (attempt["status_code"], attempt["response_headers"], attempt["response_body"]) == (None, {}, "")
        assert BANNER not in json.dumps(attempt)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_refusal_does_not_tell_an_open_port_from_a_closed_one(seen: Seen, transport: str) -> None:
    """The outcomes for a port that listens and for one that does not are the same, word for word."""
    open_port, closed_port = seen.named(transport, "inside"), seen.named(transport, "closed-port")

    told = [
        {
            name: value
            for name, value in delivery["attempts"][0].items()
            if name not in {"id", "started_at", "duration_ms"}
        }
        for delivery in (open_port, closed_port)
    ]
    assert told[0] == {**told[1], "detail": told[1]["detail"].replace("closed-port", "inside")}


@pytest.mark.parametrize("transport", ["webhook", "stomp"])
def test_address_that_is_allowed_is_delivered_to(seen: Seen, transport: str) -> None:
    """A network that the operator allows is one like any other: it delivers, and a webhook's answer can be read."""
    delivery = seen.named(transport, "allowed")

    (attempt,) = delivery["attempts"]
    assert delivery["status"] == "delivered"
    assert attempt["response_body"] == (BANNER if transport == "webhook" else "")


def test_address_that_is_allowed_gets_no_mail_in_clear(seen: Seen) -> None:
    """A mail server on another machine is talked to where the operator allows it, and gets nothing without TLS."""
    assert words(seen.named("smtp", "allowed")) == ["tls_not_offered"]
