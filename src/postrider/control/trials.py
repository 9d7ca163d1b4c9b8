"""Tests with a message that means something: to a receiver that a person names, and at once where nothing is stored."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from postrider.domain.access import POSTRIDER, Actor
from postrider.domain.audit import Action, FieldChange
from postrider.domain.delivery import Claimed
from postrider.domain.errors import InvalidInput, Unavailable
from postrider.domain.event import Event
from postrider.domain.integration import Integration
from postrider.domain.message import Sender, compose
from postrider.domain.news import trial_event
from postrider.domain.outcome import Landed, Outcome, Verdict
from postrider.domain.ports import Flight, FlightLimits
from postrider.services import Services
from postrider.store import tenants
from postrider.transports.configuration import template_fields
from postrider.transports.template_sample import SAMPLE

from . import integrations

ONE_ATTEMPT = 1
UNTOLD = Outcome(Verdict.UNKNOWN, "timeout", "No answer came in time.")
_RECIPIENT = "to"
"""The template that says who gets it."""
_WHO = "recipient"
_MARGIN_SECONDS = 2.0
_LOOK_SECONDS = 0.1


def sample_for(recipient: str) -> dict[str, Any]:
    """Give the sample order, as that of a customer who is reached at `recipient`, or at nothing when it is empty.

    Templates can be filled in from it. The sample's own customer is never written to.
    """
    order = json.loads(SAMPLE)["data"]
    reached = {"email": recipient, "phone": recipient} if recipient else {}
    customer = {name: value for name, value in order["customer"].items() if name not in {"email", "phone"}}
    return {**order, "customer": {**customer, **reached}}


def asks_recipient(services: Services, integration: Integration) -> bool:
    """Tell whether somebody has to say who gets a test: else it goes where all goes."""
    return _RECIPIENT in _templates(services, integration)


def send(
    services: Services, tenant_id: UUID, integration_id: UUID, *, recipient: str = "", by: Actor = POSTRIDER
) -> Event:
    """Publish a `postrider.test` event that this integration alone gets, to `recipient` where it asks for one.

    What is sent by templates is filled in from the sample order. Raises InvalidInput when that cannot be done or the
    recipient is missing, or has no place, and Conflict when the integration is switched off.
    """
    integration = integrations.get(services, tenant_id, integration_id)
    if recipient and not asks_recipient(services, integration):
        raise InvalidInput(f"data.{_WHO}", f"{_WHO}: a test of type {integration.integration_type} has none")
    said = sample_for(recipient) if _templates(services, integration) else None
    if said is not None and integration.enabled and not integration.secrets_unreadable:
        check_recipient(services, integration, said, recipient)
    return integrations.send_test(services, tenant_id, integration_id, said=said, by=by)


def check_recipient(services: Services, integration: Integration, said: Mapping[str, Any], recipient: str) -> None:
    """Do as `check`, and blame the recipient for what has no other reason than that it is missing, or has no place."""
    try:
        check(services, integration, said)
    except InvalidInput as error:
        if error.pointer == f"data.configuration.{_RECIPIENT}":
            problem = "is needed" if not recipient else "cannot be it"
            why = error.detail.removeprefix(f"{_RECIPIENT}: ")
            raise InvalidInput(f"data.{_WHO}", f"{_WHO}: {problem}: {why}") from None
        raise


def _templates(services: Services, integration: Integration) -> Collection[str]:
    if integration.integration_type not in services.transports.names():
        return ()
    return template_fields(services.transports.get(integration.integration_type).configuration_model)


def check(services: Services, integration: Integration, said: Mapping[str, Any]) -> None:
    """Check that the integration's templates can be filled in from a test that says this; raises InvalidInput."""
    test = _test(services, integration, said)
    model = services.transports.get(integration.integration_type).configuration_model
    model.parse(integration.configuration).check_against(test.payload)


def send_at_once(services: Services, draft: Integration, said: Mapping[str, Any], *, by: Actor = POSTRIDER) -> Outcome:
    """Send a test for an integration that is not stored, one attempt, and say what became of it.

    Waits for as long as an attempt may take.
    """
    with services.change(by) as change:
        tenant = tenants.get(change.tx, draft.tenant_id)
        change.record(draft.tenant_id, Action.INTEGRATION_TESTED, draft.id, (FieldChange("configuration"),))
    transport = services.transports.get(draft.integration_type)
    message = compose(
        _claimed(services, draft, _test(services, draft, said)),
        draft,
        Sender(str(draft.tenant_id), tenant.org_id if tenant else "", services.options.public_url),
        dialect=transport.dialect,
        body_limit=transport.body_limit,
        now=services.clock.now(),
    )
    landed_or_room = threading.Event()
    limits = FlightLimits(draft.policy.timeout, ONE_ATTEMPT, draft.policy.success_statuses)
    flight = transport.open(draft, limits, landed_or_room.set)
    try:
        if flight.room() < ONE_ATTEMPT:
            raise Unavailable("as much is under way to this host as may be; try again in a moment")
        flight.put([message])
        landed = _awaited(flight, landed_or_room, seconds=limits.timeout.total_seconds() + _MARGIN_SECONDS)
    finally:
        flight.close()
    return landed[0].outcome if landed else UNTOLD


def _awaited(flight: Flight, news: threading.Event, *, seconds: float) -> list[Landed]:
    until = time.monotonic() + seconds
    while not (landed := flight.take(_LOOK_SECONDS)) and time.monotonic() < until:
        news.wait(_LOOK_SECONDS)
        news.clear()
    return landed


def _test(services: Services, integration: Integration, said: Mapping[str, Any]) -> Event:
    return trial_event(integration, event_id=services.ids.new(), now=services.clock.now(), said=said)


def _claimed(services: Services, draft: Integration, test: Event) -> Claimed:
    now = services.clock.now()
    return Claimed(
        delivery_id=services.ids.new(),
        tenant_id=draft.tenant_id,
        integration_id=draft.id,
        integration_version=draft.version,
        event_id=test.id,
        event_type=test.event_type,
        payload=test.payload,
        attempt=ONE_ATTEMPT,
        round_start=ONE_ATTEMPT,
        lost=0,
        token=test.id,
        started_at=now,
        lease_until=now + draft.policy.timeout,
        published_at=test.created_at,
    )
