"""Calls of the integrations' endpoints that many tests begin with."""

from __future__ import annotations

from typing import Any

from api import Api
from integration_data import wanted

PATH = "/v2/integrations"


def create(api: Api, **changes: Any) -> dict[str, Any]:
    """Create an integration; gives its document."""
    answer = api.post(PATH, wanted(**changes))
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


def at(made: dict[str, Any], rest: str = "") -> str:
    """Give the path of an integration, or of something below it."""
    return f"{PATH}/{made['id']}{rest}"
