"""What transports for mail share: the fields of their templates, and the letter that comes of them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from postrider.domain.errors import InvalidInput

from .configuration import Form, Template
from .template_language import TemplateFailed
from .template_sample import sample_document
from .templates import TemplatedConfiguration
from .url import plain_host

LONGEST_ADDRESS = 254
LONGEST_LOCAL_PART = 64
LONGEST_NAME = 256
CUSTOMERS_MAIL = "{{ payload.data.customer.email }}"
EVENT_TYPE = "{{ event.type }}"
WHAT_HAPPENED = "{{ event.type }} happened at {{ event.created_at }} (event {{ event.id }})."

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")

# What begins like an encoded word is another address to those who decode it.
_ENCODED = "=?"
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})


def mail_address(text: str) -> str:
    """Read one plain mail address, its host in ASCII; ValueError says what is wrong with it.

    Names, comments, quotes and lists are refused: a value of a payload must not add receivers.
    """
    local, at, host = text.rpartition("@")
    strange = len(local) > LONGEST_LOCAL_PART or _ENCODED in local or host.startswith("[") or host.endswith(".")
    if not at or strange or not _LOCAL_PART.fullmatch(local):
        raise ValueError("must be one plain mail address, such as orders@example.com")
    written = f"{local}@{plain_host(host)}"
    if len(written) > LONGEST_ADDRESS:
        raise ValueError(f"must have at most {LONGEST_ADDRESS} characters")
    return written


def _check_address(text: str) -> str:
    mail_address(text)
    return text


def _check_name(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not have line breaks or control characters")
    return text


Mailbox = Annotated[str, AfterValidator(_check_address)]
"""The type of a field that holds a mail address."""
PersonName = Annotated[str, AfterValidator(_check_name), Field(max_length=LONGEST_NAME)]
"""The type of a field that holds the name beside a mail address."""

To = Annotated[
    str,
    Template(Form.LINE),
    Field(title="To", description="Who gets the mail: a template that makes one mail address."),
]
Subject = Annotated[str, Template(Form.LINE), Field(title="Subject", description="A template of the subject.")]
Text = Annotated[
    str,
    Template(Form.TEXT, may_be_empty=True),
    Field(title="Text", description="A template of the plain text. It may be empty where there is HTML."),
]
Html = Annotated[
    str | None,
    Template(Form.HTML, may_be_empty=True),
    Field(title="HTML", description="A template of the HTML, in which values are escaped; none: plain text alone."),
]


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, filled in."""

    to: str
    subject: str
    text: str
    html: str


class MailConfiguration(TemplatedConfiguration):
    """A configuration with the templates `to`, `subject`, `text` and `html`."""

    def letter(self, body: bytes) -> Letter:
        """Fill the templates in from a templated message's body; raises TemplateFailed."""
        made = self.render(body)
        letter = Letter(_receiver(made["to"]), _printable(made["subject"]), made["text"], made.get("html", ""))
        if not letter.subject:
            raise TemplateFailed("Nothing that can be read came of the template of subject.")
        if not letter.text.strip() and not letter.html.strip():
            raise TemplateFailed("Nothing came of the templates of text and html, and nothing would be sent.")
        return letter

    def check_against(self, payload: bytes | None) -> None:
        super().check_against(payload)
        try:
            self.letter(sample_document(payload))
        except TemplateFailed as error:
            raise InvalidInput("data.configuration.to", f"to: {error.problem}") from None


def _receiver(made: str) -> str:
    try:
        return mail_address(made.strip())
    except ValueError as error:
        raise TemplateFailed(f"The template of to made no address that can be written to: it {error}.") from None


def _printable(made: str) -> str:
    # Joiners stay, which emoji and some scripts are written with, and so do characters younger than this Python.
    return "".join(character for character in made if unicodedata.category(character) not in _CONTROLS)
