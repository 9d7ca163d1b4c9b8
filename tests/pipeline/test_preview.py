"""A preview of a change shows what would be sent, and nothing of the secrets that are kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from house import House

from postrider.pipeline.preview import preview
from postrider.transports.configuration import mask

RIGHT, WRONG = "summer-2026-Kettle9", "winter-2026-Kettle9"
URL = "https://api.example.com"
STORED: dict[str, dict[str, Any]] = {
    "rest": {"url": URL, "token": RIGHT},
    "zendesk": {"url": URL, "username": "ada@example.com", "password": RIGHT, "text": "{{ payload.guesses }}"},
    "telegram": {
        "api_url": URL,
        "bot_token": f"12345:{RIGHT}",
        "chat_id": "1",
        "text": "{{ payload.guesses }}",
    },
}


@pytest.mark.parametrize("name", STORED)
def test_a_kept_secret_cannot_be_guessed_in_a_preview(house: House, name: str) -> None:
    """What is secret is taken out of what is shown: of many guesses the right one was missing."""
    stored = STORED[name]
    kept = {field: mask(value) if RIGHT in value else value for field, value in stored.items()}

    shown = preview(
        house.services,
        house.tenant.id,
        integration_type=name,
        configuration=kept,
        payload=json.dumps({"guesses": f"{WRONG} {RIGHT} 12345:{RIGHT} 12345:{WRONG}"}).encode(),
        stored=stored,
    )
    assert (shown.body.count(WRONG), shown.body.count(RIGHT)) == (2, 2)
    assert RIGHT not in repr((shown.title, shown.headers))
