"""Integrations that are installed step by step: their steps are asked for, and their settings told, by events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from postrider.domain.access import POSTRIDER, Actor
from postrider.domain.audit import Action
from postrider.domain.catalogue import SETTINGS_CHANGED
from postrider.domain.errors import Conflict
from postrider.domain.event import Event
from postrider.domain.installation import STEP_EVENTS, said, settings_document, step_document
from postrider.domain.integration import Integration
from postrider.domain.news import about_integration
from postrider.services import Change, Services
from postrider.store import events


def ask_for_step(services: Services, integration: Integration, index: int, *, by: Actor = POSTRIDER) -> Event:
    """Publish that a step is to be done, or undone, for whoever observes such requests; changes nothing else.

    The caller has seen that the integration's mode has steps, and that this one has a function for it.
    """
    _, event_type = STEP_EVENTS[said(integration.extras)["mode"]]
    request = _news(services, integration, event_type, step_document(integration, index))
    with services.change(by) as change:
        events.add(change.tx, [request])
        change.record(integration.tenant_id, Action.INTEGRATION_STEP_REQUESTED, integration.id)
    services.ring.fan_out()
    return request


def tell_settings(services: Services, before: Integration) -> Callable[[Change, Integration], None]:
    """Make what belongs into the transaction that changes an integration: its settings are told where they differ.

    Conflict when somebody else has changed the integration since it was read as `before`.
    """

    def tell(change: Change, now: Integration) -> None:
        if now.version != before.version + 1:
            raise Conflict("the integration has just been changed by others; read it again")
        if said(now.extras).get("settings") != said(before.extras).get("settings"):
            events.add(change.tx, [_news(services, now, SETTINGS_CHANGED, settings_document(now))])

    return tell


def _news(services: Services, integration: Integration, event_type: str, document: Mapping[str, Any]) -> Event:
    return about_integration(
        event_type,
        document,
        event_id=services.ids.new(),
        tenant_id=integration.tenant_id,
        now=services.clock.now(),
    )
