"""What the demo remembers from one start to the next, in a file of the data folder: its ports and its integrations."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import UUID

FILE = "demo.json"


@dataclass(slots=True)
class Kept:
    """By the names of the receivers."""

    ports: dict[str, int] = field(default_factory=dict)
    integrations: dict[str, UUID] = field(default_factory=dict)

    @classmethod
    def read(cls, data: Path) -> Self:
        """Read what is kept; nothing when there is no such file, or none that can be read."""
        try:
            stored = json.loads((data / FILE).read_text())
            ids = {name: UUID(text) for name, text in stored["integrations"].items()}
            return cls({name: int(port) for name, port in stored["ports"].items()}, ids)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def write(self, data: Path) -> None:
        """Keep it for the next start."""
        ids = {name: str(integration_id) for name, integration_id in self.integrations.items()}
        (data / FILE).write_text(json.dumps({"ports": self.ports, "integrations": ids}, indent=2) + "\n")
