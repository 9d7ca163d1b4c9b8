"""Webhooks: each message is POSTed to the integration's URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, ClassVar

from pydantic import Field, field_validator
from yarl import URL

from postrider.domain.exhibit import Exhibit, only_note
from postrider.domain.integration import Integration
from postrider.domain.message import Dialect, Message, concealed
from postrider.domain.outcome import Outcome, Verdict, excerpt
from postrider.domain.ports import FlightLimits

from .configuration import Secret, TransportConfiguration
from .http_failure import HttpFailure
from .http_flight import HttpFlight
from .http_message import Answer, Request
from .registry import Surroundings
from .scrub import scrub, secrets_of
from .url import http_url

LONGEST_SECRET = 1024
MOST_HEADERS = 32
HEADERS_LENGTH = 4096
ENGINES_OWN = "The headers Host, Content-Length and Accept-Encoding: identity go with it."
NOT_SUCCESS = "Received a status code outside of 2xx range - treating webhook as a fail"
"""Elastic Path's own words."""

_GONE = 410
_SENDABLE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?")
# Nine digits are 31 years: a longer number of seconds is no wish but a mistake.
_SECONDS = re.compile(r"[0-9]{1,9}")


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
        headers, body = self._headers(answer.headers), self._body(answer)
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

    def _body(self, answer: Answer) -> str:
        return scrub(excerpt(answer.body), self._secrets, cut=answer.cut) if answer.body else ""

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        kept: dict[str, str] = {}
        left = HEADERS_LENGTH
        # One look at them all: hardly any answer repeats a secret, and this is done for each.
        together = "\n".join(headers.values())
        secrets = [secret for secret in self._secrets if secret in together]
        for name, value in headers.items():
            clean = scrub(_text(value), secrets)
            left -= len(name) + len(clean)
            if left < 0 or len(kept) >= MOST_HEADERS:
                break
            kept.setdefault(name.lower(), clean)
        return kept


def _text(value: str) -> str:
    # aiohttp keeps bytes that are not UTF-8 as lone surrogates, which no database takes.
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """Read how long the far side asks to be left alone, as seconds or as an HTTP date; None for nonsense.

    A date is measured against the answer's own `Date`, so that a clock that is wrong over there does no harm.
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return timedelta(seconds=int(value))
    until = _date(value)
    if until is None:
        return None
    return max(until - (_date(headers.get("Date", "")) or now), timedelta(0))


def _date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
