"""The members of an integrator.io integration that are kept as they are given, each checked as far as it is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from postrider.domain.errors import InvalidInput
from postrider.domain.installation import STEP_EVENTS, Mode

LONGEST_README = 20_000
LONGEST_DESCRIPTION = 5_120
LONGEST_WORD = 255
MOST_STEPS = 100
MOST_KEPT = 64 * 1024
"""Bytes of all of them together, as JSON."""


def kept(body: Mapping[str, Any]) -> dict[str, Any]:
    """Check those of a body's members that are kept, and give them; null is as not given.

    InvalidInput names the first wrong one.
    """
    found = {name: check(name, body[name]) for name, check in _CHECKS.items() if body.get(name) is not None}
    if found.get("install") and "mode" not in found:
        found["mode"] = Mode.INSTALL.value
    if _size(found) > MOST_KEPT:
        raise InvalidInput("", f"settings, install and what else is kept must be smaller than {MOST_KEPT:,} bytes")
    return found


def description(given: object) -> str:
    """Check a description; none is empty."""
    return "" if given is None else _text(LONGEST_DESCRIPTION)("description", given)


def _size(found: Mapping[str, Any]) -> int:
    try:
        return len(json.dumps(found))
    except RecursionError:
        raise InvalidInput("", "the body is nested too deep") from None


def _text(longest: int) -> Callable[[str, object], str]:
    def check(name: str, given: object) -> str:
        if not isinstance(given, str) or len(given) > longest:
            raise InvalidInput(name, f"{name}: must be text of up to {longest:,} characters")
        return given

    return check


def _switch(name: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise InvalidInput(name, f"{name}: must be true or false")
    return given


def _object(name: str, given: object) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise InvalidInput(name, f"{name}: must be an object")
    return given


def _list(name: str, given: object) -> list[Any]:
    if not isinstance(given, list):
        raise InvalidInput(name, f"{name}: must be a list")
    return given


def _mode(name: str, given: object) -> str:
    if given not in list(Mode):
        raise InvalidInput(name, f"{name}: must be one of {', '.join(Mode)}")
    return str(given)


def _steps(name: str, given: object) -> list[Any]:
    steps = _list(name, given)
    if len(steps) > MOST_STEPS:
        raise InvalidInput(name, f"{name}: must have at most {MOST_STEPS} steps")
    for index, step in enumerate(steps):
        _check_step(f"{name}.{index}", step)
    return steps


_FUNCTIONS = [function for function, _ in STEP_EVENTS.values()]
_word = _text(LONGEST_WORD)


def _check_step(path: str, given: object) -> None:
    step = _object(path, given)
    if not step.get("name"):
        raise InvalidInput(f"{path}.name", "name: is required of each step")
    for member in ("name", "_connectionId", *_FUNCTIONS):
        if step.get(member) is not None:
            _word(f"{path}.{member}", step[member])
    if "completed" in step:
        _switch(f"{path}.completed", step["completed"])


_CHECKS: dict[str, Callable[[str, object], object]] = {
    "readme": _text(LONGEST_README),
    "_connectorId": _word,
    "_templateId": _word,
    "install": _steps,
    "mode": _mode,
    "settings": _object,
    "version": _word,
    "updateInProgress": _switch,
    "flowGroupings": _list,
    "apiGroupings": _list,
}
NAMES = tuple(_CHECKS)
