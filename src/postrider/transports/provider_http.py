"""What providers with an HTTP API share: which answers are final, what is kept of them, how requests are shown."""

from __future__ import annotations

import base64
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from urllib.parse import urlencode

from pydantic import AfterValidator
from yarl import URL

from postrider.domain.exhibit import MASK, Exhibit, only_note
from postrider.domain.integration import Integration
from postrider.domain.message import USER_AGENT, Dialect, Message
from postrider.domain.outcome import Outcome, Verdict
from postrider.domain.ports import FlightLimits

from .configuration import TransportConfiguration, secret_fields
from .http_answer import kept_body, kept_headers, retry_after
from .http_failure import HttpFailure
from .http_flight import Exchange, HttpFlight
from .http_message import Answer, Request
from .registry import Surroundings
from .scrub import scrub, secrets_of
from .templates import TemplatedConfiguration, TemplateFailed
from .url import http_url

Header = tuple[str, str]
C = TypeVar("C", bound=TemplatedConfiguration)

AGENT: Header = ("User-Agent", USER_AGENT)
FORM: Header = ("Content-Type", "application/x-www-form-urlencoded")
JSON: Header = ("Content-Type", "application/json")
ENGINES_OWN = "The headers Host, Content-Length and Accept-Encoding: identity go with it."
LONGEST_DETAIL = 500

_OBJECT = re.compile(rb'\s*\{\s*"')
_WORTH_REPEATING = frozenset({408, 425, 429})
_SERVER_ERROR = 500
_AUTHORIZATION = "authorization"


def _check_api_url(text: str) -> str:
    url = http_url(text)
    if url.raw_query_string or url.raw_fragment:
        raise ValueError("must have no query and no fragment: paths are put behind it")
    return text


ApiUrl = Annotated[str, AfterValidator(_check_api_url)]
"""The type of a field that says where a provider's API is, such as `https://api.example.com`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What an answer means."""

    verdict: Verdict
    error: str = ""
    """A word for machines; empty when delivered."""
    detail: str = ""
    """A sentence for people, with what the provider said; empty when delivered. Secrets are taken out of it later."""
    retry_after: timedelta | None = None
    """How long the provider asks to wait, where the header Retry-After does not say so."""


DELIVERED = Finding(Verdict.DELIVERED)


def refused(answer: Answer, detail: str, *, wait: timedelta | None = None) -> Finding:
    """Say what a status without success means: worth repeating, or final; `detail` says what the provider said."""
    repeat = answer.status >= _SERVER_ERROR or answer.status in _WORTH_REPEATING
    return Finding(Verdict.TEMPORARY if repeat else Verdict.PERMANENT, f"http_{answer.status}", detail, wait)


def not_understood(provider: str) -> Finding:
    """Say that a status of success came with a body that says neither yes nor no."""
    return Finding(Verdict.TEMPORARY, "bad_response", f"The answer is not one that {provider} gives.")


def said(answer: Answer) -> Any:
    """Read an answer's JSON; None for what is none, and for what was cut off."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def begins_as_object(answer: Answer) -> bool:
    """Tell whether an answer that was cut off is JSON as far as it goes, and not some page."""
    return answer.cut and _OBJECT.match(answer.body) is not None


def member(value: Any, *path: str | int) -> Any:
    """Look into JSON that somebody else wrote: None where the path does not lead to anything."""
    for step in path:
        if isinstance(step, str) and isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def sentence(provider: str, answer: Answer, *words: object) -> str:
    """Say that a provider refused, with its own words where it had some."""
    own = " ".join(str(word).strip() for word in words if isinstance(word, str | int) and word != "")
    return f"{provider} answered with status {answer.status}{f': {own}' if own else '.'}"


def address(api_url: str, path: str) -> URL:
    """Put a path, already escaped, behind an API's address; HttpFailure when no URL comes of it."""
    try:
        return http_url((api_url.rstrip("/") if path.startswith("/") else api_url) + path)
    except ValueError as error:
        raise HttpFailure(
            "invalid_url", f"No usable URL came of the configuration: it {error}.", permanent=True
        ) from None


