"""Integrations: Elastic Path's endpoints with Postrider's additions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Depends
from fastapi.responses import JSONResponse
from pydantic import Field, StrictInt

from postrider.control import integrations, trials
from postrider.control.given import REQUIRED
from postrider.domain.access import Caller, Permission
from postrider.domain.integration import Integration
from postrider.domain.news import gone_document, timestamp
from postrider.domain.signature import DEFAULT_OVERLAP, LONGEST_OVERLAP, still_signing
from postrider.services import Services
from postrider.store import health as health_store
from postrider.store.health import NO_HEALTH, SECRETS_UNREADABLE, Health
from postrider.web.auth import ServicesDep, require
from postrider.web.integration_state import state_of
from postrider.web.openapi import answers, operations

from . import fields
from . import integration_schemas as schemas
from .offset_pages import OffsetPageDep
from .strict_json import StrictJsonRoute

PATH = "/v2/integrations"

Reader = Annotated[Caller, Depends(require(Permission.INTEGRATIONS_READ))]
Writer = Annotated[Caller, Depends(require(Permission.INTEGRATIONS_WRITE))]
# Parsed and no more: `control` checks it, so that each error names its field.
Given = Annotated[dict[str, Any], Body()]


class Rotation(fields.Given):
    """How a signing secret is replaced."""

    overlap_seconds: StrictInt = Field(
        int(DEFAULT_OVERLAP.total_seconds()), ge=0, le=int(LONGEST_OVERLAP.total_seconds())
    )
    """For so long messages are signed with the old secret too; 0 ends all old ones at once."""


class Trial(fields.Given):
    """Who gets a test."""

    recipient: fields.Line = ""
    """Of a type with a `to`, such as a mail's address or a phone number; other types have none."""


router = operations("Integrations", prefix=PATH, route_class=StrictJsonRoute)


@router.get("", responses=schemas.several("Integration", total=True))
def list_integrations(services: ServicesDep, caller: Reader, page: OffsetPageDep) -> JSONResponse:
    """List integrations, oldest first."""
    found = integrations.page(services, caller.tenant_id, offset=page.offset, limit=page.limit)
    more = page.offset + page.limit < found.total
    return JSONResponse(
        {
            "data": _documents(services, caller, found.integrations),
            "links": page.links(PATH, more=more, total=found.total),
            "results": {"total": found.total},
        }
    )


@router.post(
    "",
    responses=schemas.one("Integration"),
    openapi_extra=schemas.body(required=REQUIRED),
)
def create_integration(services: ServicesDep, caller: Writer, body: Given) -> JSONResponse:
    """Create an integration; the answer alone holds its signing secret in clear."""
    made = integrations.create(services, caller.tenant_id, body.get("data"), by=caller.actor)
    return _one(services, caller, made, with_secret=True)


@router.get("/{integration_id:uuid}", responses=schemas.one("Integration"))
def get_integration(services: ServicesDep, caller: Reader, integration_id: UUID) -> JSONResponse:
    """Get an integration."""
    return _one(services, caller, integrations.get(services, caller.tenant_id, integration_id))


@router.put(
    "/{integration_id:uuid}",
    responses=schemas.one("Integration") | answers(409),
    openapi_extra=schemas.body(required=()),
)
def update_integration(services: ServicesDep, caller: Writer, integration_id: UUID, body: Given) -> JSONResponse:
    """Change what is given of an integration; the rest stays.

    Where stored secrets could not be read, a whole new configuration replaces them, and a new signing secret is made:
    then the answer holds it in clear.
    """
    blind = integrations.get(services, caller.tenant_id, integration_id).secrets_unreadable
    changed = integrations.update(services, caller.tenant_id, integration_id, body.get("data"), by=caller.actor)
    return _one(services, caller, changed, with_secret=blind and not changed.secrets_unreadable)


@router.delete("/{integration_id:uuid}", responses=schemas.one("IntegrationReference"))
def delete_integration(services: ServicesDep, caller: Writer, integration_id: UUID) -> JSONResponse:
    """Delete an integration; what it still had to get is discarded."""
    integrations.delete(services, caller.tenant_id, integration_id, by=caller.actor)
    return JSONResponse({"data": gone_document(integration_id)})


