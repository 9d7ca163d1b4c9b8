"""What a record of a change says, and what it keeps to itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from postrider.domain.access import plain_address
from postrider.domain.audit import MOST_OBSERVED, Action, FieldChange, integration_changes, plain_url, shown
from postrider.domain.ids import first_at, uuid7
from postrider.domain.integration import DeliveryPolicy, Integration

NOW = datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC)
OLD = Integration(
    id=UUID(int=1),
    tenant_id=UUID(int=2),
    integration_type="webhook",
    name="hook",
    description="what it is for",
    enabled=True,
    observes=("order.paid",),
    configuration={"url": "https://example.com/a?token=x", "secret_key": "canary"},
    policy=DeliveryPolicy(),
    signing_secret="whsec_canary",
    version=1,
    created_at=NOW,
    updated_at=NOW,
)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.com/services/canary", "https://example.com/…"),
        ("https://example.com:8443/orders?token=canary", "https://example.com:8443/…"),
        ("https://canary:canary@example.com/orders#canary", "https://example.com/…"),
        ("https://a@canary@example.com/", "https://example.com/"),
        ("http://[::1]:9/x;y", "http://[::1]:9/…"),
        ("https://[canary/", None),
        ("canary", None),
        ("/canary", None),
        ("mailto:canary@example.com", None),
        ("https://canary@/", None),
        ("", None),
    ],
)
def test_a_url_is_told_without_what_may_be_secret(url: str, told: str | None) -> None:
    """User name, password, path, query and fragment are left out, and what is no absolute URL altogether."""
    assert plain_url(url) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"name": "new"}, [shown("name", "hook", "new")]),
        ({"enabled": False}, [shown("enabled", old=True, new=False)]),
        ({"observes": ("*",)}, [shown("observes", ["order.paid"], ["*"])]),
        ({"description": "canary"}, [FieldChange("description")]),
        ({"signing_secret": "whsec_other"}, [FieldChange("signing_secret")]),
        ({"policy": DeliveryPolicy(timeout=timedelta(seconds=1))}, [FieldChange("delivery")]),
        (
            {"configuration": {"url": "https://example.org/b?token=y"}},
            [
                FieldChange("configuration.secret_key"),
                shown("configuration.url", "https://example.com/…", "https://example.org/…"),
            ],
        ),
        ({"configuration": {**OLD.configuration, "secret_key": "other"}}, [FieldChange("configuration.secret_key")]),
        ({"configuration": {**OLD.configuration, "region": "eu"}}, [FieldChange("configuration.region")]),
    ],
)
def test_only_harmless_values_are_told(changes: dict[str, object], told: list[FieldChange]) -> None:
    """A change names every field that differs, and shows the values of name, switch, `observes` and plain URL."""
    assert list(integration_changes(OLD, replace(OLD, **changes), secret_names={"secret_key"})) == told  # type: ignore[arg-type]


def test_a_url_that_is_declared_secret_is_not_told() -> None:
    """A type of integration whose `url` is a secret keeps it."""
    new = replace(OLD, configuration={**OLD.configuration, "url": "https://example.com/canary"})

    assert integration_changes(OLD, new, secret_names={"secret_key", "url"}) == (FieldChange("configuration.url"),)


def test_a_new_integration_is_told_without_its_secrets() -> None:
    """What is there from the start is told as a change from nothing."""
    told = integration_changes(None, OLD, secret_names={"secret_key"})

    assert {change.field for change in told} == {
        "name", "integration_type", "enabled", "observes", "description", "signing_secret", "configuration.url",
        "configuration.secret_key",
    }  # fmt: skip
    assert "canary" not in str(told)


def test_long_lists_are_cut() -> None:
    """A record stays small whatever is observed."""
    new = replace(OLD, observes=tuple(f"order.n{number}" for number in range(10_000)))

    (change,) = integration_changes(OLD, new, secret_names=())

    assert len(change.new) == MOST_OBSERVED + 1


def test_every_action_says_what_it_is_done_to() -> None:
    """The first word of an action is a type of object."""
    assert {action.value for action in Action} == {f"{a.object_type}.{a.value.partition('.')[2]}" for a in Action}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("203.0.113.7", "203.0.113.7"), ("2001:DB8::1", "2001:db8::1"), ("fe80::1%eth0", "fe80::1"), ("", ""),
        ("unknown", ""), ("<script>", ""), ("203.0.113.7:80", ""), ("fe80::1%" + "x" * 9_000, "fe80::1"),
    ],
)  # fmt: skip
def test_an_address_is_an_address(host: str, address: str) -> None:
    """What a proxy passes on as the client's address is kept only when it is one."""
    assert plain_address(host) == address


def test_ids_can_be_cut_at_a_moment() -> None:
    """The first id of a moment lies behind all of the millisecond before, and before all of its own."""
    before, after = uuid7(NOW - timedelta(milliseconds=1), (1 << 74) - 1), uuid7(NOW, 0)

    assert before < first_at(NOW) <= after
    assert first_at(datetime(1, 1, 1, tzinfo=UTC)) < before
