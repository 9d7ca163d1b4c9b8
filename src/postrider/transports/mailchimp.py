"""Mailchimp Transactional (Mandrill): each message is sent as a mail; what became of it stands in the answer's body."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from postrider.domain.message import Message
from postrider.domain.outcome import Verdict
from postrider.domain.ports import FlightLimits

from .configuration import Secret, TransportConfiguration
from .http_message import Answer, Request
from .mail import (
    CUSTOMERS_MAIL,
    EVENT_TYPE,
    WHAT_HAPPENED,
    Html,
    Letter,
    Mailbox,
    MailConfiguration,
    PersonName,
    Subject,
    Text,
    To,
)
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

API_URL = "https://mandrillapp.com/api/1.4"
LONGEST_KEY = 1024

_SUCCESS = range(200, 300)
_TAKEN = frozenset({"sent", "queued", "scheduled"})
_NOT_TAKEN = {"rejected": "mail_rejected", "invalid": "mail_invalid"}
_TEMPORARY, _PERMANENT = Verdict.TEMPORARY, Verdict.PERMANENT
# Its statuses do not tell them apart: 500 stands for a mistake in the request too.
_NAMED = {
    "GeneralError": (_TEMPORARY, "internal_error"),
    "ServiceUnavailable": (_TEMPORARY, "service_unavailable"),
    "RequestLimitExceeded": (_TEMPORARY, "request_limit_exceeded"),
    "Invalid_Key": (_PERMANENT, "invalid_credentials"),
    "ValidationError": (_PERMANENT, "validation_error"),
    "Unknown_Subaccount": (_PERMANENT, "unknown_subaccount"),
    "PaymentRequired": (_PERMANENT, "payment_required"),
}

_MISTAKES = ("Invalid_", "Unknown_")
"""So the names of Mailchimp's other errors begin that speak of the request."""
_OF_THE_REQUEST = (_PERMANENT, "validation_error")


class MailchimpConfiguration(MailConfiguration):
    """Whose account it is, who the mail is from, and what it says."""

    api_key: Annotated[str, Secret(sent_to=("api_url",))] = Field(
        title="API key",
        description="The key of Mailchimp Transactional, which goes in the body of each request.",
        min_length=1,
        max_length=LONGEST_KEY,
    )
    default_sender_email: Mailbox = Field(
        title="Sender's address",
        description="Who the mail is from; Mailchimp must know the sender's domain.",
        examples=["orders@example.com"],
    )
    default_sender_name: PersonName | None = Field(
        None, title="Sender's name", description="The name beside the sender's address."
    )
    default_reply_to_email: Mailbox | None = Field(
        None, title="Reply to", description="Where answers go, when that is not the sender."
    )
    to: To = CUSTOMERS_MAIL
    subject: Subject = EVENT_TYPE
    text: Text = WHAT_HAPPENED
    html: Html = None
    api_url: ApiUrl = Field(
        API_URL,
        title="API URL",
        description="Where the API of Mailchimp Transactional is, with its version.",
        examples=[API_URL],
    )


class MailchimpTransport(ProviderTransport[MailchimpConfiguration]):
    """The way out by Mailchimp Transactional."""

    type_name: ClassVar[str] = "mailchimp"
    configuration_model: ClassVar[type[TransportConfiguration]] = MailchimpConfiguration

    def write(self, configuration: MailchimpConfiguration, message: Message) -> Request:
        mail = _mail(configuration, configuration.letter(message.body), message)
        body = json_body({"key": configuration.api_key, "message": mail})
        return Request("POST", address(configuration.api_url, "/messages/send"), (JSON, AGENT), body)

    def judge(self, answer: Answer, limits: FlightLimits) -> Finding:
        del limits
        document = said(answer)
        name = member(document, "name")
        if isinstance(name, str):
            return _of_error(answer, name, member(document, "message"))
        if answer.status not in _SUCCESS:
            return refused(answer, sentence("Mailchimp", answer))
        return _of_row(member(document, 0))


def _mail(configuration: MailchimpConfiguration, letter: Letter, message: Message) -> dict[str, Any]:
    mail: dict[str, Any] = {
        "from_email": configuration.default_sender_email,
        "from_name": configuration.default_sender_name,
        "to": [{"email": letter.to, "type": "to"}],
        "subject": letter.subject,
        "text": letter.text,
        "html": letter.html,
        "metadata": {"delivery_id": str(message.id)},
    }
    if configuration.default_reply_to_email:
        mail["headers"] = {"Reply-To": configuration.default_reply_to_email}
    return {name: value for name, value in mail.items() if value}


def _of_error(answer: Answer, name: str, text: object) -> Finding:
    told = sentence("Mailchimp", answer, f"{name}:", text)
    known = _NAMED.get(name) or (_OF_THE_REQUEST if name.startswith(_MISTAKES) else None)
    return refused(answer, told) if known is None else Finding(*known, told)


def _of_row(row: object) -> Finding:
    status = member(row, "status")
    if not isinstance(status, str) or status not in _TAKEN | _NOT_TAKEN.keys():
        return not_understood("Mailchimp")
    if status in _TAKEN:
        return DELIVERED
    said_why = member(row, "reject_reason")
    reason = said_why if isinstance(said_why, str) and said_why else "no reason"
    return Finding(_PERMANENT, _NOT_TAKEN[status], f"Mailchimp did not send it: {status} ({reason}).")
