"""The command that plays the matrix, and the table of the README that it printed."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner
from faults.command import as_json, as_table, main
from faults.grounds import Grounds
from faults.matrix import Figures, Row, rows_of_files

README = (Path(__file__).parents[2] / "README.md").read_text()


def _row(name: str) -> Row:
    def play(_: Grounds) -> Figures:
        raise AssertionError("these tests play no row")

    return Row(name, f"{name} is broken", play, long=False)


HELD = Figures(events=5_000, duplicates=3, unknown=4, recovery=2.04, publish_p99=9.96, note="slept well")
FAILED = Figures(events=10, lost=1, broken=("1 lost",))


def test_the_table_tells_every_figure() -> None:
    """A row that held, and one that did not, with what each measured beside its figures."""
    table = as_table([(_row("web"), HELD), (_row("disk"), FAILED)])

    cells = [re.split(r" *\| *", line.strip("| ")) for line in table.splitlines()[2:4]]
    assert cells == [
        ["web is broken", "5,000", "0", "3", "4", "2.0", "10.0", "held"],
        ["disk is broken", "10", "1", "0", "0", "", "", "BROKEN"],
    ]
    assert table.endswith("* web is broken: slept well\n* disk is broken: BROKEN: 1 lost")


def test_json_tells_what_did_not_hold() -> None:
    """Programs get the same, by the rows' names."""
    told = json.loads(as_json({"disk": FAILED}))

    assert told["disk"]["lost"] == 1
    assert told["disk"]["broken"] == ["1 lost"]


def test_a_row_that_does_not_exist_is_refused() -> None:
    """A slip of the pen is told, with the names that there are."""
    answer = CliRunner().invoke(main, ["--row", "worker-kiled"])

    assert answer.exit_code == 2
    assert "worker-killed" in answer.output


def test_the_readme_shows_every_row() -> None:
    """The README's table has each row of the matrix, and none that is gone."""
    told = re.search(r"<!-- faults -->\n(.*?)\n<!-- /faults -->", README, re.DOTALL)
    assert told is not None

    shown = [line.split("|")[1].strip() for line in told[1].splitlines() if line.startswith("| ")][1:]

    assert {row.fault for row in rows_of_files().values()} <= set(shown)
