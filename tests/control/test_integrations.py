"""Integrations as people make and change them: what is kept, and what is published about it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from house import MovableClock, RecordingRing
from integration_data import ABSENT, SECRET_KEY, SQS, STOMP, URL, published, told, wanted

from postrider.control import event_types, integrations
from postrider.domain.errors import Conflict, InvalidInput
from postrider.domain.event import EventOrigin
from postrider.domain.integration import DeliveryPolicy
from postrider.services import Services

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
        configuration={"url": URL, "secret_key": SECRET_KEY},
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

    assert told(services, tenant) == [("integration.created", integrations.document(services, made, for_writer=False))]
    assert published(services, tenant)[0].origin is EventOrigin.POSTRIDER
    assert ring.fan_outs == 1


@pytest.mark.parametrize(
    ("kind", "configuration", "secrets"),
    [
        ("webhook", {"url": URL, "secret_key": SECRET_KEY}, [SECRET_KEY]),
        ("aws_sqs", SQS, [SQS["aws_access_key_id"], SQS["aws_secret_access_key"]]),
        ("stomp", STOMP, [STOMP["password"]]),
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

    said = b"".join(event.payload for event in published(services, tenant)).decode()

    assert len(published(services, tenant)) == 5
    assert not [secret for secret in [*secrets, made.signing_secret, changed.signing_secret] if secret in said]


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
    assert told(services, tenant)[1:] == [
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
