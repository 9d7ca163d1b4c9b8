"""Mailgun: each message is sent as a mail by its Messages API."""

from __future__ import annotations

from typing import Annotated, ClassVar
from urllib.parse import quote

from pydantic import AfterValidator, Field

from postrider.domain.message import Message
from postrider.domain.ports import FlightLimits

from .configuration import Secret, TransportConfiguration
from .http_message import Answer, Request
from .mail import (
    CUSTOMERS_MAIL,
    EVENT_TYPE,
    WHAT_HAPPENED,
    Html,
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
    FORM,
    ApiUrl,
    Finding,
    ProviderTransport,
    address,
    basic,
    form_body,
    member,
    not_understood,
    refused,
    said,
    sentence,
)
from .url import plain_host

API_URL = "https://api.mailgun.net"
LONGEST_KEY = 1024

_SUCCESS = range(200, 300)


def _check_domain(text: str) -> str:
    plain_host(text)
    return text


class MailgunConfiguration(MailConfiguration):
    """Whose account and domain it is, who the mail is from, and what it says."""

    api_key: Annotated[str, Secret(sent_to=("api_url",))] = Field(
        title="API key",
        description="Mailgun's key, of the account or of the domain.",
        min_length=1,
        max_length=LONGEST_KEY,
    )
    domain: Annotated[str, AfterValidator(_check_domain)] = Field(
        title="Domain", description="The domain that Mailgun sends from.", examples=["mg.example.com"]
    )
    sender_email: Mailbox = Field(
        title="Sender's address", description="Who the mail is from.", examples=["orders@mg.example.com"]
    )
    sender_name: PersonName | None = Field(
        None, title="Sender's name", description="The name beside the sender's address."
    )
    to: To = CUSTOMERS_MAIL
    subject: Subject = EVENT_TYPE
    text: Text = WHAT_HAPPENED
    html: Html = None
    api_url: ApiUrl = Field(
        API_URL,
        title="API URL",
        description="Where Mailgun's API is; https://api.eu.mailgun.net for domains in the EU.",
        examples=[API_URL],
    )


class MailgunTransport(ProviderTransport[MailgunConfiguration]):
    """The way out by Mailgun."""

    type_name: ClassVar[str] = "mailgun"
    configuration_model: ClassVar[type[TransportConfiguration]] = MailgunConfiguration

    def write(self, configuration: MailgunConfiguration, message: Message) -> Request:
        letter = configuration.letter(message.body)
        fields = (
            ("from", _sender(configuration)),
            ("to", letter.to),
            ("subject", letter.subject),
            ("text", letter.text),
            ("html", letter.html),
            ("v:delivery_id", str(message.id)),
        )
        path = f"/v3/{quote(plain_host(configuration.domain), safe='')}/messages"
        # Mailgun's own Python client sends such a key; the API's pages do not speak of it, so that nothing rests on it.
        headers = (FORM, basic("api", configuration.api_key), ("Idempotency-Key", str(message.id)), AGENT)
        body = form_body([(name, value) for name, value in fields if value])
        return Request("POST", address(configuration.api_url, path), headers, body)

    def judge(self, answer: Answer, limits: FlightLimits) -> Finding:
        del limits
        body = said(answer)
        if answer.status in _SUCCESS:
            return DELIVERED if isinstance(member(body, "id"), str) else not_understood("Mailgun")
        return refused(answer, sentence("Mailgun", answer, member(body, "message")))


def _sender(configuration: MailgunConfiguration) -> str:
    if not configuration.sender_name:
        return configuration.sender_email
    name = configuration.sender_name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{configuration.sender_email}>'
