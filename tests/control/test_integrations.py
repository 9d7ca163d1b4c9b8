"""Integrations as people manage them: what is refused, what is kept, and what is published about it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from house import House, MovableClock, RecordingRing, build_house

from postrider.control import event_types, integrations, tenants
from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.domain.errors import Conflict, InvalidInput, NotFound
from postrider.domain.event import Event, EventOrigin
from postrider.domain.integration import DeliveryPolicy, Integration
from postrider.domain.news import integration_news
from postrider.pipeline.fan_out import fan_out_round
from postrider.services import Services
from postrider.store import deliveries, events
from postrider.store import integrations as store
from postrider.store.deliveries import DeliveryFilter
from postrider.store.engine import Database
from postrider.store.events import EventFilter
from postrider.store.integrations import NO_HEALTH

URL = "https://example.com/orders"
ACCESS_KEY_ID, SECRET_ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SQS = {
    "url": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
    "aws_access_key_id": ACCESS_KEY_ID,
    "aws_secret_access_key": SECRET_ACCESS_KEY,
    "region": "eu-west-1",
}
STOMP = {
    "addresses": ["stomp+ssl://mq-1.example.com:61614"],
    "destination": "/queue/orders",
    "username": "u",
    "password": "correct horse",
}
ABSENT = object()


@pytest.fixture
def house(sqlite: Database) -> Iterator[House]:
    """Build a house over SQLite alone: what is said here is said of rules, not of databases."""
    with build_house(sqlite) as built:
        yield built


@pytest.fixture
def services(house: House) -> Services:
    return house.services


@pytest.fixture
def tenant(house: House) -> UUID:
    return house.tenant.id


@pytest.fixture
def ring(house: House) -> RecordingRing:
    return house.ring


@pytest.fixture
def clock(house: House) -> MovableClock:
    return house.clock


def published(services: Services, tenant: UUID) -> list[Event]:
    """List the tenant's events, oldest first."""
    with services.database.read() as tx:
        return events.page(tx, tenant, EventFilter(), before=None, limit=100)[::-1]


def wanted(**changes: Any) -> dict[str, Any]:
    """Make the `data` of a webhook, with members changed, added or (ABSENT) left out."""
    data = {
        "type": "integration",
        "name": "Orders",
        "enabled": True,
        "observes": ["order.paid"],
        "configuration": {"url": URL, "secret_key": "squirrel-1234"},
        **changes,
    }
    return {name: value for name, value in data.items() if value is not ABSENT}


def events_about(services: Services, tenant: UUID) -> list[tuple[str, Any]]:
    return [(event.event_type, json.loads(event.payload)["data"]) for event in published(services, tenant)]


# -- creating ------------------------------------------------------------------------------------------------------


def test_what_was_given_is_what_is_stored(services: Services, tenant: UUID) -> None:
    """A new integration holds what was given, and the documented defaults for the rest."""
    made = integrations.create(services, tenant, wanted(enabled=ABSENT))

    assert integrations.get(services, tenant, made.id) == made
    assert made == replace(
        made,
        tenant_id=tenant,
        integration_type="webhook",
        name="Orders",
        description="",
        enabled=False,
        observes=("order.paid",),
        configuration={"url": URL, "secret_key": "squirrel-1234"},
        policy=DeliveryPolicy(),
        version=1,
        disabled_reason="",
    )


def test_signing_secrets_are_long_and_differ(services: Services, tenant: UUID) -> None:
    """Each integration signs with 32 random bytes of its own."""
    first, second = (integrations.create(services, tenant, wanted()) for _ in range(2))

    assert first.signing_secret != second.signing_secret
    assert len(base64.b64decode(first.signing_secret.removeprefix("whsec_"), validate=True)) == 32


@pytest.mark.parametrize(
    "observes",
    [["*"], ["order.*"], ["order.paid", "cart.*", "customer.created"], ["postrider.*"], ["shop.door.opened", "shop.*"]],
)
def test_known_types_and_their_patterns_are_observed(services: Services, tenant: UUID, observes: list[str]) -> None:
    """Names of known event types, their first words with `.*`, and `*` are taken; a tenant's own count as known."""
    event_types.add(services, tenant, name="shop.door.opened")

    made = integrations.create(services, tenant, wanted(observes=observes))

    assert list(made.observes) == observes


