"""How many rings wait is told by every kind of broker, and nobody waits for one that does not answer."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from servers.proxy import Proxy
from servers.rabbitmq import RabbitMqServer
from servers.redis import RedisServer

from postrider.bell.app import DELIVER_TASK, FAN_OUT_TASK, Bell, make_app
from postrider.bell.depths import QueueDepths

PATIENCE = 10.0


def ring(app: Bell) -> None:
    """Ring one bell once and the other twice."""
    app.send_task(FAN_OUT_TASK, ignore_result=True)
    for _ in range(2):
        app.send_task(DELIVER_TASK, args=(["x"],), ignore_result=True)


def check(url: str) -> None:
    prefix = uuid4().hex
    app = make_app(url, prefix=prefix)
    asked = QueueDepths(app)

    before = asked.depths(timeout_seconds=PATIENCE)
    ring(app)
    after = asked.depths(timeout_seconds=PATIENCE)

    assert before == {f"{prefix}.fan_out": 0, f"{prefix}.deliver": 0}
    assert after == {f"{prefix}.fan_out": 1, f"{prefix}.deliver": 2}
    app.close()


def test_memory_tells() -> None:
    """Of the queues in this process; looking takes nothing out of them."""
    check("memory://localhost")


def test_redis_tells(redis_server: RedisServer) -> None:
    """An empty queue does not exist there, which is no error."""
    check(redis_server.url())


def test_rabbitmq_tells(rabbitmq_server: RabbitMqServer) -> None:
    """Nor does one that nobody has listened to yet."""
    check(rabbitmq_server.url)


@pytest.mark.quiet
def test_a_broker_that_hangs_holds_up_nobody(redis_server: RedisServer) -> None:
    """However many look: they are told that it does not answer, by one question; then it is asked again."""
    with Proxy(redis_server.port) as proxy:
        app = make_app(proxy.through(redis_server.url()), prefix=uuid4().hex)
        asked = QueueDepths(app)
        proxy.hang()
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: asked.depths(timeout_seconds=0.2), range(8)))
        took = time.monotonic() - began
        proxy.heal()
        until = time.monotonic() + 20
        while (healed := asked.depths(timeout_seconds=1)) is None and time.monotonic() < until:
            pass

    assert answers == [None] * 8
    assert took < 1.0
    assert healed is not None
    assert set(healed.values()) == {0}


def test_a_broker_that_is_gone_says_nothing() -> None:
    """Nobody listens at the address."""
    assert QueueDepths(make_app("redis://127.0.0.1:9/0")).depths(timeout_seconds=PATIENCE) is None
