"""Receivers that never stop talking, against the real process."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from flows.installed import API_KEY, Api, Running
from servers.process import free_port, wait_until
from servers.receiver import Receiver

MIB = 1024 * 1024
WARM, MANY = 200, 1_000
ROOM = 24 * MIB


@pytest.mark.long
def test_a_thousand_endless_answers_leave_the_memory_flat(tmp_path: Path, receiver: Receiver) -> None:
    """Of each answer the first 16 KiB are read; a thousand more of them need no more memory than the first ones."""
    receiver.endless_body()
    port = free_port()
    environment = {"POSTRIDER_API_KEY": API_KEY}
    with Running(["up", "--port", str(port)], environment=environment, folder=tmp_path) as up, Api(port) as api:
        api.ready()
        api.integrate(receiver.url)
        process = psutil.Process(up.process.pid)
        publish(api, WARM)
        wait_until(lambda: api.statuses() == {"delivered": WARM}, "the first are delivered", seconds=60)
        before = process.memory_info().rss

        publish(api, MANY)
        wait_until(lambda: api.statuses() == {"delivered": WARM + MANY}, "all are delivered", seconds=90)

        grown = process.memory_info().rss - before
        newest = api.get("/v2/deliveries")["data"][0]["id"]
        (attempt,) = api.get(f"/v2/deliveries/{newest}")["data"]["attempts"]
    assert grown < ROOM
    assert 0 < len(attempt["response_body"]) <= 16 * 1024


def publish(api: Api, count: int) -> None:
    events = [{"type": "event", "event_type": "order.paid", "payload": number} for number in range(count)]
    api.post("/v2/events", events, status=202)
