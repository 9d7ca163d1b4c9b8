"""Each scenario of `postrider bench`, played with very little: real figures, and nothing lost."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import pytest
from bench.running import EVENTS, assert_sound, tiny_run
from servers.postgres import PostgresServer
from servers.redis import RedisServer

from postrider.bench import sqs
from postrider.bench.child import BenchFailed
from postrider.bench.plan import SCENARIO_NAMES, Plan
from postrider.bench.run import SCENARIOS, playable
from postrider.bench.stage import WARM_UP

PUBLISHING = ["steady", "steady-lists"]
FAN_OUTS = ["fanout x1", "fanout x10", "fanout x100"]
ELSEWHERE = ["sqs", "stomp"]


@pytest.mark.long
def test_keeps_to_a_rate() -> None:
    """Events that are published at a rate are accepted and delivered at it."""
    report = tiny_run(["steady", "steady-lists"], "--rate", "100")
    figures = assert_sound(report, processes={"steady": {"up"}, "steady-lists": {"up"}})

    assert 80 < figures["steady"]["accepted_per_second"] < 110
    assert 80 < figures["steady"]["per_second"] < 110


@pytest.mark.long
def test_plays_every_other_scenario_embedded() -> None:
    """Lists, fan-out to many and the transports beside webhook work with SQLite and the broker in memory."""
    report = tiny_run(["steady-lists", "fanout", *ELSEWHERE])
    figures = assert_sound(report, processes={name: {"up"} for name in ["steady-lists", *FAN_OUTS, *ELSEWHERE]})

    assert [figures[name]["audit"]["events"] for name in FAN_OUTS] == [EVENTS, EVENTS // 10, EVENTS // 100]
    assert [figures[name]["audit"]["deliveries"] for name in FAN_OUTS] == [EVENTS] * 3


@pytest.mark.long
@pytest.mark.parametrize(
    ("scenarios", "processes"),
    [
        (PUBLISHING, {name: {"web", "worker", "database"} for name in PUBLISHING}),
        (["fanout", *ELSEWHERE], {name: {"worker", "database"} for name in [*FAN_OUTS, *ELSEWHERE]}),
    ],
)
def test_plays_every_other_scenario_distributed(
    postgres_server: PostgresServer,
    redis_server: RedisServer,
    scenarios: Sequence[str],
    processes: Mapping[str, set[str]],
) -> None:
    """With PostgreSQL and Redis it tells the processes and the database's CPU apart."""
    url, broker = postgres_server.create_database(), redis_server.url(db=9)

    report = tiny_run(scenarios, POSTRIDER_DATABASE_URL=url, POSTRIDER_BROKER_URL=broker)

    assert report["mode"] == "distributed"
    assert_sound(report, processes=processes)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers to all of 127.0.0.0/8")
def test_sets_hanging_neighbours_on_against_off() -> None:
    """`neighbours` gives the healthy one's latency with its neighbours off and on, and the ratio of both."""
    figures = assert_sound(tiny_run(["neighbours"], events=40), processes={"neighbours": {"up"}})["neighbours"]

    off, on = figures["latencies"].values()
    (ratio,) = figures["ratios"].values()
    assert ratio == pytest.approx(on["p99"] / off["p99"])
    assert figures["audit"]["events"] == WARM_UP + 80


def test_every_name_has_its_scenario() -> None:
    """What the command line offers can be played, in the same order."""
    assert tuple(SCENARIOS) == SCENARIO_NAMES


def test_says_what_to_install_for_sqs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without moto's server the scenario fails in one sentence; where all are played it is left out with a word."""
    monkeypatch.setitem(sys.modules, "flask_cors", None)
    said: list[str] = []

    left = playable(Plan(("backlog", sqs.NAME), leave_out=True), said.append)

    assert left == ["backlog"]
    assert "pip install 'moto[server]'" in said[0]
    with pytest.raises(BenchFailed, match="moto"):
        playable(Plan((sqs.NAME,)), said.append)
