"""Misleading spellings of addresses, over HTTP: refused when an integration is made or changed, the field named."""

from __future__ import annotations

import pytest
from api import Api, only_error

from postrider.transports.url import LONGEST_URL

# `{0}` stands where the scheme does: each spelling is tried for every transport that takes an address.
SPELLINGS = {
    "backslash before @": "{0}://h.test\\@evil.test/q",
    "user name": "{0}://user@evil.test/q",
    "user name and password": "{0}://user:pass@evil.test/q",
    "port 0": "{0}://h.test:0/q",
    "port 99999": "{0}://h.test:99999/q",
    "port that is no number": "{0}://h.test:80a/q",
    "no host": "{0}:///q",
    "no host but a port": "{0}://:80/q",
    "empty international label": "{0}://xn--/q",
    "line break": "{0}://h.test\r\nx:y/q",
    "line break at the end": "{0}://h.test/q\n",
    "NUL": "{0}://h.test\x00.evil.test/q",
    "leading space": " {0}://h.test/q",
    "one number": "{0}://2130706433/q",
    "hexadecimal number": "{0}://0x7f000001/q",
    "hexadecimal parts": "{0}://0x7f.1/q",
    "octal parts": "{0}://0177.0.0.1/q",
    "two parts": "{0}://127.1/q",
    "zero": "{0}://0/q",
    "address with a trailing dot": "{0}://127.0.0.1./q",
    "circled digits": "{0}://①②⑦.⓪.⓪.①/q",
    "ideographic full stops": "{0}://127。0。0。1/q",
    "full-width digits": "{0}://\uff11\uff12\uff17.0.0.1/q",
    "zone": "{0}://[fe80::1%eth0]/q",
    "encoded zone": "{0}://[fe80::1%25eth0]/q",
    "no IPv6 in the brackets": "{0}://[h.test]/q",
    "label of 64 characters": "{0}://" + "a" * 64 + ".test/q",
    "another scheme": "gopher://h.test/q",
    "a file": "file:///etc/passwd",
    "no scheme": "//h.test/q",
    "very long": "{0}://h.test/" + "q" * LONGEST_URL,
}
USER = {"username": "user@example.com", "password": "secret"}
SENDER = {"default_sender_email": "orders@example.com"}
PROVIDERS: dict[str, dict[str, object]] = {
    "mailchimp": {"api_key": "key", **SENDER},
    "mailgun": {"api_key": "key", "domain": "mg.example.com", "sender_email": "orders@mg.example.com"},
    "mitto": {"api_key": "key", "sender_name": "Orders"},
    "sendgrid": {"api_key": "key", **SENDER},
}
"""What each needs beside its API's address."""
FIELDS = {
    "webhook": "url",
    "aws_sqs": "url",
    "stomp": "addresses",
    "zendesk": "url",
    "salesforce": "url",
    **dict.fromkeys(PROVIDERS, "api_url"),
}
SCHEMES = {**dict.fromkeys(FIELDS, "https"), "webhook": "http", "stomp": "stomp"}


def configuration(transport: str, address: str) -> dict[str, object]:
    if transport == "stomp":
        return {"addresses": [address], "destination": "/queue/orders"}
    if transport == "webhook":
        return {"url": address}
    if transport in PROVIDERS:
        return {"api_url": address, **PROVIDERS[transport]}
    if transport in {"zendesk", "salesforce"}:
        app = {"consumer_key": "key", "consumer_secret": "secret"} if transport == "salesforce" else {}
        return {"url": address, **USER, **app}
    account = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret", "region": "eu-west-1"}
    return {"url": address, **account}


def integration(transport: str, address: str) -> dict[str, object]:
    return {
        "type": "integration",
        "name": "hook",
        "enabled": True,
        "integration_type": transport,
        "observes": ["order.paid"],
        "configuration": configuration(transport, address),
    }


GOOD = {
    "webhook": "http://h.test/q",
    "aws_sqs": "https://sqs.eu-west-1.amazonaws.com/1/q",
    "stomp": "stomp://h.test/q",
    "zendesk": "https://h.zendesk.com",
    "salesforce": "https://login.salesforce.com",
    **dict.fromkeys(PROVIDERS, "https://api.example.com"),
}


@pytest.mark.parametrize("transport", FIELDS)
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_misleading_address_makes_no_integration(refusing: Api, transport: str, spelling: str) -> None:
    """Making and changing are checked alike, and the answer names the field."""
    address = spelling.format(SCHEMES[transport])
    kept = the_saved_one(refusing, transport)
    before = refusing.data(f"/v2/integrations/{kept}")

    made = refusing.post("/v2/integrations", integration(transport, address))
    changed = refusing.call("PUT", f"/v2/integrations/{kept}", json={"data": integration(transport, address)})

    for answer in (made, changed):
        error = only_error(answer)
        assert error["status"] == 422
        assert error["source"]["pointer"].startswith(f"/data/configuration/{FIELDS[transport]}")
    assert saved(refusing, transport) == [kept]
    assert refusing.data(f"/v2/integrations/{kept}") == before


def the_saved_one(api: Api, transport: str) -> str:
    """Give the id of the one integration of a type that is there to be changed."""
    if not saved(api, transport):
        api.post("/v2/integrations", integration(transport, GOOD[transport]))
    (only,) = saved(api, transport)
    return only


def saved(api: Api, transport: str) -> list[str]:
    """List the ids of the integrations of one type."""
    return [each["id"] for each in api.data("/v2/integrations") if each["integration_type"] == transport]
