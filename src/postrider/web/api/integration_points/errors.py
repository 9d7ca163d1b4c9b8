"""What went wrong, as ERA's clients read it: a number and a sentence."""

from __future__ import annotations

from typing import Any

from postrider.web.foreign import Failure

CODES_BEGIN = 1_000
"""An error's number is its HTTP status above this: ERA's own 1404 stands beside 404."""
_ROOT = "data."
_THEIRS = {
    "name": "opts.title",
    "description": "opts.comment",
    "configuration.url": "url",
    "configuration.api_url": "url",
    "configuration.secret_key": "token_remote",
    "configuration.bot_token": "token_remote",
    "configuration.chat_id": "opts.chat_id",
    "configuration.text": "opts.text",
}
"""ERA's names for the fields of an integration."""


def form(failure: Failure) -> dict[str, Any]:
    """Write a failure."""
    return {"error_code": CODES_BEGIN + failure.status, "error_message": _message(failure)}


def _message(failure: Failure) -> str:
    ours = failure.pointer.removeprefix(_ROOT)
    theirs = _THEIRS.get(ours)
    if theirs is None or not failure.pointer.startswith(_ROOT):
        return failure.detail
    said = failure.detail.removeprefix(f"{ours.removeprefix('configuration.')}: ")
    return f"{theirs}: {said}"
