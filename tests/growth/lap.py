"""What is measured: the product's own functions, each as it is called when Postrider works."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import UUID

from growth.filling import DAYS, LETTER_ERROR
from growth.scene import HEALTHY, MEASURED, Scene

from postrider.domain.delivery import Claimed, DeliveryStatus
from postrider.domain.outcome import Outcome, Verdict
from postrider.pipeline.fan_out import fan_out_tenant
from postrider.pipeline.redrive import PLANNED_AHEAD
from postrider.pipeline.sweep import EXPIRE_LIMIT, FOLD_LIMIT, FORGET_LIMIT, WALK_PAGE
from postrider.store import claims, counts, deliveries, events, folding, forgotten, integrations, losses
from postrider.store.claims import Settlement
from postrider.store.deliveries import DeliveryFilter
from postrider.store.events import EventFilter

BATCH = 100
PAGE = 101
"""What the API reads for a page of a hundred."""
LEASE = timedelta(seconds=30)
HOUR = timedelta(hours=1)

Watch = Callable[[str], AbstractContextManager[object]]
"""Measures what is done inside it, under a name."""


def run_lap(scene: Scene, watch: Watch) -> None:
    """Do everything once; the database holds as much afterwards as before, but for a hundred delivered ones more."""
    _deliver(scene, watch)
    _sweep(scene, watch)
    _list_deliveries(scene, watch)
    _list_the_rest(scene, watch)
    _count(scene, watch)


def _deliver(scene: Scene, watch: Watch) -> None:
    services = scene.house.services
    scene.house.publish(*[MEASURED] * BATCH)
    with watch(f"fan-out of {BATCH} events"):
        assert len(fan_out_tenant(services, scene.tenant).rows) == BATCH
    with watch(f"claim of {BATCH}"):
        claimed = _claim(scene)
    assert len(claimed) == BATCH
    settled = [_settlement(scene, one) for one in claimed]
    with watch(f"settle of {BATCH}"), scene.database.write_once() as tx:
        assert len(claims.any_tenant_settle(tx, settled, now=scene.house.clock.now())) == BATCH


def _claim(scene: Scene) -> list[Claimed]:
    now = scene.house.clock.now()
    with scene.database.write_once() as tx:
        return claims.any_tenant_claim(
            tx,
            scene.healthy[0],
            limit=BATCH,
            alone=False,
            token=scene.house.services.ids.new(),
            now=now,
            lease_until=now + LEASE,
        )


def _settlement(scene: Scene, claimed: Claimed) -> Settlement:
    return Settlement(
        attempt_id=scene.house.services.ids.new(),
        claimed=claimed,
        outcome=Outcome(Verdict.DELIVERED, status_code=200, duration=timedelta(milliseconds=12)),
        decision="finish",
        status=DeliveryStatus.DELIVERED,
        due_at=None,
        reason="",
    )


def _sweep(scene: Scene, watch: Watch) -> None:
    services, now = scene.house.services, scene.house.clock.now()
    with watch("sweep: look"), scene.database.read() as tx:
        forgotten.any_tenant_look(tx, now=now, jobs_before=now + PLANNED_AHEAD)
    with watch(f"sweep: walk {WALK_PAGE:,}"), scene.database.read() as tx:
        integrations.any_tenant_walk(tx, after=None, limit=WALK_PAGE, now=now)
    with watch("sweep: expire"), scene.database.write() as tx:
        assert not losses.any_tenant_expire(tx, services.ids.many(EXPIRE_LIMIT), now=now)
    with watch("sweep: next tenant with waiting events"), scene.database.read() as tx:
        events.any_tenant_next_waiting(tx, after=None)
    options = services.options
    with watch("sweep: forget look"), scene.database.write() as tx:
        events.any_tenant_forgettable(
            tx,
            ended_before=now - options.retention,
            dead_before=now - options.dead_letter_retention,
            after=None,
            limit=FORGET_LIMIT,
        )
    with watch("drain: look for what is to go alone"), scene.database.read() as tx:
        claims.any_tenant_suspect_due(tx, scene.dead[0], now=now)
    with watch("sweep: fold what was counted"), scene.database.write() as tx:
        folding.any_tenant_fold(tx, limit=FOLD_LIMIT)
    with watch("sweep: forget counts"), scene.database.write() as tx:
        folding.any_tenant_forget(tx, now=now, limit=FORGET_LIMIT)
    with watch("sweep: discard orphans"), scene.database.write() as tx:
        deliveries.any_tenant_discard_orphans(tx, now=now, limit=FORGET_LIMIT)


def _list_deliveries(scene: Scene, watch: Watch) -> None:
    one, now = scene.healthy[1], scene.house.clock.now()
    dead, pending = (DeliveryStatus.DEAD,), (DeliveryStatus.PENDING,)
    for name, wanted in {
        "all": DeliveryFilter(),
        "of an integration": DeliveryFilter(integration_id=one),
        "delivered": DeliveryFilter(statuses=(DeliveryStatus.DELIVERED,)),
        "pending": DeliveryFilter(statuses=pending),
        "sending": DeliveryFilter(statuses=(DeliveryStatus.SENDING,)),
        "skipped": DeliveryFilter(statuses=(DeliveryStatus.SKIPPED,)),
        "skipped or discarded": DeliveryFilter(statuses=(DeliveryStatus.SKIPPED, DeliveryStatus.DISCARDED)),
        "pending of a dead integration": DeliveryFilter(
            statuses=(DeliveryStatus.PENDING,), integration_id=scene.dead[1]
        ),
        "with an error": DeliveryFilter(error=LETTER_ERROR),
        "with an error that none has": DeliveryFilter(error="timeout"),
        "before the oldest": DeliveryFilter(until=now - timedelta(days=DAYS * 4)),
        "of an event type that none has": DeliveryFilter(event_type="order.none"),
        "of a day": DeliveryFilter(since=now - timedelta(days=DAYS / 2), until=now - timedelta(days=DAYS / 2 - 1)),
        "dead letters": DeliveryFilter(statuses=dead),
        "dead letters of an integration": DeliveryFilter(statuses=dead, integration_id=one),
        "dead letters of one without": DeliveryFilter(statuses=dead, integration_id=scene.dead[1]),
        "dead letters with an error": DeliveryFilter(statuses=dead, error=LETTER_ERROR),
    }.items():
        with watch(f"list deliveries: {name}"):
            _page(scene, wanted)


def _page(scene: Scene, wanted: DeliveryFilter) -> list[UUID]:
    with scene.database.read() as tx:
        return [one.id for one in deliveries.page(tx, scene.tenant, wanted, before=None, limit=PAGE)]


def _list_the_rest(scene: Scene, watch: Watch) -> None:
    now, tenant = scene.house.clock.now(), scene.tenant
    with watch("list events: all"), scene.database.read() as tx:
        heads = events.page(tx, tenant, EventFilter(), before=None, limit=PAGE)
    with watch("list events: before the oldest"), scene.database.read() as tx:
        old = EventFilter(until=now - timedelta(days=DAYS * 4))
        events.page(tx, tenant, old, before=None, limit=PAGE)
    with watch("list events: of a type that none has"), scene.database.read() as tx:
        events.page(tx, tenant, EventFilter(event_type="order.none"), before=None, limit=PAGE)
    with watch("list deliveries: of an event"):
        (delivery_id,) = _page(scene, DeliveryFilter(event_id=heads[0].id))
    with watch("list attempts: of a delivery"), scene.database.read() as tx:
        deliveries.attempts_of(tx, tenant, delivery_id)
    with watch("list attempts: of an integration"), scene.database.read() as tx:
        deliveries.attempts_page(tx, tenant, integration_id=scene.healthy[1], offset=0, limit=PAGE)
    with watch("list attempts: all"), scene.database.read() as tx:
        deliveries.attempts_page(tx, tenant, offset=0, limit=PAGE)


def _count(scene: Scene, watch: Watch) -> None:
    tenant, one, now = scene.tenant, scene.healthy[1], scene.house.clock.now()
    with watch("count: what happened by the minute"), scene.database.read() as tx:
        counts.series(tx, tenant, integration_id=one, since=now - HOUR, until=now, step=HOUR / 60)
    with watch("count: what happened in a week"), scene.database.read() as tx:
        counts.total(tx, tenant, integration_id=None, since=now - HOUR * 24 * 7, until=now)
    with watch(f"count: what happened to {HEALTHY} integrations in a day"), scene.database.read() as tx:
        counts.attempts_of_each(tx, tenant, scene.healthy, since=now - HOUR * 24, until=now, step=HOUR)
    with watch("count: what waits"), scene.database.read() as tx:
        counts.backlog(tx, tenant)
        counts.backlog_of_each(tx, tenant, scene.healthy)
    with watch("count: the oldest that waits"), scene.database.read() as tx:
        counts.oldest_waiting(tx, tenant)
    with watch("count: the oldest that waits for a dead integration"), scene.database.read() as tx:
        counts.oldest_waiting(tx, tenant, scene.dead[0])
    with watch("count: dead letters by error"), scene.database.read() as tx:
        counts.letter_groups(tx, tenant, limit=PAGE)
