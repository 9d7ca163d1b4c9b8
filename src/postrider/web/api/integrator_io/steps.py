"""The step that integrator.io's page asks for: by its place, counted from 0, or by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from postrider.domain.errors import InvalidInput
from postrider.domain.installation import STEP_EVENTS, said
from postrider.domain.integration import Integration


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an integration that is installed or uninstalled."""

    index: int
    name: str
    function: str
    """What is to be done."""


def asked(body: object, integration: Integration) -> Step:
    """Find the step; InvalidInput when it cannot be asked for."""
    found = said(integration.extras)
    mode = found.get("mode")
    if mode not in STEP_EVENTS:
        raise InvalidInput("mode", "mode: steps are asked for in the modes install and uninstall")
    if not isinstance(body, dict) or "step" not in body:
        raise InvalidInput("step", "step: is required: its place in install, from 0, or its name")
    steps = found.get("install", [])
    index = _index(body["step"], steps)
    member, _ = STEP_EVENTS[mode]
    function = steps[index].get(member)
    if not function:
        raise InvalidInput(f"install.{index}.{member}", f"{member}: this step has none, so nobody can be asked")
    return Step(index, steps[index]["name"], function)


def _index(given: object, steps: list[dict[str, Any]]) -> int:
    for index, step in enumerate(steps):
        if given == step["name"] or (type(given) is int and given == index):
            return index
    raise InvalidInput("step", f"step: there is none such among the {len(steps)} of install")
