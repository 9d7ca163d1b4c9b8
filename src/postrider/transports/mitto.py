"""Mitto: each message is sent as an SMS by its REST API, whose answer says in its body whether it was."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from postrider.domain.errors import InvalidInput
from postrider.domain.message import Message
from postrider.domain.outcome import Verdict
from postrider.domain.ports import FlightLimits

from .configuration import Form, Secret, Template, TransportConfiguration
from .http_message import Answer, Request, header_value
from .provider_http import (
    AGENT,
    DELIVERED,
    JSON,
    ApiUrl,
    Finding,
    ProviderTransport,
    address,
    json_body,
    member,
    not_understood,
    refused,
    said,
    sentence,
)
from .template_language import TemplateFailed
from .template_sample import sample_document
from .templates import TemplatedConfiguration

API_URL = "https://rest.mittoapi.com"
LONGEST_KEY = 1024
SENT = 0
INTERNAL_ERROR = 1
"""The one of Mitto's codes that may be another the next time; the others speak of the message."""
HIGHEST_CODE = 9999

# Wider than Mitto's own rule (3 to 11 letters and digits, or 3 to 14 digits), which others' documents break in their
# examples: what Mitto does not take it refuses, with code 6.
_SENDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ]{1,12}[A-Za-z0-9]")
_NUMBER = re.compile(r"[1-9][0-9]{6,14}")
_BETWEEN_DIGITS = re.compile(r"[\s().-]")
_SUCCESS = range(200, 300)


def _check_sender(text: str) -> str:
    if not _SENDER.fullmatch(text):
        raise ValueError("must be 3 to 14 letters, digits and blanks; Mitto takes 11 letters and digits, or 14 digits")
    return text


class MittoConfiguration(TemplatedConfiguration):
    """Whose account it is, and what the SMS says."""

    api_key: Annotated[str, Secret(sent_to=("api_url",)), AfterValidator(header_value)] = Field(
        title="API key",
        description="Mitto's key. It also has to allow the addresses that Postrider sends from.",
        max_length=LONGEST_KEY,
    )
    sender_name: Annotated[str, AfterValidator(_check_sender)] = Field(
        title="Sender",
        description="Who the SMS is from: 3 to 11 letters and digits, or a number of 3 to 14 digits.",
        examples=["Orders"],
    )
    to: Annotated[str, Template(Form.LINE)] = Field(
        "{{ payload.data.customer.phone }}",
        title="To",
        description="Who gets the SMS: a template that makes one number with its country's code.",
    )
    text: Annotated[str, Template(Form.TEXT)] = Field(
        "{{ event.type }} happened at {{ event.created_at }} (event {{ event.id }}).",
        title="Text",
        description="A template of what the SMS says.",
    )
    api_url: ApiUrl = Field(
        API_URL,
        title="API URL",
        description="Where Mitto's REST API is; there are hosts for regions.",
        examples=[API_URL],
    )

    def sms(self, body: bytes) -> dict[str, str]:
        """Make what Mitto is told of a templated message's body; raises TemplateFailed."""
        made = self.render(body)
        return {"from": self.sender_name, "to": _number(made["to"]), "text": made["text"]}

    def check_against(self, payload: bytes | None) -> None:
        super().check_against(payload)
        try:
            self.sms(sample_document(payload))
        except TemplateFailed as error:
            raise InvalidInput("data.configuration.to", f"to: {error.problem}") from None


def _number(made: str) -> str:
    """Give a number as Mitto wants it: digits alone, the country's code first."""
    # +44 (0)20 is dialled without the 0 from abroad.
    number = _BETWEEN_DIGITS.sub("", made.replace("(0)", "")).removeprefix("+")
    if not _NUMBER.fullmatch(number):
        raise TemplateFailed(
            "The template of to made no telephone number with its country's code, such as +15035550142."
        )
    return number


class MittoTransport(ProviderTransport[MittoConfiguration]):
    """The way out by Mitto."""

    type_name: ClassVar[str] = "mitto"
    configuration_model: ClassVar[type[TransportConfiguration]] = MittoConfiguration

    def write(self, configuration: MittoConfiguration, message: Message) -> Request:
        headers = (JSON, ("Accept", "application/json"), ("X-Mitto-API-Key", configuration.api_key), AGENT)
        return Request(
            "POST", address(configuration.api_url, "/sms"), headers, json_body(configuration.sms(message.body))
        )

    def judge(self, answer: Answer, limits: FlightLimits) -> Finding:
        del limits
        document = said(answer)
        code, text = member(document, "responseCode"), member(document, "responseText")
        if answer.status not in _SUCCESS:
            return refused(answer, sentence("Mitto", answer, text))
        if not isinstance(code, int) or isinstance(code, bool):
            return not_understood("Mitto")
        if code == SENT:
            return DELIVERED
        if not 0 < code <= HIGHEST_CODE:
            return not_understood("Mitto")
        verdict = Verdict.TEMPORARY if code == INTERNAL_ERROR else Verdict.PERMANENT
        reason = text if isinstance(text, str) and text else "it gave no reason"
        return Finding(verdict, f"mitto_{code}", f"Mitto did not send it: {reason} (code {code}).")
