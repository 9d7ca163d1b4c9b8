"""SendGrid: each message is sent as a mail by its Mail Send API, which takes it by a 202 without a body."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from postrider.domain.message import Message
from postrider.domain.outcome import Verdict
from postrider.domain.ports import FlightLimits

from .configuration import Secret, TransportConfiguration
from .http_answer import retry_after
from .http_message import Answer, Request, header_value
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
    bearer,
    json_body,
    member,
    not_understood,
    refused,
    said,
    sentence,
)

API_URL = "https://api.sendgrid.com"
LONGEST_KEY = 1024
LONGEST_WAIT = timedelta(days=1)

_SUCCESS = range(200, 300)
_FORBIDDEN = 403
_TOO_MANY_REQUESTS = 429
_UNIX_TIME = re.compile(r"[0-9]{1,11}")


class SendgridConfiguration(MailConfiguration):
    """Whose account it is, who the mail is from, and what it says."""

    api_key: Annotated[str, Secret(sent_to=("api_url",)), AfterValidator(header_value)] = Field(
        title="API key", description="SendGrid's key, which may send mail.", max_length=LONGEST_KEY
    )
    default_sender_email: Mailbox = Field(
        title="Sender's address",
        description="Who the mail is from; SendGrid must know the sender.",
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
        description="Where SendGrid's API is; https://api.eu.sendgrid.com for accounts in the EU.",
        examples=[API_URL],
    )


class SendgridTransport(ProviderTransport[SendgridConfiguration]):
    """The way out by SendGrid."""

    type_name: ClassVar[str] = "sendgrid"
    configuration_model: ClassVar[type[TransportConfiguration]] = SendgridConfiguration

    def write(self, configuration: SendgridConfiguration, message: Message) -> Request:
        document = _document(configuration, configuration.letter(message.body), message)
        headers = (JSON, bearer(configuration.api_key), AGENT)
        return Request("POST", address(configuration.api_url, "/v3/mail/send"), headers, json_body(document))

    def judge(self, answer: Answer, limits: FlightLimits) -> Finding:
        del limits
        if answer.status in _SUCCESS:
            # A page that somebody on the way answers with has a body.
            return not_understood("SendGrid") if answer.body.strip() else DELIVERED
        text = member(said(answer), "errors", 0, "message")
        told = sentence("SendGrid", answer, text, member(said(answer), "errors", 0, "field"))
        # SendGrid's own page: "Too many bad requests" blocks for a while, and no other 403 does.
        if answer.status == _FORBIDDEN and "too many" in str(text).lower():
            return Finding(Verdict.TEMPORARY, "http_403", told)
        return refused(answer, told, wait=_until_reset(answer, now=datetime.now(UTC)))


def _document(configuration: SendgridConfiguration, letter: Letter, message: Message) -> dict[str, Any]:
    sender = {"email": configuration.default_sender_email}
    if configuration.default_sender_name:
        sender["name"] = configuration.default_sender_name
    # SendGrid wants the plain text first.
    parts = (("text/plain", letter.text), ("text/html", letter.html))
    document: dict[str, Any] = {
        "personalizations": [{"to": [{"email": letter.to}]}],
        "from": sender,
        "subject": letter.subject,
        "content": [{"type": kind, "value": value} for kind, value in parts if value.strip()],
        "custom_args": {"delivery_id": str(message.id)},
    }
    if configuration.default_reply_to_email:
        document["reply_to"] = {"email": configuration.default_reply_to_email}
    return document


def _until_reset(answer: Answer, *, now: datetime) -> timedelta | None:
    """Read when SendGrid takes more: a Unix time, where Retry-After does not say it."""
    reset = answer.headers.get("X-RateLimit-Reset", "").strip()
    told = retry_after(answer.headers, now=now)
    if answer.status != _TOO_MANY_REQUESTS or told is not None or not _UNIX_TIME.fullmatch(reset):
        return None
    return min(max(timedelta(seconds=int(reset) - now.timestamp()), timedelta(0)), LONGEST_WAIT)
