"""Telegram: its token stands in the path, and its answers in the body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from contracts.telegram_case import BOT_TOKEN, CHAT, SENT
from servers.receiver import Receiver
from transports.provider import Provider, provider

from postrider.domain.errors import InvalidInput
from postrider.domain.exhibit import MASK
from postrider.domain.outcome import EXCERPT_BYTES, Verdict
from postrider.transports.telegram import LONGEST_TEXT, TelegramConfiguration, TelegramTransport

CONFIGURATION = {"bot_token": BOT_TOKEN, "chat_id": CHAT, "text": "Order {{ payload.data.id }} ✓"}


@pytest.fixture
def telegram(receiver: Receiver) -> Iterator[Provider]:
    with provider(TelegramTransport, receiver, {**CONFIGURATION, "api_url": receiver.url_of("")}) as made:
        made.answers(200, SENT)
        yield made


def test_a_message_is_json_to_the_bots_own_path(telegram: Provider) -> None:
    """With the wishes that were set, and no others."""
    outcome = telegram.send(disable_notification=True)

    assert (outcome.verdict, outcome.status_code) == (Verdict.DELIVERED, 200)
    request = telegram.request()
    assert (request.method, request.path) == ("POST", f"/bot{BOT_TOKEN}/sendMessage")
    assert json.loads(request.body) == {"chat_id": CHAT, "text": "Order o-1 ✓", "disable_notification": True}


@pytest.mark.parametrize(
    ("status", "code", "verdict", "error"),
    [
        (400, 400, Verdict.PERMANENT, "http_400"),
        (401, 401, Verdict.PERMANENT, "http_401"),
        (403, 403, Verdict.PERMANENT, "http_403"),
        (429, 429, Verdict.TEMPORARY, "http_429"),
        (500, 500, Verdict.TEMPORARY, "http_500"),
        (200, 400, Verdict.PERMANENT, "http_400"),
        (200, 429, Verdict.TEMPORARY, "http_429"),
    ],
)
def test_the_body_tells_what_happened(telegram: Provider, status: int, code: int, verdict: Verdict, error: str) -> None:
    """The body's code counts, whatever the status is."""
    telegram.answers(status, {"ok": False, "error_code": code, "description": "Bad Request: chat not found"})

    outcome = telegram.send()

    assert (outcome.verdict, outcome.error, outcome.status_code) == (verdict, error, status)
    assert outcome.detail == f"Telegram answered with status {code}: Bad Request: chat not found"


@pytest.mark.parametrize(("asked", "wait"), [(30, 30), (0, None), (-5, None), ("soon", None), (10**12, None)])
def test_the_wait_stands_in_the_body(telegram: Provider, asked: object, wait: int | None) -> None:
    """Flood control says how long; nonsense is no wish."""
    body = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": asked}}
    telegram.answers(429, body)

    assert telegram.send().retry_after == (None if wait is None else timedelta(seconds=wait))


def test_a_chat_that_moved_is_told(telegram: Provider) -> None:
    """The new id is what a person needs to mend the integration."""
    telegram.answers(
        400,
        {
            "ok": False,
            "error_code": 400,
            "description": "Bad Request: group chat was upgraded to a supergroup chat",
            "parameters": {"migrate_to_chat_id": -1009876543210},
        },
    )

    outcome = telegram.send()

    assert outcome.verdict is Verdict.PERMANENT
    assert outcome.detail.endswith("The chat has become -1009876543210: put that id into the integration.")


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"{}", b"", b'"ok"'])
def test_a_status_without_an_ok_is_no_success(telegram: Provider, body: bytes) -> None:
    """Something between here and Telegram may answer 200."""
    telegram.answers(200, body)

    assert (telegram.send().verdict, telegram.send().error) == (Verdict.TEMPORARY, "bad_response")


def test_a_long_answer_is_believed(telegram: Provider) -> None:
    """A message comes back whole, with more letters than are read."""
    telegram.answers(200, b'{"ok":true,"result":{"text":"' + b"x" * EXCERPT_BYTES + b'"}}')

    assert telegram.send().verdict is Verdict.DELIVERED


def test_the_token_is_nowhere_to_be_seen(telegram: Provider) -> None:
    """Neither in an exhibit's path nor in what comes back of it."""
    telegram.answers(
        404, {"ok": False, "error_code": 404, "description": f"no /bot{BOT_TOKEN}/"}, {"X-Path": f"/bot{BOT_TOKEN}/x"}
    )

    outcome, shown = telegram.send(), telegram.shown()

    assert shown.title.endswith(f"/bot{MASK}/sendMessage")
    assert BOT_TOKEN not in repr(outcome) + repr(shown)
    assert BOT_TOKEN.partition(":")[2] not in repr(outcome) + repr(shown)


def test_a_text_that_is_too_long_is_not_sent(telegram: Provider) -> None:
    """It is a dead letter at once."""
    outcome = telegram.send(text="x" * (LONGEST_TEXT + 1))

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "body_too_large")
    assert telegram.receiver.requests == []


@pytest.mark.parametrize("token", ["", "abc", "123:short", "1:aaaaaaaaaa/../x", "1:aaaaaaaa?x"])
def test_what_is_no_token_is_refused(token: str) -> None:
    """It becomes a part of the path."""
    with pytest.raises(InvalidInput) as refused:
        TelegramConfiguration.parse({**CONFIGURATION, "bot_token": token})

    assert refused.value.pointer == "data.configuration.bot_token"
