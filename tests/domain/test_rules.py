"""The rules, as tables of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from postrider.domain.access import TENANT_PERMISSIONS, Permission
from postrider.domain.catalogue import BUILT_IN, ELASTIC_PATH, nearest
from postrider.domain.delivery import FOLLOWS, DeliveryStatus, before
from postrider.domain.ids import uuid7
from postrider.domain.integration import DEFAULT_WAITS, DeliveryPolicy
from postrider.domain.observe import is_name, observes, patterns_for
from postrider.domain.outcome import Outcome, Verdict, excerpt
from postrider.domain.retry import Verb, decide

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
POLICY = DeliveryPolicy()
TEMPORARY = Outcome(Verdict.TEMPORARY, error="http_500")


@pytest.mark.parametrize(
    ("patterns", "event_type", "expected"),
    [
        (["order.paid"], "order.paid", True),
        (["order.paid"], "order.paid.late", False),
        (["order.paid"], "order.created", False),
        (["order.*"], "order.paid", True),
        (["order.*"], "order.item.added", True),
        (["order.*"], "orders.paid", False),
        (["order.*"], "my-order.paid", False),
        (["com.example.*"], "com.example.thing.v2", True),
        (["com.*"], "com.example.thing.v2", True),
        (["com.example.thing.v2.*"], "com.example.thing.v2", False),
        (["*"], "anything.at-all", True),
        (["cart.updated", "order.*"], "order.paid", True),
        ([], "order.paid", False),
    ],
)
def test_observing(patterns: list[str], event_type: str, expected: bool) -> None:  # noqa: FBT001
    """Exact names, the first words and `.*`, and `*` observe; nothing else does."""
    assert observes(patterns, event_type) is expected


@pytest.mark.parametrize("name", ["order.paid", "com.example.thing.v2", "customAPIEntryType.created", "a.b_c-d", "1.2"])
def test_names(name: str) -> None:
    """A name is words joined by dots."""
    assert is_name(name)


@pytest.mark.parametrize(
    "text",
    ["", "order", "order.", ".paid", "order..paid", "order paid.x", "order.*", "*", "ö.x", "a.b\n", "a." + "b" * 200],
)
def test_what_is_no_name(text: str) -> None:
    """What could not stand in a header, a queue attribute or a pattern is no name."""
    assert not is_name(text)


def test_every_pattern_for_a_name_observes_it() -> None:
    """The candidates that the database is asked for are just those that observe."""
    for name in BUILT_IN:
        assert all(observes([pattern], name) for pattern in patterns_for(name))


def test_the_catalogue_is_elastic_paths_and_ours() -> None:
    """51 current keys, 28 of subscriptions, 12 legacy ones; each is a name."""
    assert len(ELASTIC_PATH) == len(set(ELASTIC_PATH)) == 51 + 28 + 12
    assert {"order.cancelled", "subscription.canceled", "product.deleted", "integration.disabled"} <= BUILT_IN
    assert all(is_name(name) for name in BUILT_IN)
    assert nearest("order.payed", BUILT_IN) == "order.paid"


@pytest.mark.parametrize(
    ("outcome", "verb", "reason"),
    [
        (Outcome(Verdict.DELIVERED), Verb.FINISH, ""),
        (TEMPORARY, Verb.RETRY, ""),
        (Outcome(Verdict.UNKNOWN, error="stopped"), Verb.RETRY, ""),
        (Outcome(Verdict.PERMANENT, error="address_refused"), Verb.BURY, "address_refused"),
        (Outcome(Verdict.PERMANENT, error="http_410", gone=True), Verb.BURY, "http_410"),
    ],
)
def test_what_follows_an_outcome(outcome: Outcome, verb: Verb, reason: str) -> None:
    """Delivered finishes, what may pass is tried again, what will not is buried with its reason."""
    decision = decide(outcome, attempts_made=1, policy=POLICY, now=NOW, randomness=0.5)

    assert (decision.verb, decision.reason) == (verb, reason)


@pytest.mark.parametrize(("attempts_made", "wait"), list(enumerate(DEFAULT_WAITS, start=1)))
def test_the_schedule(attempts_made: int, wait: timedelta) -> None:
    """Each failed attempt waits as the schedule says; in the middle of the jitter exactly so."""
    decision = decide(TEMPORARY, attempts_made=attempts_made, policy=POLICY, now=NOW, randomness=0.5)

    assert decision.due_at == NOW + wait


def test_the_schedule_ends() -> None:
    """The eighth failure is the last."""
    decision = decide(TEMPORARY, attempts_made=8, policy=POLICY, now=NOW, randomness=0.5)

    assert (decision.verb, decision.reason) == (Verb.BURY, "attempts_exhausted")


@pytest.mark.parametrize(("randomness", "seconds"), [(0.0, 80), (0.5, 100), (0.999999, 119.99996)])
def test_jitter_is_a_fifth_either_way(randomness: float, seconds: float) -> None:
    """Waits are spread so that failures do not come back in step."""
    policy = DeliveryPolicy(retry_waits=(timedelta(seconds=100),))

    decision = decide(TEMPORARY, attempts_made=1, policy=policy, now=NOW, randomness=randomness)

    assert decision.due_at is not None
    assert (decision.due_at - NOW).total_seconds() == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (timedelta(seconds=1), timedelta(seconds=5)),
        (timedelta(hours=1), timedelta(hours=1)),
        (timedelta(days=9), timedelta(hours=24)),
    ],
)
def test_the_longer_of_schedule_and_retry_after(wish: timedelta, expected: timedelta) -> None:
    """A far side that asks to be left alone is, for at most a day."""
    outcome = Outcome(Verdict.TEMPORARY, error="http_429", retry_after=wish)

    decision = decide(outcome, attempts_made=1, policy=POLICY, now=NOW, randomness=0.5)

    assert decision.due_at == NOW + expected


def test_statuses_follow_the_table() -> None:
    """Only sending can be delivered, nothing follows by itself, and every status has a way in but the first."""
    assert before(DeliveryStatus.DELIVERED) == (DeliveryStatus.SENDING,)
    assert set(before(DeliveryStatus.DEAD)) == {DeliveryStatus.SENDING, DeliveryStatus.DISCARDED}
    assert all(status not in later for status, later in FOLLOWS.items())
    assert set(FOLLOWS) == set(DeliveryStatus)


def test_ids_sort_by_time() -> None:
    """An id is a UUIDv7 whose first 48 bits are the milliseconds of its making."""
    earlier, later = uuid7(NOW, 2**74 - 1), uuid7(NOW + timedelta(milliseconds=1), 0)

    assert earlier < later
    assert (earlier.version, later.variant) == (7, UUID(int=0x8 << 60).variant)
    assert later.int >> 80 == int(NOW.timestamp() * 1000) + 1


def test_an_excerpt_is_text_for_every_database() -> None:
    """Bytes that are no UTF-8, NUL and endless answers become text of bounded length."""
    assert excerpt(b"a\x00b\xff") == "ab\ufffd"
    assert len(excerpt(b"x" * 100_000)) == 16 * 1024


def test_a_tenants_key_manages_no_tenants() -> None:
    """Only operators' keys do."""
    assert set(Permission) - {Permission.TENANTS_MANAGE} == TENANT_PERMISSIONS
