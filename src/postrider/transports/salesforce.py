"""Platform events in Salesforce, by its REST API.

https://developer.salesforce.com/docs/atlas.en-us.platform_events.meta/platform_events/platform_events_publish_api.htm.
It knows no idempotency key: an event whose answer was lost is published again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from postrider.domain.exhibit import Exhibit
from postrider.domain.integration import Integration
from postrider.domain.message import Message
from postrider.domain.outcome import Verdict
from postrider.domain.ports import FlightLimits

from .configuration import Secret, Template, TransportConfiguration
from .http_flight import Exchange
from .http_message import Answer, Request
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
from .registry import Surroundings
from .salesforce_session import Credentials, Sessions, session_is_over
from .templates import TemplatedConfiguration

LOGIN_URL = "https://login.salesforce.com"
LIMIT_WAIT = timedelta(hours=1)
"""Limits count the requests of the last 24 hours, and the events of an hour."""
MOST_FIELDS = 64
ELSEWHERE = "It goes to the instance that the login names, with the token that the login gives."

_SUCCESS = range(200, 300)
# The one of requests in a day, the other of events in an hour.
_LIMITS = frozenset({"REQUEST_LIMIT_EXCEEDED", "LIMIT_EXCEEDED"})
_PASSING = _LIMITS | {
    "PLATFORM_EVENT_ENCRYPTION_ERROR",
    "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE",
    "PLATFORM_EVENT_PUBLISH_FAILED",
    "SERVER_UNAVAILABLE",
    "UNABLE_TO_LOCK_ROW",
    "UNKNOWN_EXCEPTION",
}
_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,76}__e")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_VERSION = re.compile(r"[0-9]{2,3}\.0")


class SalesforceConfiguration(TemplatedConfiguration):
    """Platform events in Salesforce: the connected app, the user, the event and its fields."""

    url: ApiUrl = Field(
        default=LOGIN_URL,
        title="Login URL",
        description="Where Salesforce lets in: of production, of a sandbox, or of your own domain.",
        examples=["https://test.salesforce.com"],
    )
    consumer_key: str = Field(title="Consumer key", description="Of the connected app.", min_length=1, max_length=1024)
    consumer_secret: Annotated[str, Secret(sent_to=("url",))] = Field(
        title="Consumer secret", description="Of the same app.", min_length=1, max_length=1024
    )
    username: str = Field(title="User name", description="Who publishes.", min_length=1, max_length=256)
    password: Annotated[str, Secret(sent_to=("url",))] = Field(
        title="Password", description="Of the user.", min_length=1, max_length=1024
    )
    security_token: Annotated[str | None, Secret(sent_to=("url",))] = Field(
        default=None,
        title="Security token",
        description="Of the user; none is needed from networks that Salesforce trusts.",
        max_length=256,
    )
    event: str = Field(
        default="Postrider_Event__e",
        title="Event",
        description="The API name of the platform event.",
        examples=["Order_Paid__e"],
    )
    fields: Annotated[dict[str, str], Template(may_be_empty=True)] = Field(
        default={"Type__c": "{{ event.type }}", "Payload__c": "{{ payload | tojson }}"},
        title="Fields",
        description="Templates of the event's fields, by their API names.",
        examples=[{"Order_Id__c": "{{ payload.data.id }}"}],
    )
    api_version: str = Field(
        default="60.0", title="API version", description="Of Salesforce's REST API.", examples=["60.0"]
    )

    @field_validator("event")
    @classmethod
    def _check_event(cls, value: str) -> str:
        if not _EVENT.fullmatch(value):
            raise ValueError("must be the API name of a platform event, which ends with __e")
        return value

    @field_validator("fields")
    @classmethod
    def _check_fields(cls, value: dict[str, str]) -> dict[str, str]:
        if not 1 <= len(value) <= MOST_FIELDS:
            raise ValueError(f"must be 1 to {MOST_FIELDS}")
        if not all(_FIELD.fullmatch(name) for name in value):
            raise ValueError("must be named by API names, such as Order_Id__c")
        return value

    @field_validator("api_version")
    @classmethod
    def _check_version(cls, value: str) -> str:
        if not _VERSION.fullmatch(value):
            raise ValueError("must be a version such as 60.0")
        return value


class SalesforceTransport(ProviderTransport[SalesforceConfiguration]):
    """The way out to Salesforce."""

    type_name: ClassVar[str] = "salesforce"
    configuration_model: ClassVar[type[TransportConfiguration]] = SalesforceConfiguration
    url_field: ClassVar[str] = "url"

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._sessions = Sessions(surroundings.http)

    def exchange(self, integration: Integration, configuration: SalesforceConfiguration) -> Exchange:
        credentials = Credentials(
            configuration.url,
            configuration.consumer_key,
            configuration.consumer_secret,
            configuration.username,
            configuration.password + (configuration.security_token or ""),
        )
        return self._sessions.of(integration, credentials).exchange

    def exhibit(self, integration: Integration, message: Message) -> Exhibit:
        shown = super().exhibit(integration, message)
        return replace(shown, note=f"{shown.note} {ELSEWHERE}") if shown.kind else shown

    def write(self, configuration: SalesforceConfiguration, message: Message) -> Request:
        made = configuration.render(message.body)
        fields = {name: made[f"fields.{name}"] for name in configuration.fields}
        path = f"/services/data/v{configuration.api_version}/sobjects/{configuration.event}/"
        # The session puts its own address and token in the place of these.
        return Request("POST", address(configuration.url, path), (JSON, AGENT, bearer("")), json_body(fields))

    def judge(self, answer: Answer, limits: FlightLimits) -> Finding:
        del limits
        body = said(answer)
        success = member(body, "success")
        if answer.status in _SUCCESS and success is True:
            return DELIVERED
        told = sentence("Salesforce", answer, *_reasons(body))
        if answer.status in _SUCCESS:
            return _not_published(body, told) if success is False else not_understood("Salesforce")
        found = refused(answer, told, wait=_limit_wait(_code(body)))
        # Nothing was taken, and the next attempt is let in anew.
        again = _code(body) in _PASSING or session_is_over(answer) or _login_may_work_later(body)
        return replace(found, verdict=Verdict.TEMPORARY) if again else found


def _not_published(body: object, told: str) -> Finding:
    code = str(member(body, "errors", 0, "statusCode"))
    verdict = Verdict.TEMPORARY if code in _PASSING else Verdict.PERMANENT
    return Finding(verdict, "not_published", told, _limit_wait(code))


def _limit_wait(code: str) -> timedelta | None:
    return LIMIT_WAIT if code in _LIMITS else None


def _code(body: object) -> str:
    code = member(body, 0, "errorCode")
    return code if isinstance(code, str) else ""


def _login_may_work_later(body: object) -> bool:
    reason = str(member(body, "error_description") or "").lower()
    return member(body, "error") == "unknown_error" or "rate exceeded" in reason


def _reasons(body: object) -> list[str]:
    """Find the words in the three forms that errors have: of the API, of a result, and of the login."""
    words = [
        *(member(body, 0, name) for name in ("errorCode", "message")),
        *(member(body, "errors", 0, name) for name in ("statusCode", "message")),
        *(member(body, name) for name in ("error", "error_description")),
    ]
    return [word for word in words if isinstance(word, str)]
