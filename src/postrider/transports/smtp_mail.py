"""A letter as mail is written: headers that nothing can break out of, and parts in MIME."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from uuid import UUID

from .mail import Letter

# Seven bits pass through every server, and no line is longer than mail allows.
_POLICY = SMTP.clone(cte_type="7bit")
_LINE_LENGTH = 76
_SHORT = 60
# Text that needs no encoding. What looks like an encoded word would be read as one.
_PLAIN = re.compile(r"(?!.*=\?)[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, ready to be handed in."""

    sender: str
    to: str
    headers: tuple[tuple[str, str], ...]
    """As people read them."""
    text: str
    """What it says, before it is encoded for the wire."""
    content: bytes
    """As it goes over the wire, but for the dots that SMTP doubles."""


def mail_of(
    letter: Letter, *, sender: str, sender_name: str | None, domain: str, delivery_id: UUID, now: datetime
) -> Mail:
    """Write a letter down; the same delivery has the same Message-ID over all attempts."""
    around = (
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{delivery_id}@{domain}>"),
        # RFC 3834: nobody's holiday reply is wanted.
        ("Auto-Submitted", "auto-generated"),
    )
    shown_sender = f"{sender_name} <{sender}>" if sender_name else sender
    parts = [(kind, _text(text)) for kind, text in (("plain", letter.text), ("html", letter.html)) if text.strip()]
    # Python's own header classes read encoded words in a text and write out what those hide, line breaks too.
    wire = (
        ("From", f"{_phrase(sender_name)}\r\n <{sender}>" if sender_name else sender),
        ("To", letter.to),
        ("Subject", _unstructured(letter.subject)),
        *around,
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in wire).encode("ascii")
    return Mail(
        sender,
        letter.to,
        (("From", shown_sender), ("To", letter.to), ("Subject", letter.subject), *around),
        parts[0][1] if len(parts) == 1 else "\n\n".join(f"[text/{kind}]\n{text}" for kind, text in parts),
        head + _parts(parts, f"=_{delivery_id}").as_bytes(),
    )


def _parts(parts: list[tuple[str, str]], boundary: str) -> EmailMessage:
    written = EmailMessage(policy=_POLICY)
    written.set_content(parts[0][1], subtype=parts[0][0])
    for kind, text in parts[1:]:
        written.add_alternative(text, subtype=kind)
        written.set_boundary(boundary)
    return written


def _text(text: str) -> str:
    # RFC 5321 forbids NUL, in seven bits too.
    return text.replace("\x00", "")


def _unstructured(text: str) -> str:
    return text if not text or (len(text) <= _SHORT and _PLAIN.fullmatch(text)) else _encoded(text)


def _phrase(name: str) -> str:
    if not _PLAIN.fullmatch(name):
        return _encoded(name)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def _encoded(text: str) -> str:
    """Write a text in encoded words, RFC 2047: each a line of its own, with no character cut in two."""
    return Header(text, "utf-8", maxlinelen=_LINE_LENGTH, header_name="Subject").encode(linesep="\r\n")
