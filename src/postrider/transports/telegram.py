"""Messages by a Telegram bot: `sendMessage` of the Bot API, https://core.telegram.org/bots/api#sendmessage.

The bot's token stands in the path, and the body says whether it worked and how long to wait. It knows no idempotency
key: a message whose answer was lost is sent again.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from postrider.domain.message import Message
from postrider.domain.ports import FlightLimits

from .configuration import Form, Secret, Template, TransportConfiguration
from .http_failure import HttpFailure
from .http_message import Answer, Request
from .provider_http import (
    AGENT,
    DELIVERED,
    JSON,
    ApiUrl,
    Finding,
    ProviderTransport,
    address,
    json_body,
    member,
    not_understood,
    refused,
    said,
    sentence,
)
from .templates import TemplatedConfiguration

API_URL = "https://api.telegram.org"
LONGEST_TEXT = 4096
LONGEST_WAIT = 10**9

_SUCCESS = range(200, 300)
_ERRORS = range(300, 600)
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{8,128}")
_BEGINS_WELL = re.compile(rb'\s*\{\s*"ok"\s*:\s*true\b')


class TelegramConfiguration(TemplatedConfiguration):
    """Messages by a Telegram bot: the bot, the chat, and what is sent."""

    bot_token: Annotated[str, Secret(sent_to=("api_url",))] = Field(
        title="Bot token", description="As BotFather gave it: digits, a colon, and more."
    )
    chat_id: Annotated[str, Template(Form.LINE)] = Field(
        title="Chat",
        description="A template of the chat's id, or of a channel's name such as @orders.",
        examples=["-1001234567890"],
    )
    text: Annotated[str, Template()] = Field(
        default="{{ event.type }}: event {{ event.id }}.",
        title="Text",
        description=f"A template of what is sent, at most {LONGEST_TEXT:,} characters once it is filled in.",
    )
    disable_notification: bool = Field(default=False, title="Silent", description="Whether it arrives without a sound.")
    protect_content: bool = Field(
        default=False, title="Protected", description="Whether it can neither be forwarded nor saved."
    )
    api_url: ApiUrl = Field(default=API_URL, title="API URL", description="Where the Bot API is.")

    @field_validator("bot_token")
    @classmethod
    def _check_bot_token(cls, value: str) -> str:
        if not _TOKEN.fullmatch(value):
            raise ValueError("must be a bot's token: digits, a colon, then 8 or more letters, digits, - and _")
        return value


class TelegramTransport(ProviderTransport[TelegramConfiguration]):
    """The way out by Telegram."""

    type_name: ClassVar[str] = "telegram"
    configuration_model: ClassVar[type[TransportConfiguration]] = TelegramConfiguration

    def write(self, configuration: TelegramConfiguration, message: Message) -> Request:
        made = configuration.render(message.body)
        if len(made["text"]) > LONGEST_TEXT:
            told = f"The text has {len(made['text']):,} characters; Telegram takes at most {LONGEST_TEXT:,}."
            raise HttpFailure("body_too_large", told, permanent=True)
        body: dict[str, object] = {"chat_id": made["chat_id"], "text": made["text"]}
        wishes = ("disable_notification", "protect_content")
        body |= {name: True for name in wishes if getattr(configuration, name)}
        url = address(configuration.api_url, f"/bot{configuration.bot_token}/sendMessage")
        return Request("POST", url, (JSON, AGENT), json_body(body))

    def judge(self, answer: Answer, limits: FlightLimits) -> Finding:
        del limits
        body = said(answer)
        # A long message comes back whole, and may be more than is read of it.
        taken = answer.status in _SUCCESS
        if taken and (member(body, "ok") is True or (answer.cut and _BEGINS_WELL.match(answer.body))):
            return DELIVERED
        if member(body, "ok") is not False:
            return not_understood("Telegram") if taken else refused(answer, sentence("Telegram", answer))
        return _refusal(answer, body)


def _refusal(answer: Answer, body: object) -> Finding:
    """Read what the body says: it knows better than the status does."""
    code = member(body, "error_code")
    status = code if isinstance(code, int) and code in _ERRORS else answer.status
    moved = member(body, "parameters", "migrate_to_chat_id")
    hint = f"The chat has become {moved}: put that id into the integration." if isinstance(moved, int) else ""
    wait = member(body, "parameters", "retry_after")
    known = isinstance(wait, int) and not isinstance(wait, bool) and 0 < wait < LONGEST_WAIT
    return refused(
        Answer(status, answer.headers, answer.body, answer.cut),
        sentence("Telegram", Answer(status, {}, b"", cut=False), member(body, "description"), hint),
        wait=timedelta(seconds=wait) if known else None,
    )
