"""The numbers that are promised to users, as they are written down for them."""

from __future__ import annotations

from datetime import timedelta

from postrider.domain.delivery import LOST_ALONE, LOST_LIMIT
from postrider.domain.integration import DeliveryPolicy


def test_the_default_policy() -> None:
    """Ten seconds an attempt, any 2xx; waits of 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h."""
    policy = DeliveryPolicy()

    hours = [wait / timedelta(hours=1) for wait in policy.retry_waits[3:]]
    assert policy.timeout == timedelta(seconds=10)
    assert policy.success_statuses == ((200, 299),)
    assert policy.retry_waits[:3] == (timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30))
    assert hours == [2, 5, 10, 10]


def test_how_often_a_worker_may_be_lost() -> None:
    """Lost twice, a delivery goes alone; lost five times, it is buried."""
    assert (LOST_ALONE, LOST_LIMIT) == (2, 5)
