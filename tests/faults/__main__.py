"""Plays the fault matrix and prints what became of the events: `uv run python tests/faults`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.command import main

if __name__ == "__main__":
    main()
