"""Watches the memory of a Postrider at work: `uv run python tests/soak`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from soak.command import main

if __name__ == "__main__":
    main()
