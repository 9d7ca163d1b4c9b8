"""Every knob: its unit, its default and one sentence; unsafe values are refused at the start."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from postrider.domain.audit import plain_url

SHORTEST_API_KEY = 24
_BROKER_KINDS = {"redi": "Redis", "amqp": "RabbitMQ", "memory": "in memory"}
"""By the URL's scheme, without the `s` that stands for TLS."""


class Settings(BaseSettings):
    """What the environment says, as `POSTRIDER_` and the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="POSTRIDER_", frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr = Field(
        default=SecretStr(""), description="SQLAlchemy URL of PostgreSQL (`postgresql+psycopg://…`) or SQLite."
    )
    broker_url: SecretStr = Field(
        default=SecretStr(""), description="Celery broker: `redis://…`, `amqp://…` (RabbitMQ) or `memory://`."
    )
    queue_prefix: str = Field(
        default="postrider",
        pattern=r"^[A-Za-z0-9_.-]{1,100}$",
        description="Begins the names of the two queues, so that several installations can share a broker.",
    )
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="Fernet keys, comma-separated: the first encrypts stored secrets, all decrypt."
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="API key that `up` presets, taken as it is; at least 24 characters; it ends when another is set.",
    )
    allowed_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="CIDRs, comma-separated, that integrations may reach though they are not public."
    )
    public_url: str = Field(
        default="http://127.0.0.1:8080", description="Where people and programs reach Postrider: links, `source`."
    )
    retention_days: int = Field(
        default=30,
        ge=1,
        description="Days that events are kept after their last delivery ended, and jobs after their end.",
    )
    dead_letter_retention_days: int = Field(default=90, ge=1, description="Days that dead letters are kept.")
    audit_days: int = Field(default=365, ge=1, le=36_500, description="Days that entries of the audit log are kept.")
    aws_endpoint_url: str | None = Field(
        default=None, description="Where AWS's API is, when it is not AWS's own (a stand-in for tests)."
    )
    drain_threads: int = Field(default=4, ge=1, le=64, description="Threads a worker that claim and settle.")
    lease_margin_seconds: float = Field(
        default=20.0, ge=1, description="Seconds that a claim holds beyond the integration's timeout."
    )
    sweep_seconds: float = Field(default=1.0, gt=0, description="Seconds between two turns of the sweep.")
    in_flight: int = Field(
        default=2000, ge=1, description="Attempts that one worker process may have under way at once."
    )
    host_in_flight: int = Field(
        default=256, ge=1, description="Attempts under way at once towards one host, a worker process."
    )
    database_pool: int = Field(default=8, ge=2, description="Database connections a process.")
    rate_limit: str | None = Field(
        default=None,
        description="Requests that each API key may make, such as `100/second` or `6000/minute`; empty: any.",
    )
    rate_limit_redis_url: SecretStr = Field(
        default=SecretStr(""),
        description="Redis where web processes count requests together; the broker's when that is Redis.",
    )
    failed_sign_ins: int = Field(
        default=60, ge=1, description="Sign-ins a minute that may fail from one address before it is answered 429."
    )
    request_seconds: float = Field(
        default=30.0, gt=0, description="Seconds that a client has for sending a request before it is cut off."
    )
    connections: int = Field(
        default=800, ge=1, description="Connections at once that one web process takes; the next are answered 503."
    )
    log_format: str = Field(default="json", pattern="^(json|text)$", description="`json` or `text`.")

    @field_validator("secret_keys", "allowed_networks", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ip_network(text)
            except ValueError as error:
                raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8: {error}") from error
        return value

    @field_validator("rate_limit")
    @classmethod
    def _is_a_rate(cls, value: str | None) -> str | None:
        if value and _rate(value)[0] < 1:
            raise ValueError("must let at least one request pass")
        return value

    @field_validator("api_key")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_API_KEY:
            raise ValueError(f"must have at least {SHORTEST_API_KEY} characters")
        return value

    def networks(self) -> list[IPv4Network | IPv6Network]:
        """Give the allowed networks as such."""
        return [ip_network(text) for text in self.allowed_networks]

    def broker_kind(self) -> str:
        """Name the kind of broker."""
        scheme = self.broker_url.get_secret_value().partition(":")[0]
        return _BROKER_KINDS.get(scheme.removesuffix("s"), scheme)

    def shown(self) -> list[tuple[str, str, str]]:
        """Tell the settings that are no secrets: each one's variable, value and meaning; of a URL where it leads."""
        fields = type(self).model_fields
        open_to_all = [name for name, field in fields.items() if "SecretStr" not in repr(field.annotation)]
        return [
            (f"POSTRIDER_{name.upper()}", _told(name, getattr(self, name)), fields[name].description or "")
            for name in open_to_all
        ]

    def rate(self) -> tuple[int, int] | None:
        """Give the rate limit as an amount and the seconds that it is for."""
        return _rate(self.rate_limit) if self.rate_limit else None


def _told(name: str, value: Any) -> str:
    if value is None or value in ("", ()):
        return ""
    if name.endswith("_url"):
        return plain_url(str(value)) or "set"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _rate(text: str) -> tuple[int, int]:
    # Loading it takes longer than most commands need.
    from limits import parse  # noqa: PLC0415

    item = parse(text)
    return item.amount, item.get_expiry()
