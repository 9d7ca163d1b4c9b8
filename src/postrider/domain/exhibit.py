"""How a message is shown to people: as it went out, with a mask wherever a secret stood."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

MASK = "********"
"""In the place of a secret, whatever its length."""
LONGEST_COMMAND = 100_000
"""Bytes; Linux takes no argument of more than 128 KiB."""

SECRET = "$SECRET_KEY"  # noqa: S105 - a word in its place
SIGNATURE = "$SIGNATURE"
_CUT = "…"
_CUT_SIGNATURE = re.compile(rf"(v1,)[A-Za-z0-9+/]{{4}}{_CUT}")
_MASKED_MEMBER = f'"secret_key":"{MASK}"'


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A request, or what a queue or broker gets, without its secrets."""

    kind: str
    """`http`, `sqs`, `stomp` or a third party's own word; empty when there is only a note."""
    title: str
    """The line that it begins with, such as `POST https://example.com/hook`."""
    headers: tuple[tuple[str, str], ...]
    body: str
    note: str = ""
    """What a reader should know about it, in a sentence or more."""


def only_note(note: str) -> Exhibit:
    """Say why there is nothing to show."""
    return Exhibit("", "", (), "", note)


def cut_short(signatures: str) -> str:
    """Give a `webhook-signature` by the beginnings of its parts: enough to compare them, of no use to anybody else."""
    return " ".join(f"{part[:7]}{_CUT}" for part in signatures.split(" "))


def as_curl(exhibit: Exhibit) -> str | None:
    """Write an HTTP request as a command for a shell, with words in the place of what is masked.

    None for what is no HTTP request, and for a body that no command line takes.
    """
    if exhibit.kind != "http" or len(exhibit.body.encode()) > LONGEST_COMMAND:
        return None
    method, _, url = exhibit.title.partition(" ")
    headers = [_header(name, value) for name, value in exhibit.headers]
    # Only then is the last of such members ours; else it would be the publisher's.
    masked = any(value == MASK for _, value in exhibit.headers)
    body = _with_placeholder(exhibit.body) if masked else exhibit.body
    lines = [
        f"curl --globoff --request {shlex.quote(method)} {shlex.quote(url)}",
        *(f"  --header {shlex.quote(header)}" for header in headers),
        f"  --data-raw {shlex.quote(body)}",
    ]
    return "\n".join((*_explained("\n".join((*headers, body))), " \\\n".join(lines)))


def _header(name: str, value: str) -> str:
    if not value:
        return f"{name};"  # curl would leave out one that ends with a colon
    shown = SECRET if value == MASK else _CUT_SIGNATURE.sub(rf"\g<1>{SIGNATURE}", value)
    return f"{name}: {shown}"


def _with_placeholder(body: str) -> str:
    before, found, after = body.rpartition(_MASKED_MEMBER)
    return f'{before}"secret_key":"{SECRET}"{after}' if found else body


def _explained(command: str) -> list[str]:
    notes = {
        SECRET: f"# put the secret in place of {SECRET}, in the header and in the body",
        f"v1,{SIGNATURE}": f"# put the signature of what is sent in place of {SIGNATURE}, or switch its check off",
    }
    return [note for word, note in notes.items() if word in command]
