"""Counts what an idle Postrider asks of its servers: `uv run python tests/idle`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from idle.command import main

if __name__ == "__main__":
    main()