def test_more_than_five_types_are_observed(services: Services, tenant: UUID) -> None:
    """Elastic Path's limit of five is not ours, and a name given twice is one."""
    names = sorted(event_types.known(services, tenant))

    made = integrations.create(services, tenant, wanted(observes=names + names))

    assert list(made.observes) == names


def test_creation_is_published(services: Services, tenant: UUID, ring: RecordingRing) -> None:
    """`integration.created` carries the integration as a reader sees it, and fan-out is rung."""
    made = integrations.create(services, tenant, wanted())

    assert events_about(services, tenant) == [
        ("integration.created", integrations.document(services, made, for_writer=False))
    ]
    assert published(services, tenant)[0].origin is EventOrigin.POSTRIDER
    assert ring.fan_outs == 1


@pytest.mark.parametrize(
    ("kind", "configuration", "secrets"),
    [
        ("webhook", {"url": URL, "secret_key": "squirrel-1234"}, ["squirrel-1234"]),
        ("aws_sqs", SQS, [ACCESS_KEY_ID, SECRET_ACCESS_KEY]),
        ("stomp", STOMP, ["correct horse"]),
    ],
)
def test_no_secret_is_published(
    services: Services, tenant: UUID, kind: str, configuration: dict[str, Any], secrets: list[str]
) -> None:
    """No event about an integration holds a secret of it, whatever its type and whatever is done to it."""
    made = integrations.create(services, tenant, wanted(integration_type=kind, configuration=configuration))
    changed = integrations.rotate_secret(services, tenant, made.id)
    integrations.update(services, tenant, made.id, {"name": "Other"})
    integrations.send_test(services, tenant, made.id)
    integrations.delete(services, tenant, made.id)

    told = b"".join(event.payload for event in published(services, tenant)).decode()

    assert len(published(services, tenant)) == 5
    assert not [secret for secret in [*secrets, made.signing_secret, changed.signing_secret] if secret in told]


# -- what is refused -------------------------------------------------------------------------------------------------

