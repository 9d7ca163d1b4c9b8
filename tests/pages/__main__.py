"""Measures every page of the dashboard over a database of a million deliveries: `uv run python tests/pages`."""

import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog
from pages.command import main

if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    main()
