"""Bodies that mean harm, at every route that takes one: refused in the form of all errors, never a failure of ours."""

from __future__ import annotations

import gzip
import re
from uuid import UUID

import pytest
from api import Api, only_error
from web.test_bad_addresses import GOOD, integration, saved

from postrider.web.app import ROUTERS

SOMETHING = "01a20320-a200-7d8e-91b7-584a2265b1fe"
ROUTES = sorted(
    (method, re.sub(r"{[^}]*}", SOMETHING, route.path))
    for router in ROUTERS
    for route in router.routes
    for method in route.methods  # type: ignore[attr-defined]
    if method in {"POST", "PUT"} and not route.path.startswith("/oauth")  # type: ignore[attr-defined]
)
BODIES = {
    "4,301 digits": b'{"data":{"name":%s}}' % (b"9" * 4_301),
    "100,000 levels of lists": b'{"data":' + b"[" * 100_000,
    "100,000 levels of objects": b'{"data":' * 100_000,
    "levels that are closed": b'{"data":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "NaN": b'{"data":{"name":NaN}}',
    "Infinity": b'{"data":{"name":-Infinity}}',
    "1e999": b'{"data":{"name":1e999}}',
    "the same name twice": b'{"data":{"name":1},"data":{"name":2}}',
    "NUL escaped": b'{"data":{"name":"\\u0000"}}',
    "half a surrogate pair": b'{"data":{"name":"\\ud800"}}',
    "half a surrogate pair in a name": b'{"data":{"\\ud800":1}}',
    "UTF-16": '{"data":{}}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"data":{}}',
    "bad UTF-8": b'{"data":{"name":"\xff"}}',
    "list": b"[[]]",
    "text": b'"data"',
}


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bad_body_is_the_callers_mistake(refusing: Api, method: str, path: str, body: bytes) -> None:
    """No route answers such a body with a failure, and each error has its form."""
    answer = refusing.call(method, path, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code < 500
    assert answer.status_code < 300 or answer.json()["errors"][0]["status"] == answer.status_code


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-unknown"])
@pytest.mark.parametrize("path", ["/v2/events", "/v2/event-types", "/v2/integrations", "/v2/api-keys"])
def test_packed_body_is_not_unpacked(refusing: Api, path: str, coding: str) -> None:
    """A body with a coding is 415, so that a small one cannot become a large one here."""
    bomb = gzip.compress(b'{"data":{"name":"' + b"a" * 10_000_000 + b'"}}')

    error = only_error(refusing.post_bytes(path, bomb, headers={"Content-Encoding": coding}))

    assert error["status"] == 415
    assert "Content-Encoding" in error["detail"]


BAD_TEXTS = {
    "CR LF": "secret\r\nX-Evil: 1",
    "LF": "secret\nX-Evil: 1",
    "NUL": "sec\x00ret",
    "leading space": " secret",
    "trailing space": "secret ",
    "not ASCII": "pässword",
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_secret_that_no_header_can_hold_is_refused(refusing: Api, text: str) -> None:
    """A webhook's secret goes out in a header, so what would break the header is no secret, made or changed."""
    _refused_as(refusing, "webhook", "secret_key", text)


@pytest.mark.parametrize("field", ["destination", "username", "password"])
@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "a\x00b"])
def test_text_that_no_frame_can_hold_is_refused(refusing: Api, field: str, text: str) -> None:
    """STOMP's CONNECT has no escapes: line breaks and NUL are refused where they are given."""
    _refused_as(refusing, "stomp", field, text)


@pytest.mark.parametrize("name", ["headers", "host", "Transfer-Encoding"])
def test_nobody_sets_headers_of_their_own(refusing: Api, name: str) -> None:
    """There is no field by which Host or Transfer-Encoding could be set."""
    _refused_as(refusing, "webhook", name, "evil.test")


def _refused_as(api: Api, transport: str, field: str, text: str) -> None:
    wanted = integration(transport, GOOD[transport])
    wanted["configuration"] = {**dict(wanted["configuration"]), field: text}  # type: ignore[call-overload]
    if not saved(api, transport):
        api.post("/v2/integrations", integration(transport, GOOD[transport]))
    (kept,) = saved(api, transport)

    for answer in (
        api.post("/v2/integrations", wanted),
        api.call("PUT", f"/v2/integrations/{UUID(kept)}", json={"data": wanted}),
    ):
        error = only_error(answer)
        assert (error["status"], error["source"]) == (422, {"pointer": f"/data/configuration/{field}"})
        assert "X-Evil" not in error["detail"]
    assert saved(api, transport) == [kept]
