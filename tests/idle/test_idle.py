"""An idle Postrider costs its servers next to nothing."""

from __future__ import annotations

import pytest
from idle.command import as_text
from idle.count import PROCESSES, Asked, statements_of

SECONDS = 30.0
MOST = {"web process": (10, 10), "worker": (200, 75)}
"""Statements and Redis commands a minute: a worker looks twice a second, and forgets once a minute; each process writes
four times that it is there."""
LOG = """\
@ LOG:  execute _pg3_0: SELECT EXISTS (SELECT *
\tFROM events) AS anon_1
@ LOG:  statement: BEGIN
@ ERROR:  deadlock detected
@ LOG:  execute <unnamed>: SELECT EXISTS (SELECT * FROM events) AS anon_1
"""


def test_the_servers_log_tells_the_statements() -> None:
    """However they were sent, and over however many lines."""
    assert statements_of(LOG) == {"SELECT EXISTS (SELECT * FROM events) AS anon_1": 2, "BEGIN": 1}


def test_the_text_tells_sums_and_parts() -> None:
    """The sums first, then what they are made of."""
    text = as_text("worker", Asked({"BEGIN": 60.0, "COMMIT": 60.0}, {"brpop": 59.6}, 0.164))

    assert text.splitlines() == [
        "an idle worker works 0.16 s of CPU a minute, and asks in it:",
        "  120 statements of PostgreSQL",
        "      60.0  BEGIN",
        "      60.0  COMMIT",
        "  60 commands of Redis",
        "      59.6  brpop",
    ]


@pytest.mark.long
@pytest.mark.parametrize("name", PROCESSES)
def test_idle_processes_ask_for_little(name: str) -> None:
    """Counted by the servers, a minute without work stays under what is shown here."""
    asked = PROCESSES[name](SECONDS)

    statements, commands = MOST[name]
    assert sum(asked.statements.values()) <= statements, as_text(name, asked)
    assert sum(asked.broker.values()) <= commands, as_text(name, asked)