@router.post("/{integration_id:uuid}/enable", responses=schemas.one("Integration") | answers(409))
def enable_integration(services: ServicesDep, caller: Writer, integration_id: UUID) -> JSONResponse:
    """Switch an integration on; what was held for it goes out."""
    changed = integrations.set_enabled(services, caller.tenant_id, integration_id, enabled=True, by=caller.actor)
    return _one(services, caller, changed)


@router.post("/{integration_id:uuid}/disable", responses=schemas.one("Integration") | answers(409))
def disable_integration(services: ServicesDep, caller: Writer, integration_id: UUID) -> JSONResponse:
    """Switch an integration off; what is pending for it is held."""
    changed = integrations.set_enabled(services, caller.tenant_id, integration_id, enabled=False, by=caller.actor)
    return _one(services, caller, changed)


@router.post("/{integration_id:uuid}/rotate-secret", responses=schemas.one("Integration") | answers(409))
def rotate_secret(
    services: ServicesDep, caller: Writer, integration_id: UUID, body: fields.Body[Rotation] | None = None
) -> JSONResponse:
    """Make a new signing secret; the answer alone holds it in clear. For a day the old one signs too, or as you say."""
    wanted = body.data if body else Rotation()
    changed = integrations.rotate_secret(
        services,
        caller.tenant_id,
        integration_id,
        overlap=timedelta(seconds=wanted.overlap_seconds),
        by=caller.actor,
    )
    return _one(services, caller, changed, with_secret=True)


@router.post(
    "/{integration_id:uuid}/test", status_code=202, responses=schemas.one("TestEvent", status=202) | answers(409)
)
def send_test(
    services: ServicesDep, caller: Writer, integration_id: UUID, body: fields.Body[Trial] | None = None
) -> JSONResponse:
    """Send a test event to this integration alone; its links say where to see what became of it."""
    who = body.data.recipient if body else ""
    test = trials.send(services, caller.tenant_id, integration_id, recipient=who, by=caller.actor)
    link = f"{services.options.public_url.rstrip('/')}/v2/events/{test.id}"
    document = {
        "id": str(test.id),
        "type": "event",
        "event_type": test.event_type,
        "links": {"self": link, "deliveries": f"{link}/deliveries"},
        "meta": {"timestamps": {"created_at": timestamp(test.created_at)}},
    }
    return JSONResponse({"data": document}, 202)


def _one(services: Services, caller: Caller, integration: Integration, *, with_secret: bool = False) -> JSONResponse:
    (document,) = _documents(services, caller, [integration])
    if with_secret:
        document["signing_secret"] = integration.signing_secret
    return JSONResponse({"data": document})


def _documents(services: Services, caller: Caller, found: Sequence[Integration]) -> list[dict[str, Any]]:
    for_writer = caller.may(Permission.INTEGRATIONS_WRITE)
    now = services.clock.now()
    with services.database.read() as tx:
        health = health_store.of(tx, [one.id for one in found])
    return [
        integrations.document(services, one, for_writer=for_writer)
        | {"old_signing_secrets": _old_secrets(one, now), "health": _health(one, health.get(one.id, NO_HEALTH), now)}
        for one in found
    ]


def _old_secrets(integration: Integration, now: datetime) -> list[dict[str, str]]:
    return [{"valid_until": timestamp(old.until)} for old in still_signing(integration.retired_secrets, now=now)]


def _health(integration: Integration, health: Health, now: datetime) -> dict[str, Any]:
    return {
        "state": state_of(
            health, enabled=integration.enabled, secrets_unreadable=integration.secrets_unreadable, now=now
        ).value,
        "failures_in_row": health.failures_in_row,
        "failing_since": _moment(health.failing_since),
        "breaker": {
            "state": health.breaker.state(now).value,
            "since": _moment(health.breaker.opened_at),
            "failed_probes": health.breaker.probes,
            "next_probe_at": _moment(health.breaker.parked_until),
        },
        "last_success_at": _moment(health.last_success_at),
        "last_failure_at": _moment(health.last_failure_at),
        "last_error": SECRETS_UNREADABLE if integration.secrets_unreadable else health.last_error,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
