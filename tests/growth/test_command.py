"""The command that measures growth: what it prints, and when it calls something grown."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from growth.command import main
from growth.figures import Compared, Cost, as_table


@pytest.mark.parametrize(
    ("before", "after", "grows"),
    [
        (Cost(2.0, 1_000), Cost(2.5, 5_000), False),
        (Cost(2.0, 1_000), Cost(2.7, 1_200), False),
        (Cost(2.0, 1_000), Cost(2.7, 1_400), True),
        (Cost(1.0, 6), Cost(2.0, 130), False),
        (Cost(0.2, 6), Cost(0.4, 5_000), True),
        (Cost(0.2, 6), Cost(0.4, 8), False),
    ],
)
def test_what_grows_takes_longer_and_looks_at_more(before: Cost, after: Cost, grows: bool) -> None:  # noqa: FBT001
    """Time alone may be the machine's, pages alone cost nothing; what is too short to be timed goes by its pages."""
    assert Compared("claim", before, after).grows is grows


def test_the_table_tells_both_measures() -> None:
    """Milliseconds and pages, before and after."""
    table = as_table([Compared("claim of 100", Cost(2.0, 1_000), Cost(2.7, 1_400))])

    assert [cell.strip() for cell in table.splitlines()[2].strip("| ").split("|")] == [
        *("claim of 100", "2.00", "2.70", "1.35", "1,000", "1,400", "GROWS"),
    ]


def test_a_little_growth_is_measured() -> None:
    """The command fills, measures and prints a line for each statement."""
    run = CliRunner().invoke(main, ["--scale", "0.001", "--laps", "1", "--dead", "25"])

    named = re.findall(r"^\| ([a-z].*?) +\|", run.output, re.MULTILINE)
    assert {"claim of 100", "settle of 100", "sweep: forget look", "list deliveries: pending"} <= set(named)
    assert "5,000 delivered, 1,000 pending" in run.output
