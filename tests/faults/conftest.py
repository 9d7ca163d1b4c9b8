"""The grounds that the rows of the fault matrix play on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults.grounds import Grounds


@pytest.fixture(scope="session")
def grounds() -> Iterator[Grounds]:
    with Grounds() as standing:
        yield standing