WRONG_MEMBERS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "webhook"}, "data.type", 'must be "integration"'),
    ({"type": None}, "data.type", 'must be "integration"'),
    ({"name": ""}, "data.name", "1 to 255"),
    ({"name": " \t"}, "data.name", "not only spaces"),
    ({"name": "n" * 256}, "data.name", "1 to 255"),
    ({"name": 7}, "data.name", "must be text"),
    ({"name": None}, "data.name", "must be text"),
    ({"name": "a\x00b"}, "data.name", "NUL"),
    ({"name": "a\ud800b"}, "data.name", "surrogate"),
    ({"description": "d" * 2_001}, "data.description", "2,000"),
    ({"description": None}, "data.description", "must be text"),
    ({"enabled": "true"}, "data.enabled", "true or false"),
    ({"enabled": 1}, "data.enabled", "true or false"),
    ({"enabled": None}, "data.enabled", "true or false"),
    ({"observes": []}, "data.observes", "at least one"),
    ({"observes": "order.paid"}, "data.observes", "must be a list"),
    ({"observes": {"0": "order.paid"}}, "data.observes", "must be a list"),
    ({"observes": ["order.paid", "cart.updated", "order.payed"]}, "data.observes.2", "did you mean order.paid?"),
    ({"observes": ["ordr.*"]}, "data.observes.0", "did you mean order.*?"),
    ({"observes": ["order*"]}, "data.observes.0", "did you mean order.*?"),
    ({"observes": ["*.paid"]}, "data.observes.0", "is not a known event type"),
    ({"observes": ["order.paid", 5]}, "data.observes.1", "as text"),
    ({"observes": [["order.paid"]]}, "data.observes.0", "as text"),
    ({"observes": [""]}, "data.observes.0", "is not a known event type"),
    ({"observes": ["x" * 10_000]}, "data.observes.0", "is not a known event type"),
    ({"integration_type": "aws-sqs"}, "data.integration_type", "did you mean aws_sqs?"),
    ({"integration_type": "email"}, "data.integration_type", "aws_sqs, stomp, webhook"),
    ({"integration_type": None}, "data.integration_type", "must be text"),
    ({"integration_type": ["webhook"]}, "data.integration_type", "must be text"),
    ({"configuration": None}, "data.configuration", "must be an object"),
    ({"configuration": [URL]}, "data.configuration", "must be an object"),
    ({"configuration": {}}, "data.configuration.url", "is required"),
    ({"configuration": {"url": "ftp://example.com"}}, "data.configuration.url", "https://"),
    ({"configuration": {"url": 5}}, "data.configuration.url", "string"),
    ({"configuration": {"url": URL, "colour": "red"}}, "data.configuration.colour", "its fields are url, secret_key"),
    ({"configuration": {"url": URL, "secret_key": "********abcd"}}, "data.configuration.secret_key", "masked"),
    ({"configuration": {"url": URL, "secret_key": "a\x00b"}}, "data.configuration.secret_key", "NUL"),
    (
        {"integration_type": "aws_sqs", "configuration": {"url": SQS["url"]}},
        "data.configuration.aws_access_key_id",
        "is required",
    ),
    ({"integration_type": "stomp", "configuration": {}}, "data.configuration.addresses", "is required"),
    ({"delivery": []}, "data.delivery", "must be an object"),
    ({"delivery": None}, "data.delivery", "must be an object"),
    ({"delivery": {"rate_limit": 5}}, "data.delivery.rate_limit", "timeout_seconds, retry_waits, success_statuses"),
    ({"delivery": {"timeout_seconds": 0}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"timeout_seconds": 60.1}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"timeout_seconds": 1e-9}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"timeout_seconds": float("nan")}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"timeout_seconds": True}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"timeout_seconds": "10"}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"retry_waits": 5}}, "data.delivery.retry_waits", "list"),
    ({"delivery": {"retry_waits": [1] * 31}}, "data.delivery.retry_waits", "up to 30"),
    ({"delivery": {"retry_waits": [5, 0.5]}}, "data.delivery.retry_waits.1", "from 1 to 604,800"),
    ({"delivery": {"retry_waits": [604_801]}}, "data.delivery.retry_waits.0", "from 1 to 604,800"),
    ({"delivery": {"retry_waits": [5, None]}}, "data.delivery.retry_waits.1", "from 1 to 604,800"),
    ({"delivery": {"success_statuses": []}}, "data.delivery.success_statuses", "1 to 50"),
    ({"delivery": {"success_statuses": "2xx"}}, "data.delivery.success_statuses", "1 to 50"),
    ({"delivery": {"success_statuses": [200, 404]}}, "data.delivery.success_statuses.1", "from 200 to 399"),
    ({"delivery": {"success_statuses": ["200-500"]}}, "data.delivery.success_statuses.0", "from 200 to 399"),
    ({"delivery": {"success_statuses": ["299-200"]}}, "data.delivery.success_statuses.0", "from 200 to 399"),
    ({"delivery": {"success_statuses": [True]}}, "data.delivery.success_statuses.0", "from 200 to 399"),
    ({"delivery": {"success_statuses": ["2xx"]}}, "data.delivery.success_statuses.0", "from 200 to 399"),
    ({"delivery": {"max_in_flight": 0}}, "data.delivery.max_in_flight", "from 1 to 1,000"),
    ({"delivery": {"max_in_flight": 1_001}}, "data.delivery.max_in_flight", "from 1 to 1,000"),
    ({"delivery": {"max_in_flight": 2.0}}, "data.delivery.max_in_flight", "from 1 to 1,000"),
    ({"delivery": {"max_in_flight": True}}, "data.delivery.max_in_flight", "from 1 to 1,000"),
    ({"note": {"text": "a\x00b"}}, "data.note.text", "NUL"),
    ({"note": json.loads("[" * 100 + "]" * 100)}, "data.note" + ".0" * 32, "deeper than 32"),
]


