"""Does this integration observe this event?"""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+\Z")
"""An event type's name: words of letters, digits, `_` and `-`, at least two, joined by dots."""

NAME_LENGTH = 200
EVERYTHING = "*"


def is_name(text: str) -> bool:
    """Tell whether the text can be an event type's name, such as `order.paid` or `com.example.thing.v2`."""
    return len(text) <= NAME_LENGTH and NAME.match(text) is not None


def patterns_for(event_type: str) -> list[str]:
    """List every pattern that observes the event type: `order.paid` is observed by itself, `order.*` and `*`."""
    words = event_type.split(".")
    prefixes = [".".join(words[:count]) + ".*" for count in range(len(words) - 1, 0, -1)]
    return [event_type, *prefixes, EVERYTHING]


def observes(patterns: Iterable[str], event_type: str) -> bool:
    """Tell whether one of the patterns observes the event type."""
    return not set(patterns).isdisjoint(patterns_for(event_type))
