"""Postrider's own events: what it publishes about integrations, and the test that a person sends to one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from .catalogue import TEST
from .event import Event, EventOrigin
from .integration import DeliveryPolicy, Integration


def integration_document(
    integration: Integration,
    *,
    configuration: Mapping[str, Any] | None = None,
    signing_secret: str | None = None,
    public_url: str | None = None,
) -> dict[str, Any]:
    """Write an integration as JSON: Elastic Path's object with Postrider's additions.

    `configuration` and `signing_secret` are written as given: pass them masked for whoever reads this. What is not
    given is left out, `links` without a `public_url`.
    """
    links = None if public_url is None else {"self": f"{public_url.rstrip('/')}/v2/integrations/{integration.id}"}
    members = {
        "id": str(integration.id),
        "type": "integration",
        "integration_type": integration.integration_type,
        "name": integration.name,
        "description": integration.description,
        "enabled": integration.enabled,
        "disabled_reason": integration.disabled_reason,
        "observes": list(integration.observes),
        "configuration": configuration,
        "delivery": policy_document(integration.policy),
        "signing_secret": signing_secret,
        "links": links,
        "meta": {
            "timestamps": {
                "created_at": timestamp(integration.created_at),
                "updated_at": timestamp(integration.updated_at),
            }
        },
    }
    return {name: value for name, value in members.items() if value is not None}


def gone_document(integration_id: UUID) -> dict[str, str]:
    """Write a deleted integration: its type and id, all that Elastic Path tells of deleted things."""
    return {"type": "integration", "id": str(integration_id)}


def policy_document(policy: DeliveryPolicy) -> dict[str, Any]:
    """Write a policy as the integration's `delivery` object, which can be given back as it is."""
    return {
        "timeout_seconds": _seconds(policy.timeout),
        "retry_waits": [_seconds(wait) for wait in policy.retry_waits],
        "success_statuses": [low if low == high else f"{low}-{high}" for low, high in policy.success_statuses],
        "max_in_flight": policy.max_in_flight,
        "rate_limit": policy.rate_limit,
    }


def timestamp(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def integration_news(
    event_id: UUID,
    integration: Integration,
    what: str,
    *,
    now: datetime,
    reason: str = "",
    shown: Mapping[str, Any] | None = None,
) -> Event:
    """Make the event `integration.<what>`.

    `shown` is the integration's document, masked; without it the event says nothing of the configuration, which may
    hold secrets. `reason` says why Postrider has just switched the integration off.
    """
    if shown is None:
        off = replace(integration, enabled=False, disabled_reason=reason, updated_at=now) if reason else integration
        shown = integration_document(off)
    return about_integration(f"integration.{what}", shown, event_id=event_id, tenant_id=integration.tenant_id, now=now)


def about_integration(
    event_type: str, document: Mapping[str, Any], *, event_id: UUID, tenant_id: UUID, now: datetime
) -> Event:
    """Make the event that tells an integration's observers what became of an integration."""
    return Event(
        id=event_id,
        tenant_id=tenant_id,
        event_type=event_type,
        payload=_json({"data": document}),
        created_at=now,
        origin=EventOrigin.POSTRIDER,
    )


def trial_event(
    integration: Integration, *, event_id: UUID, now: datetime, said: Mapping[str, Any] | None = None
) -> Event:
    """Make the event that only this integration gets, to see that it arrives.

    `said` is what its data says besides: what templates that it is to be sent by may ask for.
    """
    test = {
        **(said or {}),
        "type": "test",
        "id": str(event_id),
        "message": "This is a test from Postrider.",
        "integration": {"type": "integration", "id": str(integration.id), "name": integration.name},
    }
    return Event(
        id=event_id,
        tenant_id=integration.tenant_id,
        event_type=TEST,
        payload=_json({"data": test}),
        created_at=now,
        origin=EventOrigin.TEST,
        target_id=integration.id,
    )


def _seconds(wait: timedelta) -> float:
    seconds = wait.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
