"""What some rows need of the machine, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable

from faults.matrix import Row
from faults.small_disk import may_mount
from servers import rabbitmq

NEEDS: dict[str, tuple[Callable[[], bool], str]] = {
    "rabbitmq": (rabbitmq.available, "apt-get install rabbitmq-server"),
    "mount": (may_mount, "run it as root, where mounting is allowed"),
}
"""From what a row needs to whether it is there, and how to get it."""


def missing(row: Row) -> str:
    """Tell what a row lacks here, and how to get it; empty when it can be played."""
    if not row.needs:
        return ""
    there, advice = NEEDS[row.needs]
    return "" if there() else f"needs {row.needs}: {advice}"
