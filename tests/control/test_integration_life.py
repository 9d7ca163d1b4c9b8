"""Integrations switched on and off, deleted, tested and given new secrets."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from house import RecordingRing, build_house
from integration_data import URL, published, told, wanted

from postrider.control import integrations, tenants
from postrider.domain.breaker import CLOSED, Breaker
from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.domain.errors import Conflict, NotFound
from postrider.domain.event import EventOrigin
from postrider.domain.integration import Integration
from postrider.domain.news import integration_news
from postrider.pipeline.fan_out import fan_out_round
from postrider.services import Services
from postrider.store import deliveries
from postrider.store import health as health_store
from postrider.store import integrations as store
from postrider.store.deliveries import DeliveryFilter
from postrider.store.engine import Database, Transaction
from postrider.store.health import NO_HEALTH

# -- switching on and off, deleting, testing -------------------------------------------------------------------------


def test_switching_on_sends_what_was_held(services: Services, tenant: UUID, ring: RecordingRing) -> None:
    """Switched on, an integration is rung; switched on twice, nothing more happens."""
    made = integrations.create(services, tenant, wanted(enabled=False))

    integrations.set_enabled(services, tenant, made.id, enabled=True)
    integrations.set_enabled(services, tenant, made.id, enabled=True)

    assert integrations.get(services, tenant, made.id).enabled
    assert ring.rung == [made.id]
    assert [name for name, _ in told(services, tenant)] == ["integration.created", "integration.updated"]


@pytest.mark.parametrize("change", [{"enabled": True}, {"enabled": True, "configuration": {"url": URL}}])
def test_switching_on_forgets_why_it_was_off(services: Services, tenant: UUID, change: dict[str, Any]) -> None:
    """What Postrider switched off starts afresh: no reason, no failures, no parking left."""
    made = integrations.create(services, tenant, wanted())
    _fail_and_disable(services, made)
    assert integrations.get(services, tenant, made.id).disabled_reason == "gone"

    changed = integrations.update(services, tenant, made.id, change)

    assert (changed.enabled, changed.disabled_reason) == (True, "")
    with services.database.read() as tx:
        health = health_store.of(tx, [made.id])[made.id]
    assert (health.failures_in_row, health.failing_since, health.breaker) == (0, None, CLOSED)


def test_other_changes_keep_the_reason(services: Services, tenant: UUID) -> None:
    """A change that does not switch it on again leaves the reason to be read, even if it says `enabled: false`."""
    made = integrations.create(services, tenant, wanted())
    _fail_and_disable(services, made)

    changed = integrations.update(services, tenant, made.id, {"name": "Old", "enabled": False})

    assert changed.disabled_reason == "gone"


def test_a_new_address_is_tried_at_once(services: Services, tenant: UUID, ring: RecordingRing) -> None:
    """A changed configuration rings the integration and forgets its failures; a changed name does not."""
    made = integrations.create(services, tenant, wanted())
    with services.database.write() as tx:
        failed(tx, made.id, "timeout", now=services.clock.now())

    integrations.update(services, tenant, made.id, {"name": "Other"})
    assert ring.rung == []
    integrations.update(services, tenant, made.id, {"configuration": {"url": "https://example.org/"}})

    with services.database.read() as tx:
        health = health_store.of(tx, [made.id])[made.id]
    assert (health.failures_in_row, health.breaker, ring.rung) == (0, CLOSED, [made.id])


def failed(tx: Transaction, integration_id: UUID, error: str, *, now: datetime) -> None:
    breaker = Breaker(10, now, now + timedelta(minutes=5))
    health_store.any_tenant_failed(
        tx, integration_id, before=NO_HEALTH, failures=10, error=error, breaker=breaker, now=now
    )


def _fail_and_disable(services: Services, integration: Integration) -> None:
    now = services.clock.now()
    with services.database.write() as tx:
        failed(tx, integration.id, "http_410", now=now)
        store.any_tenant_disable(tx, integration.id, version=integration.version, reason="gone", now=now)


def test_deleting_discards_what_is_pending(services: Services, tenant: UUID, ring: RecordingRing) -> None:
    """A deleted integration is gone from sight, its pending deliveries are discarded, and that is published."""
    made = integrations.create(services, tenant, wanted())
    other = integrations.create(services, tenant, wanted())
    delivery = _pending(services, made)
    kept = _pending(services, other)

    integrations.delete(services, tenant, made.id)

    assert [one.id for one in integrations.page(services, tenant, offset=0, limit=10).integrations] == [other.id]
    with pytest.raises(NotFound):
        integrations.get(services, tenant, made.id)
    with services.database.read() as tx:
        gone, waiting = (deliveries.get(tx, tenant, each) for each in (delivery, kept))
    assert gone is not None
    assert waiting is not None
    assert (gone.status, gone.reason) == (DeliveryStatus.DISCARDED, "integration_deleted")
    assert waiting.status is DeliveryStatus.PENDING
    assert told(services, tenant)[-1] == (
        "integration.deleted",
        {"type": "integration", "id": str(made.id)},
    )
    assert ring.fan_outs == 3


def test_nothing_can_be_done_to_what_is_gone(services: Services, tenant: UUID) -> None:
    """Deleted, unknown and others' integrations are not found, by whatever is tried on them."""
    gone = integrations.create(services, tenant, wanted())
    integrations.delete(services, tenant, gone.id)
    others = integrations.create(services, tenants.create_tenant(services, name="others").id, wanted())
    before = len(published(services, tenant))

    for integration_id in (gone.id, uuid4(), others.id):
        for attempt in (
            lambda each: integrations.get(services, tenant, each),
            lambda each: integrations.update(services, tenant, each, {"name": "Mine"}),
            lambda each: integrations.set_enabled(services, tenant, each, enabled=True),
            lambda each: integrations.rotate_secret(services, tenant, each),
            lambda each: integrations.send_test(services, tenant, each),
            lambda each: integrations.delete(services, tenant, each),
        ):
            with pytest.raises(NotFound):
                attempt(integration_id)

    assert len(published(services, tenant)) == before
    assert integrations.get(services, others.tenant_id, others.id) == others


