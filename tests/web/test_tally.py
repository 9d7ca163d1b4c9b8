"""Counting alone and together, with Redis well and sick."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import pytest
from limits.storage import RedisStorage
from servers.process import wait_until
from servers.redis import RedisServer

from postrider.domain.quota import Quota
from postrider.web import limits
from postrider.web.tally import Tally

TEN = Quota(10, 60)


class Clock:
    """Seconds that stand still until they are moved."""

    def __init__(self) -> None:
        self.now = 6_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextmanager
def tallies(redis: RedisServer, clock: Clock, count: int = 2, quota: Quota = TEN) -> Iterator[list[Tally]]:
    """Make what so many processes would have, counting together."""
    with ExitStack() as stack:
        made = [Tally(quota, shared=storage(redis), clock=clock) for _ in range(count)]
        for one in made:
            stack.callback(one.close)
        yield made


def storage(redis: RedisServer) -> RedisStorage:
    made = limits.shared_storage(limits.Limits(redis_url=redis.url()))
    assert made is not None
    return made


def taken(tally: Tally, key: object, count: int) -> int:
    """Try so often; tell how many passed."""
    return sum(tally.take(key).allowed for _ in range(count))


def test_only_the_quota_passes(clock: Clock) -> None:
    """Ten pass, the eleventh does not, and others count for themselves."""
    tally = Tally(TEN, clock=clock)

    assert taken(tally, "a", 20) == 10
    assert taken(tally, "b", 20) == 10


def test_refused_ones_do_not_count(clock: Clock) -> None:
    """Who goes on asking is not kept out for it: as the window slides, the next ones pass."""
    tally = Tally(TEN, clock=clock)
    taken(tally, "a", 1_000)

    clock.now += 60 + 30

    assert taken(tally, "a", 1_000) == 5


def test_there_is_no_double_burst_where_two_windows_meet(clock: Clock) -> None:
    """What passed at the end of one window still counts at the beginning of the next."""
    tally = Tally(TEN, clock=clock)
    clock.now += 59
    taken(tally, "a", 10)

    clock.now += 1

    assert taken(tally, "a", 10) == 0


def test_looking_counts_nothing(clock: Clock) -> None:
    """Whoever only looks takes nothing away."""
    tally = Tally(TEN, clock=clock)

    assert all(tally.look("a").allowed for _ in range(100))
    assert taken(tally, "a", 20) == 10
    assert not tally.look("a").allowed


def test_memory_is_bounded(clock: Clock) -> None:
    """However many are counted, only so many are remembered: the oldest go."""
    tally = Tally(TEN, clock=clock, most=100)

    for number in range(10_000):
        tally.take(number)

    assert len(tally) == 100
    assert taken(tally, 9_999, 20) == 9


def test_threads_count_exactly(clock: Clock) -> None:
    """Many threads together get no more than one would."""
    tally, passed = Tally(Quota(500, 60), clock=clock), list[int]()
    threads = [threading.Thread(target=lambda: passed.append(taken(tally, "a", 200))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(passed) == 500


def test_processes_count_together(redis_server: RedisServer, clock: Clock) -> None:
    """What one process let through is missing in the other, a moment later, and in a later window too."""
    key = uuid4()
    with tallies(redis_server, clock) as (one, other):
        taken(one, key, 6)
        wait_until(lambda: storage(redis_server).get(f"10:60:{key}:100000") == 6, "it is added up", seconds=10)

        other.take(key)
        wait_until(lambda: other.look(key).remaining == 2, "the other knows", seconds=10)

        assert taken(other, key, 10) == 3
        clock.now += 60
        assert taken(other, key, 10) == 0


def test_process_that_comes_later_learns_what_was_counted_before(redis_server: RedisServer, clock: Clock) -> None:
    """A new process, or one that was idle, soon knows the window before it too."""
    key = uuid4()
    with tallies(redis_server, clock, 1) as (one,):
        assert taken(one, key, 10) == 10
        wait_until(lambda: storage(redis_server).get(f"10:60:{key}:100000") == 10, "it is added up", seconds=10)
    clock.now += 60
    with tallies(redis_server, clock, 1) as (late,):
        late.take(key)

        wait_until(lambda: not late.look(key).allowed, "the late one knows", seconds=10)


@pytest.mark.alone
def test_hung_redis_delays_and_refuses_nobody(clock: Clock) -> None:
    """With Redis stopped, taking costs microseconds as ever, and each process counts alone."""
    with RedisServer() as redis, tallies(redis, clock, 1, Quota(1_000_000, 60)) as (tally,):
        tally.take("warm")
        redis.pause()
        started = time.monotonic()

        passed = taken(tally, "a", 20_000)

        took = time.monotonic() - started
        redis.resume()
    assert passed == 20_000
    assert took < 2


def test_redis_that_is_gone_leaves_each_process_its_own_count(clock: Clock) -> None:
    """Without Redis the quota holds in each process."""
    with RedisServer() as redis:
        pass
    with tallies(redis, clock) as both:
        assert [taken(one, "a", 20) for one in both] == [10, 10]
