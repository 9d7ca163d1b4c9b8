"""Calls to any REST API: the method, the path, the headers and the body that it wants."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from postrider.domain.message import Message, payload_of
from postrider.domain.ports import FlightLimits

from .configuration import Form, Secret, Template, TransportConfiguration
from .http_failure import HttpFailure
from .http_message import Answer, Request, check_headers
from .provider_http import (
    AGENT,
    DELIVERED,
    ApiUrl,
    Finding,
    Header,
    ProviderTransport,
    address,
    basic,
    bearer,
    refused,
)
from .templates import TemplatedConfiguration, TemplateFailed

MOST_HEADERS = 32
NOT_SUCCESS = "The API answered with status {status}, which this integration does not take for a success."

_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_EMPTY = re.compile(r"//|/\Z")
_DOTS = re.compile(r"(?:^|/)(?:\.|%2[eE]){1,2}(?:/|$)")


class RestConfiguration(TemplatedConfiguration):
    """Calls to a REST API: where, how, and with which body. With a token or a user name it says who calls."""

    url: ApiUrl = Field(
        title="URL",
        description="What every call begins with: https:// or http://, a host, and the beginning of a path.",
        examples=["https://api.example.com/v1"],
    )
    path: Annotated[str, Template(Form.URL, may_be_empty=True)] = Field(
        default="",
        title="Path",
        description="A template of what follows: a path that begins with /, and a query. Values are escaped.",
        examples=["/orders/{{ payload.data.id }}"],
    )
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS"] = Field(
        default="POST", title="Method", description="GET and HEAD go without a body."
    )
    headers: Annotated[dict[str, str], Template(Form.LINE, may_be_empty=True)] = Field(
        default={},
        title="Headers",
        description="Templates of further headers, by name. They are shown to all readers: no place for secrets.",
        examples=[{"X-Event": "{{ event.type }}"}],
    )
    content_type: str = Field(
        default="application/json",
        title="Content type",
        description="Of the body. For JSON, values are escaped as JSON texts want it, and the result is checked.",
        max_length=256,
    )
    body: Annotated[str | None, Template(may_be_empty=True)] = Field(
        default=None,
        title="Body",
        description="A template of the body; without one the payload goes as it was published.",
    )
    token: Annotated[str | None, Secret(sent_to=("url",))] = Field(
        default=None, title="Token", description="Sent as Authorization: Bearer, when it is given.", max_length=4096
    )
    username: str | None = Field(
        default=None,
        title="User name",
        description="Sent with the password as basic authentication, when there is no token.",
        max_length=256,
    )
    password: Annotated[str | None, Secret(sent_to=("url",))] = Field(
        default=None, title="Password", description="Of the user.", max_length=1024
    )

    @field_validator("path")
    @classmethod
    def _check_path(cls, value: str) -> str:
        # What a tag at the beginning makes is checked when it is made.
        if value and not value.startswith(("/", "?", "{")):
            raise ValueError("must begin with /, or with ? for a query alone")
        if _DOTS.search(value):
            raise ValueError("must have no . or .. in the place of a name")
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > MOST_HEADERS:
            raise ValueError(f"must be at most {MOST_HEADERS}")
        try:
            check_headers(tuple((name, "") for name in value))
        except HttpFailure as error:
            raise ValueError(error.detail) from None
        return value

    @field_validator("content_type")
    @classmethod
    def _check_content_type(cls, value: str) -> str:
        try:
            check_headers((("Content-Type", value),))
        except HttpFailure as error:
            raise ValueError(error.detail) from None
        return value

    def form_of(self, name: str, mark: Template) -> Form:
        return Form.JSON if name == "body" and self.sends_json else mark.form

    @property
    def sends_json(self) -> bool:
        media_type = self.content_type.partition(";")[0].strip().lower()
        return media_type == "application/json" or media_type.endswith("+json")


class RestTransport(ProviderTransport[RestConfiguration]):
    """The way out to REST APIs."""

    type_name: ClassVar[str] = "rest"
    configuration_model: ClassVar[type[TransportConfiguration]] = RestConfiguration
    url_field: ClassVar[str] = "url"

    def write(self, configuration: RestConfiguration, message: Message) -> Request:
        made = configuration.render(message.body)
        url = address(configuration.url, _path(made["path"], configuration.path) if made["path"] else "")
        own = {name: made[f"headers.{name}"] for name in configuration.headers}
        body = b"" if configuration.method in _WITHOUT_BODY else _body(made.get("body"), message)
        headers = [] if configuration.method in _WITHOUT_BODY else [("Content-Type", configuration.content_type)]
        headers += [AGENT, ("Idempotency-Key", str(message.id)), *_credentials(configuration)]
        taken = {name.lower() for name in own}
        kept = [header for header in headers if header[0].lower() not in taken]
        return Request(configuration.method, url, (*kept, *own.items()), body)

    def judge(self, answer: Answer, limits: FlightLimits) -> Finding:
        if any(low <= answer.status <= high for low, high in limits.success_statuses):
            return DELIVERED
        return refused(answer, NOT_SUCCESS.format(status=answer.status))


def _path(path: str, template: str) -> str:
    names = path.partition("?")[0]
    if not path.startswith(("/", "?")) or _DOTS.search(names):
        raise TemplateFailed("The template of path must make a path that begins with / and has no . or .. in it.")
    # /orders/{{ id }} with an empty id is another thing: all orders.
    if _EMPTY.search(names) and not _EMPTY.search(template.partition("?")[0]):
        raise TemplateFailed("A value in the template of path is empty, and another path comes of it.")
    return path


def _body(made: str | None, message: Message) -> bytes:
    if made is not None:
        return made.encode()
    try:
        return payload_of(message.body)
    except ValueError as error:
        raise TemplateFailed("The message has no payload.") from error


def _credentials(configuration: RestConfiguration) -> list[Header]:
    if configuration.token:
        return [bearer(configuration.token)]
    if configuration.username:
        return [basic(configuration.username, configuration.password or "")]
    return []
