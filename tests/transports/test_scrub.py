"""What is taken out of a far side's words."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from postrider.domain.signature import sign
from postrider.transports.scrub import forms, scrub

SECRET = 'k3y/with "quotes" & ümlaut'


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(SECRET, ensure_ascii=False).replace("/", "\\/"),
        quote(SECRET, safe=""),
        quote(SECRET),
        quote(SECRET, safe="").replace("%20", "+"),
        quote(json.dumps(SECRET, ensure_ascii=False)[1:-1]),
        quote(json.dumps(SECRET, ensure_ascii=False)[1:-1], safe=""),
        quote(SECRET, safe="").replace("%2F", "%2f").replace("%C3%BC", "%c3%bc"),
        json.dumps(json.dumps(SECRET, ensure_ascii=False)[1:-1], ensure_ascii=False),
        html.escape(SECRET),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
    ],
)
def test_secret_is_found_however_it_is_written(written: str) -> None:
    """JSON and URLs write some characters differently; the secret goes all the same."""
    clean = scrub(f"before {written} after", forms([SECRET]))

    assert clean.replace('"', "") == "before *** after"


def test_short_secrets_are_left() -> None:
    """A secret of three characters is part of too many words."""
    assert scrub("abc abcd", forms(["abc"])) == "abc abcd"


def test_longer_secret_goes_before_one_inside_it() -> None:
    """Nothing of a secret is left over because another one is its beginning."""
    assert scrub("secret-and-more", forms(["secret", "secret-and-more"])) == "***"


@pytest.mark.parametrize("kept", [4, 10, len(SECRET) - 1])
def test_beginning_of_a_secret_at_a_cut_goes_too(kept: int) -> None:
    """Cutting an answer off in the middle of a secret does not show its beginning."""
    assert scrub("said: " + SECRET[:kept], forms([SECRET]), cut=True) == "said: ***"


def test_text_that_was_not_cut_keeps_its_end() -> None:
    """What only looks like the beginning of a secret stays in a whole text."""
    assert scrub("the k3y/w", forms([SECRET])) == "the k3y/w"


@pytest.mark.parametrize("ahead", range(7))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_nothing_of_a_secret_is_left_in_base64(ahead: int, encode: Callable[[bytes], bytes]) -> None:
    """An echo of a whole body in base64 does not tell a secret inside of it, wherever that begins."""
    body = b"x" * ahead + b"{" + SECRET.encode() + b"}" + b"y" * 5

    clean = scrub(encode(body).decode(), forms([SECRET]))

    left = [part for part in clean.split("***") if len(part) >= 4]
    known = [b"".join(base64.b64decode(part[i : i + 4], altchars=b"-_") for i in range(0, len(part) // 4 * 4, 4))
             for part in left]  # fmt: skip
    assert "***" in clean
    assert not any(SECRET[i : i + 4].encode() in one for one in known for i in range(len(SECRET) - 4))


@pytest.mark.parametrize(
    "write",
    [str, lambda text: quote(text, safe=""), lambda text: json.dumps(text).replace("/", "\\/").replace("=", "\\u003d")],
)
def test_signatures_go(write: Callable[[str], str]) -> None:
    """A signature would let whoever reads the answer send the message once more; of several all go."""
    made = sign("whsec_" + "Zm9v" * 8, message_id="m", timestamp=1, body=b"{}")

    clean = scrub(f"got {write(made)} and {write(made)} as v1 says, v1,short", forms(["unrelated"]))

    assert made[3:11] not in clean
    assert clean.count("***") == 2
    assert clean.endswith("as v1 says, v1,short")


def test_beginning_of_a_signature_at_a_cut_goes_too() -> None:
    """An answer that was cut off in the middle of a signature does not show its beginning."""
    made = sign("whsec_" + "Zm9v" * 8, message_id="m", timestamp=1, body=b"{}")

    assert scrub(f"got {made[:20]}", (), cut=True) == "got v1,***"
