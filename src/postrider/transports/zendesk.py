"""Tickets in Zendesk, by its Tickets API: https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/.

The delivery's id goes along as the idempotency key, which Zendesk keeps for two hours: a ticket whose answer was lost
is not made twice.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from postrider.domain.message import Message
from postrider.domain.outcome import Verdict
from postrider.domain.ports import FlightLimits

from .configuration import Form, Secret, Template, TransportConfiguration
from .http_message import Answer, Request
from .provider_http import (
    AGENT,
    DELIVERED,
    JSON,
    ApiUrl,
    Finding,
    ProviderTransport,
    address,
    basic,
    begins_as_object,
    json_body,
    member,
    not_understood,
    refused,
    said,
    sentence,
)
from .templates import TemplatedConfiguration

MOST_FIELDS = 64

_API = "/api/v2"
_CONFLICT = 409
_SUCCESS = range(200, 300)
_FIELD_ID = re.compile(r"[0-9]{1,18}")


class ZendeskConfiguration(TemplatedConfiguration):
    """Tickets in Zendesk: the account, who makes them, and what stands in them."""

    url: ApiUrl = Field(title="URL", description="Of the Zendesk account.", examples=["https://example.zendesk.com"])
    username: str = Field(
        title="User name",
        description="The agent's address; with /token behind it the password is an API token.",
        examples=["agent@example.com/token"],
        min_length=1,
        max_length=256,
    )
    password: Annotated[str, Secret(sent_to=("url",))] = Field(
        title="Password", description="The agent's password, or an API token.", min_length=1, max_length=1024
    )
    subject: Annotated[str, Template(Form.LINE)] = Field(
        default="{{ event.type }}", title="Subject", description="A template of the ticket's subject."
    )
    text: Annotated[str, Template()] = Field(
        default="{{ event.type }}: event {{ event.id }}.",
        title="Text",
        description="A template of the ticket's first comment.",
    )
    fields: Annotated[dict[str, str], Template(may_be_empty=True)] = Field(
        default={},
        title="Fields",
        description="Templates of the ticket's custom fields, by the id of the field.",
        examples=[{"360012345678": "{{ event.id }}"}],
    )

    @field_validator("fields")
    @classmethod
    def _check_fields(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > MOST_FIELDS:
            raise ValueError(f"must be at most {MOST_FIELDS}")
        if not all(_FIELD_ID.fullmatch(name) for name in value):
            raise ValueError("must be named by the ids of custom fields, which are numbers")
        return value


class ZendeskTransport(ProviderTransport[ZendeskConfiguration]):
    """The way out to Zendesk."""

    type_name: ClassVar[str] = "zendesk"
    configuration_model: ClassVar[type[TransportConfiguration]] = ZendeskConfiguration
    url_field: ClassVar[str] = "url"

    def write(self, configuration: ZendeskConfiguration, message: Message) -> Request:
        made = configuration.render(message.body)
        ticket: dict[str, Any] = {"subject": made["subject"], "comment": {"body": made["text"]}}
        if configuration.fields:
            ticket["custom_fields"] = [
                {"id": int(name), "value": made[f"fields.{name}"]} for name in configuration.fields
            ]
        # Other systems write the beginning of the API's paths into the account's address.
        url = address(configuration.url.rstrip("/").removesuffix(_API), f"{_API}/tickets.json")
        credentials = basic(configuration.username, configuration.password)
        headers = (JSON, AGENT, ("Idempotency-Key", str(message.id)), credentials)
        return Request("POST", url, headers, json_body({"ticket": ticket}))

    def judge(self, answer: Answer, limits: FlightLimits) -> Finding:
        del limits
        body = said(answer)
        if answer.status in _SUCCESS:
            # A ticket can be longer than what is read of an answer.
            return DELIVERED if begins_as_object(answer) or member(body, "ticket") else not_understood("Zendesk")
        told = sentence("Zendesk", answer, *_reasons(body))
        if answer.status == _CONFLICT:
            # The first request with this idempotency key is still being worked on.
            return Finding(Verdict.TEMPORARY, f"http_{_CONFLICT}", told)
        return refused(answer, told)


def _reasons(body: object) -> list[str]:
    error = member(body, "error")
    titled = [member(error, "title"), member(error, "message")]
    words = [error, member(body, "description"), *titled, *_of_fields(member(body, "details"))]
    return [word for word in words if isinstance(word, str)]


def _of_fields(details: object) -> list[object]:
    if not isinstance(details, dict):
        return []
    return [member(wrong, 0, "description") for wrong in details.values()]
