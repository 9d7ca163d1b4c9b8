"""Nothing is lost: every row of the fault matrix, against real processes."""

from __future__ import annotations

import pytest
from faults.grounds import Grounds
from faults.matrix import Row, assert_green, rows_of_files
from faults.needs import missing


def _cases() -> list[object]:
    return [pytest.param(row, id=row.name, marks=_marks(row)) for row in rows_of_files().values()]


def _marks(row: Row) -> list[pytest.MarkDecorator]:
    # Each row looks at how long something takes, and loads the machine itself.
    marks = [pytest.mark.alone, pytest.mark.timeout(300)]
    if row.needs:
        marks.append(getattr(pytest.mark, row.needs))
    return [*marks, pytest.mark.long] if row.long else marks


@pytest.mark.parametrize("row", _cases())
def test_fault(row: Row, grounds: Grounds) -> None:
    """Whatever breaks, every accepted event is accounted for, and the account is true."""
    if lacking := missing(row):
        pytest.skip(lacking)

    figures = row.play(grounds)

    assert_green(figures)