def basic(user: str, password: str) -> Header:
    """Make the header of basic authentication."""
    return ("Authorization", f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}")


def bearer(token: str) -> Header:
    """Make the header of a token."""
    return ("Authorization", f"Bearer {token}")


def form_body(fields: Sequence[tuple[str, str]]) -> bytes:
    return urlencode(fields).encode()


def json_body(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class ProviderTransport(ABC, Generic[C]):
    """A way out over a provider's HTTP API: a request for each message, made of the configuration's templates."""

    type_name: ClassVar[str]
    dialect: ClassVar[Dialect] = Dialect.TEMPLATED
    body_limit: ClassVar[int | None] = None
    configuration_model: ClassVar[type[TransportConfiguration]]
    url_field: ClassVar[str] = "api_url"
    """The field that says where the API is."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._engine = surroundings.http

    @abstractmethod
    def write(self, configuration: C, message: Message) -> Request:
        """Make the request for a message; may raise TemplateFailed and HttpFailure."""

    @abstractmethod
    def judge(self, answer: Answer, limits: FlightLimits) -> Finding:
        """Say what an answer means; `limits` has the statuses that the integration takes for a success."""

    def open(self, integration: Integration, limits: FlightLimits, wake: Callable[[], None]) -> HttpFlight:
        configuration = self._configuration(integration)
        dialogue = _Dialogue(
            lambda message: self.write(configuration, message),
            lambda answer: self.judge(answer, limits),
            secrets_of(integration, self.configuration_model),
        )
        host = self._engine.room_of(http_url(getattr(configuration, self.url_field)))
        exchange = self.exchange(integration, configuration)
        return HttpFlight(self._engine, limits, dialogue, host=host, wake=wake, exchange=exchange, written_aside=True)

    def exchange(self, integration: Integration, configuration: C) -> Exchange:
        """Say how answers are got; for a provider that wants more than one request for a message."""
        del integration, configuration
        return self._engine.exchange

    def exhibit(self, integration: Integration, message: Message) -> Exhibit:
        configuration = self._configuration(integration)
        hidden = {
            name: MASK for name in secret_fields(self.configuration_model) if getattr(configuration, name) is not None
        }
        try:
            request = _written(lambda one: self.write(configuration.model_copy(update=hidden), one), message)
        except HttpFailure as failure:
            return only_note(failure.detail)
        headers = tuple(_without_credentials(header) for header in request.headers)
        return Exhibit("http", f"{request.method} {request.url}", headers, request.body.decode(), note=ENGINES_OWN)

    def _configuration(self, integration: Integration) -> C:
        parsed: C = self.configuration_model.parse(integration.configuration)  # type: ignore[assignment]
        return parsed


def _without_credentials(header: Header) -> Header:
    name, value = header
    return (name, f"{value.partition(' ')[0]} {MASK}") if name.lower() == _AUTHORIZATION else header


def _written(write: Callable[[Message], Request], message: Message) -> Request:
    try:
        return write(message)
    except TemplateFailed as error:
        raise HttpFailure("template_failed", error.problem, permanent=True) from None


def _storable(text: str) -> str:
    # No database takes halves of characters, and PostgreSQL no NUL; JSON can hold both.
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


class _Dialogue:
    """How one integration speaks to its provider."""

    def __init__(
        self, write: Callable[[Message], Request], judge: Callable[[Answer], Finding], secrets: tuple[str, ...]
    ) -> None:
        self._write = write
        self._judge = judge
        self._secrets = secrets

    def request(self, message: Message) -> Request:
        return _written(self._write, message)

    def outcome(self, answer: Answer) -> Outcome:
        finding = self._judge(answer)
        delivered = finding.verdict is Verdict.DELIVERED
        hint = None if delivered else finding.retry_after or retry_after(answer.headers, now=datetime.now(UTC))
        return Outcome(
            finding.verdict,
            finding.error,
            scrub(_storable(finding.detail), self._secrets)[:LONGEST_DETAIL],
            status_code=answer.status,
            retry_after=hint,
            response_headers=kept_headers(answer.headers, self._secrets),
            response_body=kept_body(answer, self._secrets),
        )
