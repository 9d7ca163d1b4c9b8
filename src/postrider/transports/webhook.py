"""Webhooks: each message is POSTed to the integration's URL."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import Field, field_validator
from yarl import URL

from postrider.domain.exhibit import Exhibit, only_note
from postrider.domain.integration import Integration
from postrider.domain.message import Dialect, Message, concealed
from postrider.domain.outcome import Outcome, Verdict
from postrider.domain.ports import FlightLimits

from .configuration import Secret, TransportConfiguration
from .http_answer import kept_body, kept_headers, retry_after
from .http_failure import HttpFailure
from .http_flight import HttpFlight
from .http_message import Answer, Request
from .registry import Surroundings
from .scrub import secrets_of
from .url import http_url

LONGEST_SECRET = 1024
ENGINES_OWN = "The headers Host, Content-Length and Accept-Encoding: identity go with it."
NOT_SUCCESS = "Received a status code outside of 2xx range - treating webhook as a fail"
"""Elastic Path's own words."""

_GONE = 410
_SENDABLE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?")


class WebhookConfiguration(TransportConfiguration):
    """Where a webhook goes, and the shared secret that says who it is from."""

    url: str = Field(
        title="URL",
        description="Where messages are POSTed: https:// or http://, without a user name or password in it.",
        examples=["https://example.com/webhooks/orders"],
    )
    secret_key: Annotated[str | None, Secret(shown_to_writers=True)] = Field(
        default=None,
        title="Secret key",
        description="Sent as it is in the header X-MOLTIN-SECRET-KEY, for the receiver to compare.",
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        http_url(value)
        return value

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if len(value) > LONGEST_SECRET:
            raise ValueError(f"must have at most {LONGEST_SECRET} characters")
        if not _SENDABLE.fullmatch(value):
            raise ValueError(
                "is sent in an HTTP header, so it must be plain ASCII letters, digits, signs and inner spaces"
            )
        return value


class WebhookTransport:
    """The way out over HTTP."""

    type_name: ClassVar[str] = "webhook"
    dialect: ClassVar[Dialect] = Dialect.ELASTIC_PATH
    body_limit: ClassVar[int | None] = None
    configuration_model: ClassVar[type[TransportConfiguration]] = WebhookConfiguration

    def __init__(self, surroundings: Surroundings) -> None:
        self._engine = surroundings.http

    def open(self, integration: Integration, limits: FlightLimits, wake: Callable[[], None]) -> HttpFlight:
        url = _stored_url(integration)
        dialogue = _Webhook(url, limits.success_statuses, secrets_of(integration, self.configuration_model))
        return HttpFlight(self._engine, limits, dialogue, host=self._engine.room_of(url or URL()), wake=wake)

    def exhibit(self, integration: Integration, message: Message) -> Exhibit:
        dialogue = _Webhook(_stored_url(integration), (), ())
        try:
            request = dialogue.request(concealed(message, integration))
        except HttpFailure as failure:
            return only_note(failure.detail)
        return Exhibit(
            "http", f"{request.method} {request.url}", request.headers, request.body.decode(), note=ENGINES_OWN
        )


def _stored_url(integration: Integration) -> URL | None:
    """Read the URL again: what was stored long ago may not pass today's check."""
    try:
        return http_url(str(integration.configuration.get("url", "")))
    except ValueError:
        return None


class _Webhook:
    """One integration's URL, what it calls a success, and what may not be repeated."""

    def __init__(self, url: URL | None, success: tuple[tuple[int, int], ...], secrets: tuple[str, ...]) -> None:
        self._url = url
        self._success = success
        self._secrets = secrets

    def request(self, message: Message) -> Request:
        if self._url is None:
            raise HttpFailure("invalid_url", "The integration's URL cannot be used; correct it.", permanent=True)
        return Request("POST", self._url, message.headers, message.body)

    def outcome(self, answer: Answer) -> Outcome:
        status = answer.status
        headers, body = kept_headers(answer.headers, self._secrets), kept_body(answer, self._secrets)
        if any(low <= status <= high for low, high in self._success):
            return Outcome(Verdict.DELIVERED, status_code=status, response_headers=headers, response_body=body)
        return Outcome(
            Verdict.PERMANENT if status == _GONE else Verdict.TEMPORARY,
            f"http_{status}",
            NOT_SUCCESS,
            status_code=status,
            retry_after=retry_after(answer.headers, now=datetime.now(UTC)),
            gone=status == _GONE,
            response_headers=headers,
            response_body=body,
        )