@pytest.mark.parametrize(("members", "pointer", "words"), WRONG_MEMBERS)
def test_wrong_members_make_no_integration(
    services: Services, tenant: UUID, members: dict[str, Any], pointer: str, words: str
) -> None:
    """A wrong member is named with what is wrong with it, and nothing is stored or published."""
    with pytest.raises(InvalidInput) as refused:
        integrations.create(services, tenant, wanted(**members))

    assert refused.value.pointer == pointer
    assert words in refused.value.detail
    assert integrations.page(services, tenant, offset=0, limit=1).total == 0
    assert published(services, tenant) == []


@pytest.mark.parametrize(("members", "pointer", "words"), WRONG_MEMBERS)
def test_wrong_members_change_no_integration(
    services: Services, tenant: UUID, ring: RecordingRing, members: dict[str, Any], pointer: str, words: str
) -> None:
    """A wrong member beside right ones changes none of them."""
    made = integrations.create(services, tenant, wanted())

    with pytest.raises(InvalidInput) as refused:
        integrations.update(services, tenant, made.id, {"description": "New", **members})

    assert refused.value.pointer == pointer
    assert words in refused.value.detail
    assert integrations.get(services, tenant, made.id) == made
    assert len(published(services, tenant)) == ring.fan_outs == 1


@pytest.mark.parametrize("name", ["type", "name", "observes", "configuration"])
def test_missing_members_are_named(services: Services, tenant: UUID, name: str) -> None:
    """What a new integration needs and was not given is named."""
    with pytest.raises(InvalidInput, match=f"{name}: is required") as refused:
        integrations.create(services, tenant, wanted(**{name: ABSENT}))

    assert refused.value.pointer == f"data.{name}"


@pytest.mark.parametrize("data", [None, [], "text", 5])
def test_data_must_be_an_object(services: Services, tenant: UUID, data: object) -> None:
    """Anything but an object is refused, for new integrations and for changes."""
    made = integrations.create(services, tenant, wanted())

    for change in (
        lambda: integrations.create(services, tenant, data),
        lambda: integrations.update(services, tenant, made.id, data),
    ):
        with pytest.raises(InvalidInput, match="must be an object") as refused:
            change()
        assert refused.value.pointer == "data"


def test_unknown_members_are_left_alone(services: Services, tenant: UUID) -> None:
    """Members that an integration has not are ignored, and those that only Postrider sets."""
    made = integrations.create(services, tenant, wanted(colour="red", id=str(uuid4()), health={}, links=None))

    assert "red" not in repr(made)


# -- changing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "Paid"}, {"name": "Paid"}),
        ({"description": "Why"}, {"description": "Why"}),
        ({"enabled": False}, {"enabled": False}),
        ({"observes": ["cart.*"]}, {"observes": ("cart.*",)}),
        ({"configuration": {"url": "https://example.org/"}}, {"configuration": {"url": "https://example.org/"}}),
        (
            {"integration_type": "aws_sqs", "configuration": SQS},
            {"integration_type": "aws_sqs", "configuration": SQS},
        ),
        (
            {"delivery": {"timeout_seconds": 2.5, "max_in_flight": 3}},
            {"policy": DeliveryPolicy(timeout=timedelta(seconds=2.5), max_in_flight=3)},
        ),
        ({"delivery": {"retry_waits": []}}, {"policy": DeliveryPolicy(retry_waits=())}),
        (
            {"delivery": {"success_statuses": [200, "301-302", 200]}},
            {"policy": DeliveryPolicy(success_statuses=((200, 200), (301, 302)))},
        ),
    ],
)
def test_only_what_is_given_changes(
    services: Services, tenant: UUID, clock: MovableClock, change: dict[str, Any], expected: dict[str, Any]
) -> None:
    """A change touches what it names, counts the version up, and is published."""
    made = integrations.create(services, tenant, wanted())
    clock.move(minutes=1)

    changed = integrations.update(services, tenant, made.id, {"type": "integration", **change})

    assert changed == replace(made, version=2, updated_at=clock.now(), **expected)
    assert integrations.get(services, tenant, made.id) == changed
    assert events_about(services, tenant)[1:] == [
        ("integration.updated", integrations.document(services, changed, for_writer=False))
    ]


