"""A third party's transport, which declares its fields in every way that there is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from postrider.transports.configuration import Secret, TransportConfiguration
from postrider.transports.webhook import WebhookTransport


class Loudness(StrEnum):
    LOW = "low"
    HIGH = "high"


class Place(BaseModel):
    floor: int


class PagerConfiguration(TransportConfiguration):
    """Whom to page."""

    number: str = Field(title="Number", description="With its country.", examples=["+49 30 1"])
    tries: int = 3
    pause: float | None = None
    urgent: bool = True
    loudness: Loudness = Loudness.LOW
    language: Literal["de", "en"] | None = None
    groups: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=lambda: ["all"])
    places: list[Place] = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict)
    code: Annotated[str, Secret()]
    pin: Annotated[str | None, Secret()] = None


class PagerTransport(WebhookTransport):
    """Pages over HTTP."""

    type_name: ClassVar[str] = "pager"
    configuration_model: ClassVar[type[TransportConfiguration]] = PagerConfiguration
