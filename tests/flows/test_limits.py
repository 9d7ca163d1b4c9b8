"""The limits as the environment sets them, in the real process, with a Redis that hangs."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from flows.installed import API_KEY, Api, Running
from servers.process import free_port
from servers.redis import RedisServer

from postrider.domain.quota import Quota
from postrider.settings import Settings
from postrider.web.limits import Limits
from postrider.web_server import limits

EVENT = {"data": {"type": "event", "event_type": "order.paid", "payload": 1}}


def asked(port: int, key: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"http://127.0.0.1:{port}/v2/events", json=EVENT, headers=headers, trust_env=False, timeout=20)


@pytest.mark.alone
def test_hung_redis_neither_delays_nor_lifts_the_limit(tmp_path: Path) -> None:
    """With Redis frozen from the start, requests are answered at once and the limit holds in the process."""
    port = free_port()
    with RedisServer() as redis:
        redis.pause()
        environment = {
            "POSTRIDER_API_KEY": API_KEY,
            "POSTRIDER_RATE_LIMIT": "20/hour",
            "POSTRIDER_RATE_LIMIT_REDIS_URL": redis.url(),
            "POSTRIDER_FAILED_SIGN_INS": "3",
        }
        with Running(["up", "--port", str(port)], environment=environment, folder=tmp_path) as up, Api(port) as api:
            api.ready()
            asked(port, API_KEY)
            started = time.monotonic()
            answers = [asked(port, API_KEY) for _ in range(20)]
            took = time.monotonic() - started
            guesses = [asked(port, f"guess-{number}").status_code for number in range(5)]
            ended = up.terminate()
        redis.resume()

    assert [answer.status_code for answer in answers] == [202] * 19 + [429]
    assert answers[0].headers["ratelimit-remaining"] == "18"
    assert took < 5
    assert guesses == [401, 401, 401, 429, 429]
    assert ended == 0


@pytest.mark.parametrize(
    ("broker", "own", "counted_at"),
    [
        ("redis://broker:6379/0", "", "redis://broker:6379/0"),
        ("rediss://broker:6379/0", "", "rediss://broker:6379/0"),
        ("redis://broker:6379/0", "redis://own:6379/1", "redis://own:6379/1"),
        ("amqp://broker", "redis://own:6379/1", "redis://own:6379/1"),
        ("amqp://broker", "", None),
        ("memory://localhost", "", None),
    ],
)
def test_processes_count_at_the_brokers_redis_or_their_own(broker: str, own: str, counted_at: str | None) -> None:
    """A Redis that is there is used; without one each process counts alone."""
    settings = Settings.model_validate(
        {"broker_url": broker, "rate_limit_redis_url": own, "rate_limit": "6000/minute", "failed_sign_ins": 7}
    )

    assert limits(settings) == Limits(Quota(6_000, 60), counted_at, 7)


@pytest.mark.parametrize("rate", ["nonsense", "-1/second", "5", "5/fortnight", "0/second"])
def test_rate_that_is_none_is_refused_at_the_start(tmp_path: Path, rate: str) -> None:
    """A mistake in the limit stops the start and names the setting."""
    environment = {"POSTRIDER_RATE_LIMIT": rate}
    with Running(["up", "--port", str(free_port())], environment=environment, folder=tmp_path) as up:
        ended = up.process.wait(60)

    assert ended == 1
    assert "POSTRIDER_RATE_LIMIT" in up.text()