def test_policies_change_in_part(services: Services, tenant: UUID) -> None:
    """A `delivery` object changes what it names of an earlier one, and keeps the rest."""
    made = integrations.create(services, tenant, wanted(delivery={"timeout_seconds": 3, "max_in_flight": 4}))

    changed = integrations.update(services, tenant, made.id, {"delivery": {"max_in_flight": 5}})

    assert changed.policy == DeliveryPolicy(timeout=timedelta(seconds=3), max_in_flight=5)


@pytest.mark.parametrize("data", [{}, {"type": "integration"}, {"name": "Orders"}, {"enabled": True, "colour": "red"}])
def test_what_changes_nothing_makes_no_version(
    services: Services, tenant: UUID, ring: RecordingRing, clock: MovableClock, data: dict[str, Any]
) -> None:
    """A change that names nothing, or what is so already, leaves version and time and is not published."""
    made = integrations.create(services, tenant, wanted())
    clock.move(minutes=1)

    assert integrations.update(services, tenant, made.id, data) == made
    assert integrations.get(services, tenant, made.id) == made
    assert len(published(services, tenant)) == ring.fan_outs == 1


@pytest.mark.parametrize(
    ("kind", "configuration"), [("webhook", {"url": URL, "secret_key": "short"}), ("aws_sqs", SQS), ("stomp", STOMP)]
)
@pytest.mark.parametrize("for_writer", [True, False])
def test_what_was_shown_can_be_given_back(
    services: Services, tenant: UUID, kind: str, configuration: dict[str, Any], *, for_writer: bool
) -> None:
    """An integration that is read and sent back as it was shown stays as it is, its secrets included."""
    made = integrations.create(
        services,
        tenant,
        wanted(integration_type=kind, configuration=configuration, delivery={"success_statuses": [201, "300-302"]}),
    )
    shown = json.loads(json.dumps(integrations.document(services, made, for_writer=for_writer)))

    integrations.update(services, tenant, made.id, shown)

    assert integrations.get(services, tenant, made.id) == made


def test_masks_stand_for_secrets_beside_changes(services: Services, tenant: UUID) -> None:
    """A configuration with one secret as it was shown and one new keeps the first and takes the second."""
    made = integrations.create(services, tenant, wanted(integration_type="aws_sqs", configuration=SQS))
    shown = integrations.document(services, made, for_writer=True)["configuration"]

    changed = integrations.update(
        services, tenant, made.id, {"configuration": {**shown, "aws_secret_access_key": "rotated/key"}}
    )

    assert changed.configuration == {**SQS, "aws_secret_access_key": "rotated/key"}


def test_a_secret_left_out_is_gone(services: Services, tenant: UUID) -> None:
    """A given configuration replaces the whole of the old one."""
    made = integrations.create(services, tenant, wanted())

    changed = integrations.update(services, tenant, made.id, {"configuration": {"url": URL}})

    assert changed.configuration == {"url": URL}


def test_another_type_needs_a_configuration(services: Services, tenant: UUID) -> None:
    """A changed type without the configuration that it needs is refused."""
    made = integrations.create(services, tenant, wanted())

    with pytest.raises(InvalidInput, match="is required when integration_type changes to aws_sqs") as refused:
        integrations.update(services, tenant, made.id, {"integration_type": "aws_sqs"})

    assert refused.value.pointer == "data.configuration"
    assert integrations.get(services, tenant, made.id) == made


def test_masks_of_another_type_are_refused(services: Services, tenant: UUID) -> None:
    """When the type changes no secret comes along, not even by its mask."""
    made = integrations.create(services, tenant, wanted(integration_type="aws_sqs", configuration=SQS))
    masked = integrations.document(services, made, for_writer=True)["configuration"]["aws_secret_access_key"]

    with pytest.raises(InvalidInput, match="masked"):
        integrations.update(
            services,
            tenant,
            made.id,
            {"integration_type": "webhook", "configuration": {"url": URL, "secret_key": masked}},
        )


def test_changes_at_the_same_time_are_both_kept(services: Services, tenant: UUID) -> None:
    """A change that was raced by another is made again from the newest state."""
    made = integrations.create(services, tenant, wanted())
    raced = _RacedClock(services, lambda: integrations.update(services, tenant, made.id, {"description": "First"}))

    changed = integrations.update(replace(services, clock=raced), tenant, made.id, {"name": "Second"})

    assert (changed.name, changed.description, changed.version) == ("Second", "First", 3)
    assert integrations.get(services, tenant, made.id) == changed