def _pending(services: Services, integration: Integration) -> UUID:
    now = services.clock.now()
    delivery = Delivery(
        id=services.ids.new(),
        tenant_id=integration.tenant_id,
        event_id=services.ids.new(),
        integration_id=integration.id,
        event_type="order.paid",
        status=DeliveryStatus.PENDING,
        due_at=now,
        attempt=0,
        round_start=0,
        lost=0,
        reason="",
        error="",
        created_at=now,
        updated_at=now,
    )
    with services.database.write() as tx:
        deliveries.add(tx, integration.tenant_id, [delivery], now=now)
    return delivery.id


def test_a_new_secret_replaces_the_old(services: Services, tenant: UUID) -> None:
    """Rotating gives another secret, which is what is stored, and counts the version up."""
    made = integrations.create(services, tenant, wanted())

    changed = integrations.rotate_secret(services, tenant, made.id)

    assert changed.signing_secret != made.signing_secret
    assert changed.version == made.version + 1
    assert integrations.get(services, tenant, made.id) == changed


def test_a_test_goes_to_one_integration(services: Services, tenant: UUID, ring: RecordingRing) -> None:
    """A test event is fanned out to the integration that it was asked for, whatever it and others observe."""
    made = integrations.create(services, tenant, wanted(observes=["order.paid"]))
    integrations.create(services, tenant, wanted(observes=["postrider.test"]))

    test = integrations.send_test(services, tenant, made.id)
    fan_out_round(services)

    with services.database.read() as tx:
        sent = deliveries.page(tx, tenant, DeliveryFilter(event_id=test.id), before=None, limit=10)
    assert [(one.integration_id, one.event_type) for one in sent] == [(made.id, "postrider.test")]
    assert published(services, tenant)[-1] == test
    assert test.origin is EventOrigin.TEST
    assert ring.fan_outs == 3


def test_what_is_off_is_not_tested(services: Services, tenant: UUID) -> None:
    """A test for a disabled integration is refused, since it would be skipped."""
    made = integrations.create(services, tenant, wanted(enabled=False))

    with pytest.raises(Conflict, match="enable it first"):
        integrations.send_test(services, tenant, made.id)

    assert len(published(services, tenant)) == 1


def test_news_of_a_disabling_holds_no_configuration(services: Services, tenant: UUID) -> None:
    """The event about an automatic disabling says why, and nothing of the configuration, which may hold secrets."""
    made = integrations.create(services, tenant, wanted())

    news = integration_news(services.ids.new(), made, "disabled", now=services.clock.now(), reason="gone")

    said = json.loads(news.payload)["data"]
    assert (news.event_type, said["id"], said["enabled"], said["disabled_reason"]) == (
        "integration.disabled",
        str(made.id),
        False,
        "gone",
    )
    assert {"configuration", "signing_secret"}.isdisjoint(said)


def test_the_whole_life_on_postgresql(postgresql: Database) -> None:
    """PostgreSQL keeps an integration through creation, change, rotation, switching, test and deletion."""
    with build_house(postgresql) as house:
        services, tenant = house.services, house.tenant.id
        made = integrations.create(services, tenant, wanted(description="Zoë's 🛒", observes=["order.*", "*"]))
        changed = integrations.update(services, tenant, made.id, {"configuration": {"url": URL}})
        rotated = integrations.rotate_secret(services, tenant, made.id)
        integrations.set_enabled(services, tenant, made.id, enabled=False)
        enabled = integrations.set_enabled(services, tenant, made.id, enabled=True)
        integrations.send_test(services, tenant, made.id)
        stored = integrations.get(services, tenant, made.id)
        listed = integrations.page(services, tenant, offset=0, limit=10)
        integrations.delete(services, tenant, made.id)

        assert (
            stored
            == enabled
            == replace(
                changed, version=5, signing_secret=rotated.signing_secret, retired_secrets=rotated.retired_secrets
            )
        )
        assert (listed.integrations, listed.total) == ([stored], 1)
        assert integrations.page(services, tenant, offset=0, limit=10).total == 0
        assert [name for name, _ in told(services, tenant)] == [
            "integration.created",
            *["integration.updated"] * 4,
            "postrider.test",
            "integration.deleted",
        ]
