"""Text messages by Twilio's Messages API.

https://www.twilio.com/docs/messaging/api/message-resource. It knows no idempotency key: a message whose answer was lost
is sent again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from postrider.domain.message import Message
from postrider.domain.outcome import Verdict
from postrider.domain.ports import FlightLimits

from .configuration import Form, Secret, Template, TransportConfiguration
from .http_failure import HttpFailure
from .http_message import Answer, Request
from .provider_http import (
    AGENT,
    DELIVERED,
    FORM,
    ApiUrl,
    Finding,
    ProviderTransport,
    address,
    basic,
    begins_as_object,
    form_body,
    member,
    not_understood,
    refused,
    said,
    sentence,
)
from .templates import TemplatedConfiguration

API_URL = "https://api.twilio.com"
LONGEST_TEXT = 1600

_SUCCESS = range(200, 300)
# Too many at once, and two kinds of full queues: nothing was taken, whatever the status is.
_LATER = frozenset({20429, 21611, 30001})
_NEVER_SENT = frozenset({"failed", "undelivered", "canceled"})
# Twilio's have 32 of them; the examples of others' documents, which are to be taken, have about as many.
_ACCOUNT_SID = re.compile(r"AC[0-9A-Za-z]{30,34}")
_SERVICE_SID = re.compile(r"MG[0-9A-Za-z]{32}")


class TwilioConfiguration(TemplatedConfiguration):
    """Text messages by Twilio: the account, the sender, and what is sent to whom."""

    account_sid: str = Field(
        title="Account SID",
        description="Of the Twilio account: AC and 32 more characters.",
        examples=["ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"],
    )
    auth_token: Annotated[str, Secret(sent_to=("api_url",))] = Field(
        title="Auth Token", description="Of the same account.", min_length=1, max_length=256
    )
    default_phone_number: str | None = Field(
        default=None,
        title="Default Phone Number",
        description="The sender: one of the account's numbers, or an alphanumeric sender id.",
        examples=["+15035550100"],
        min_length=1,
        max_length=64,
    )
    messaging_service_sid: str | None = Field(
        default=None,
        title="Messaging Service SID",
        description="Chooses the sender, in the place of a phone number: MG and 32 more characters.",
    )
    to: Annotated[str, Template(Form.LINE)] = Field(
        default="{{ payload.data.customer.phone }}",
        title="To",
        description="A template of the receiver's number, such as +15035550142.",
    )
    text: Annotated[str, Template()] = Field(
        default="{{ event.type }}: event {{ event.id }}.",
        title="Text",
        description=f"A template of what is sent, at most {LONGEST_TEXT:,} characters once it is filled in.",
    )
    api_url: ApiUrl = Field(default=API_URL, title="API URL", description="Where Twilio's API is.")

    @field_validator("account_sid")
    @classmethod
    def _check_account_sid(cls, value: str) -> str:
        if not _ACCOUNT_SID.fullmatch(value):
            raise ValueError("must be AC and 32 letters and digits, as Twilio shows it")
        return value

    @field_validator("messaging_service_sid")
    @classmethod
    def _check_service_sid(cls, value: str | None) -> str | None:
        if value is not None and not _SERVICE_SID.fullmatch(value):
            raise ValueError("must be MG and 32 letters and digits")
        return value

    @model_validator(mode="after")
    def _check_sender(self) -> Self:
        if self.default_phone_number is None and self.messaging_service_sid is None:
            raise ValueError("needs a sender: default_phone_number or messaging_service_sid")
        return self


class TwilioTransport(ProviderTransport[TwilioConfiguration]):
    """The way out by Twilio."""

    type_name: ClassVar[str] = "twilio"
    configuration_model: ClassVar[type[TransportConfiguration]] = TwilioConfiguration

    def write(self, configuration: TwilioConfiguration, message: Message) -> Request:
        made = configuration.render(message.body)
        if len(made["text"]) > LONGEST_TEXT:
            told = f"The text has {len(made['text']):,} characters; Twilio takes at most {LONGEST_TEXT:,}."
            raise HttpFailure("body_too_large", told, permanent=True)
        url = address(configuration.api_url, f"/2010-04-01/Accounts/{configuration.account_sid}/Messages.json")
        credentials = basic(configuration.account_sid, configuration.auth_token)
        fields = [("To", made["to"]), _sender(configuration), ("Body", made["text"])]
        return Request("POST", url, (FORM, AGENT, credentials), form_body(fields))

    def judge(self, answer: Answer, limits: FlightLimits) -> Finding:
        del limits
        body = said(answer)
        if answer.status not in _SUCCESS:
            return _refusal(answer, body)
        if begins_as_object(answer):
            # A long text comes back whole, and is more than is read of it.
            return DELIVERED
        if not isinstance(member(body, "sid"), str):
            return not_understood("Twilio")
        return _of_message(answer, body)


def _refusal(answer: Answer, body: object) -> Finding:
    code = member(body, "code")
    found = refused(answer, sentence("Twilio", answer, code, member(body, "message")))
    return replace(found, verdict=Verdict.TEMPORARY) if _is_later(code) else found


def _is_later(code: object) -> bool:
    return isinstance(code, int) and code in _LATER


def _of_message(answer: Answer, body: object) -> Finding:
    status = member(body, "status")
    if not (isinstance(status, str) and status in _NEVER_SENT):
        return DELIVERED
    code = member(body, "error_code")
    told = sentence("Twilio", answer, f"{status}.", code, member(body, "error_message"))
    return Finding(Verdict.TEMPORARY if _is_later(code) else Verdict.PERMANENT, f"message_{status}", told)


def _sender(configuration: TwilioConfiguration) -> tuple[str, str]:
    if configuration.messaging_service_sid is not None:
        return ("MessagingServiceSid", configuration.messaging_service_sid)
    return ("From", configuration.default_phone_number or "")