def test_endless_races_end_in_a_conflict(services: Services, tenant: UUID) -> None:
    """Who is raced again and again is told so, and changes nothing."""
    made = integrations.create(services, tenant, wanted())
    raced = _RacedClock(services, lambda: integrations.rotate_secret(services, tenant, made.id), times=100)

    with pytest.raises(Conflict, match="try again"):
        integrations.update(replace(services, clock=raced), tenant, made.id, {"name": "Second"})

    assert integrations.get(services, tenant, made.id).name == "Orders"


class _RacedClock:
    """Somebody else changes something between the reading and the writing, just when the time is asked."""

    def __init__(self, services: Services, race: Callable[[], Any], *, times: int = 1) -> None:
        self._clock, self._race, self._times = services.clock, race, times

    def now(self) -> Any:
        if self._times:
            self._times -= 1
            self._race()
        return self._clock.now()


# -- switching on and off, deleting, testing -------------------------------------------------------------------------


def test_switching_on_sends_what_was_held(services: Services, tenant: UUID, ring: RecordingRing) -> None:
    """Switched on, an integration is rung; switched on twice, nothing more happens."""
    made = integrations.create(services, tenant, wanted(enabled=False))

    integrations.set_enabled(services, tenant, made.id, enabled=True)
    integrations.set_enabled(services, tenant, made.id, enabled=True)

    assert integrations.get(services, tenant, made.id).enabled
    assert ring.rung == [made.id]
    assert [name for name, _ in events_about(services, tenant)] == ["integration.created", "integration.updated"]


@pytest.mark.parametrize("change", [{"enabled": True}, {"enabled": True, "configuration": {"url": URL}}])
def test_switching_on_forgets_why_it_was_off(services: Services, tenant: UUID, change: dict[str, Any]) -> None:
    """What Postrider switched off starts afresh: no reason, no failures, no parking left."""
    made = integrations.create(services, tenant, wanted())
    _fail_and_disable(services, made)
    assert integrations.get(services, tenant, made.id).disabled_reason == "gone"

    changed = integrations.update(services, tenant, made.id, change)

    assert (changed.enabled, changed.disabled_reason) == (True, "")
    with services.database.read() as tx:
        health = store.health(tx, [made.id])[made.id]
    assert (health.failures_in_row, health.failing_since) == (NO_HEALTH.failures_in_row, None)


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
        store.any_tenant_failed(tx, made.id, failures=3, error="timeout", now=services.clock.now())

    integrations.update(services, tenant, made.id, {"name": "Other"})
    assert ring.rung == []
    integrations.update(services, tenant, made.id, {"configuration": {"url": "https://example.org/"}})

    with services.database.read() as tx:
        health = store.health(tx, [made.id])[made.id]
    assert (health.failures_in_row, ring.rung) == (0, [made.id])


def _fail_and_disable(services: Services, integration: Integration) -> None:
    now = services.clock.now()
    with services.database.write() as tx:
        store.any_tenant_failed(tx, integration.id, failures=3, error="http_410", now=now)
        store.any_tenant_disable(tx, integration.id, reason="gone", now=now)


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
    assert events_about(services, tenant)[-1] == (
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
        deliveries.add(tx, integration.tenant_id, [delivery])
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

    told = json.loads(news.payload)["data"]
    assert (news.event_type, told["id"], told["enabled"], told["disabled_reason"]) == (
        "integration.disabled",
        str(made.id),
        False,
        "gone",
    )
    assert {"configuration", "signing_secret"}.isdisjoint(told)


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

        assert stored == enabled == replace(changed, version=5, signing_secret=rotated.signing_secret)
        assert (listed.integrations, listed.total) == ([stored], 1)
        assert integrations.page(services, tenant, offset=0, limit=10).total == 0
        assert [name for name, _ in events_about(services, tenant)] == [
            "integration.created",
            *["integration.updated"] * 4,
            "postrider.test",
            "integration.deleted",
        ]
