"""Every error that an attempt can end with is explained."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import postrider
from postrider.web.error_words import meaning, title

SOURCE = Path(postrider.__file__).parent
MAKERS = {"Outcome": 1, "HttpFailure": 0, "Finding": 1, "Unfit": 0}
"""Which argument of a call is an error word."""
TABLES = {"_CODES", "_NAMED", "_OF_ERRNO"}
"""Whose values are pairs of something and an error word."""


def _words() -> Iterator[str]:
    for path in (SOURCE / "transports").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                yield from _texts(node.args[MAKERS[node.func.id] :][:1])
            elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name) and target.id in TABLES:
                    yield from _texts([part for pair in node.value.values for part in getattr(pair, "elts", [])])


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and text.replace("_", "").isalpha():
            yield text


def test_the_words_of_all_transports_are_explained() -> None:
    """The table keeps up with what transports say."""
    words = set(_words())

    assert {"connection_refused", "throttled", "login_refused", "address_refused"} <= words
    assert sorted(word for word in words if not meaning(word)) == []


@pytest.mark.parametrize(
    ("error", "heading", "begins"),
    [
        ("http_404", "HTTP 404", "The receiver knows no such address"),
        ("http_418", "HTTP 418", "The receiver refuses the request"),
        ("http_302", "HTTP 302", "The receiver redirects to another address"),
        ("http_599", "HTTP 599", "The receiver failed inside"),
        ("http_204", "HTTP 204", "The receiver answered, but not with a status that this integration takes"),
        ("http_900", "HTTP 900", "The receiver answered with a status that is no success"),
        ("dns_not_found", "Host name not found", "Check the integration's address"),
        ("smtp_450", "SMTP 450", "The mail server does not take it now"),
        ("smtp_550", "SMTP 550", "The mail server refuses it"),
        ("mitto_8", "Mitto 8", "Mitto did not send it"),
        ("connection_refused", "Connection refused", "The receiver may be down"),
        ("worker_lost", "Worker lost", "Workers ended while they had it in hand"),
        ("", "No error", "No attempt of these ended with an error"),
    ],
)
def test_an_error_reads_as_a_sentence(error: str, heading: str, begins: str) -> None:
    """With a heading that a person knows it by."""
    assert title(error) == heading
    assert meaning(error).startswith(begins)


def test_a_third_partys_word_speaks_for_itself() -> None:
    """Nothing is made up about it."""
    assert (title("carrier_pigeon_lost"), meaning("carrier_pigeon_lost")) == ("Carrier pigeon lost", "")
