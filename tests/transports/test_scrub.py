"""What is taken out of a far side's words."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

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
        quote(SECRET, safe="").replace("%20", "+"),
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
