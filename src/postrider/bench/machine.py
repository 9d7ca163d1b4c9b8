"""What the figures were measured on; nothing secret."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Machine:
    """The headline of a report."""

    postrider: str
    python: str
    cpus: int
    """Those that this process may use."""
    cpu: str
    system: str


def this_machine() -> Machine:
    """Look around."""
    return Machine(
        postrider=version("postrider"),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        cpus=_cpus(),
        cpu=_cpu_model(),
        system=f"{platform.system()} {platform.machine()}",
    )


def masked_broker(url: str) -> str:
    """Say which broker a URL means, without user, password or path."""
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return "in memory"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme} at {parts.hostname}{port}"


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    names = _named(information.read_text()) if information.exists() else {}
    return names.get("model name") or platform.processor() or "unknown processor"


def _named(text: str) -> Mapping[str, str]:
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}
