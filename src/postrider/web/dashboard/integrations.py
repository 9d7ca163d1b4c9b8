"""Integrations: how each is doing, what is sent to it, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from postrider.control import integrations
from postrider.control.texts import LONGEST_NAME
from postrider.domain.installation import installing
from postrider.domain.integration import Integration, goes_nowhere
from postrider.domain.signature import still_signing
from postrider.services import Services
from postrider.store import counts, deliveries, health, integration_list
from postrider.store.counts import Count
from postrider.store.deliveries import DeliveryFilter
from postrider.store.engine import Transaction
from postrider.store.integration_list import ListedIntegration, ListFilter
from postrider.web.auth import ServicesDep
from postrider.web.integration_state import IntegrationState, state_of

from . import policy_words
from .configuration_fields import FormField, Kind, fields_of, texts_of
from .filters import PageFilter
from .integration_form import SECTION, TITLES, systems_of
from .notices import went_well
from .pages import show
from .paging import ways
from .session import FormDep, IntegrationReader, IntegrationWriter, Session

PAGE = 30
RECENT = 20
GROUPS = 20
DAY, HOUR = timedelta(days=1), timedelta(hours=1)

router = APIRouter()


class IntegrationQuery(PageFilter):
    """Which integrations are wanted."""

    text: str | None = Field(None, max_length=LONGEST_NAME)
    type: str | None = Field(None, max_length=LONGEST_NAME)
    state: Literal["enabled", "disabled", "failing"] | None = None

    def wanted(self) -> ListFilter:
        enabled = {"enabled": True, "disabled": False}.get(self.state or "")
        return ListFilter((self.text or "").strip(), self.type, enabled, failing=self.state == "failing")


@dataclass(frozen=True, slots=True)
class Row:
    """An integration in the list."""

    integration: ListedIntegration
    state: IntegrationState
    backlog: int
    hours: Sequence[Count]
    """The last 24 hours, one by one."""

    @property
    def day(self) -> Count:
        return _sum(self.hours)


@dataclass(frozen=True, slots=True)
class Setting:
    """A field of the configuration, as it may be shown."""

    label: str
    text: str
    secret: bool


@router.get(SECTION)
def list_integrations(
    request: Request, services: ServicesDep, session: IntegrationReader, query: Annotated[IntegrationQuery, Query()]
) -> Response:
    """List integrations by name, with how each has been doing."""
    with services.database.read() as tx:
        found = integration_list.page(tx, session.tenant_id, query.wanted(), behind=query.before, limit=PAGE + 1)
        rows = _rows(tx, session.tenant_id, found[:PAGE], now=services.clock.now())
        standings = integration_list.standings(tx, session.tenant_id)
    return show(
        request,
        session,
        "integrations.html",
        section=SECTION,
        query=query,
        rows=rows,
        standings=standings,
        public_url=services.options.public_url.rstrip("/"),
        types=[(name, TITLES.get(name, name)) for name in services.transports.names()],
        ways=ways(SECTION, query, found, shown=PAGE),
    )


def _rows(tx: Transaction, tenant_id: UUID, found: Sequence[ListedIntegration], *, now: datetime) -> list[Row]:
    ids = [one.id for one in found]
    backlogs = counts.backlog_of_each(tx, tenant_id, ids)
    hours = counts.attempts_of_each(tx, tenant_id, ids, since=now - DAY, until=now, step=HOUR)
    return [
        Row(one, state_of(one.health, enabled=one.enabled, now=now), backlogs[one.id], hours[one.id]) for one in found
    ]


@router.get("/integrations/{integration_id:uuid}")
def show_integration(
    request: Request, services: ServicesDep, session: IntegrationReader, integration_id: UUID
) -> Response:
    """Show an integration: how it has been doing, and what it is set to."""
    integration = integrations.get(services, session.tenant_id, integration_id)
    return show(
        request,
        session,
        "integration.html",
        section=SECTION,
        integration=integration,
        type_title=TITLES.get(integration.integration_type, integration.integration_type),
        settings=_settings(services, integration),
        systems=systems_of(integration),
        hindrance=_hindrance(integration),
        old_secrets=still_signing(integration.retired_secrets, now=services.clock.now()),
        policy=policy_words.in_words(integration.policy),
        **_doings(services, session, integration),
    )


def _hindrance(integration: Integration) -> Literal["", "installing", "nowhere"]:
    """Say what keeps an integration off, and nobody can enable it before it is mended."""
    if installing(integration.extras):
        return "installing"
    return "nowhere" if goes_nowhere(integration.configuration) else ""


def _doings(services: Services, session: Session, integration: Integration) -> Mapping[str, Any]:
    """Read how an integration has been doing; its deliveries only for who may see them."""
    tenant_id, mine, now = session.tenant_id, integration.id, services.clock.now()
    may_look = session.may("deliveries:read")
    with services.database.read() as tx:
        found = counts.attempts_of_each(tx, tenant_id, [mine], since=now - DAY, until=now, step=HOUR)
        standing = health.of(tx, [mine]).get(mine, health.NO_HEALTH)
        return {
            "health": standing,
            "state": state_of(
                standing, enabled=integration.enabled, secrets_unreadable=integration.secrets_unreadable, now=now
            ),
            "hours": found[mine],
            "day": _sum(found[mine]),
            "backlog": counts.backlog_of_each(tx, tenant_id, [mine])[mine],
            "oldest": counts.oldest_waiting(tx, tenant_id, mine),
            "groups": counts.letter_groups(tx, tenant_id, integration_id=mine, limit=GROUPS) if may_look else [],
            "last": deliveries.attempts_page(tx, tenant_id, integration_id=mine, offset=0, limit=1) if may_look else [],
            "recent": deliveries.page(tx, tenant_id, DeliveryFilter(integration_id=mine), before=None, limit=RECENT)
            if may_look
            else None,
        }


def _sum(hours: Sequence[Count]) -> Count:
    return Count(
        hours[0].begins_at,
        delivered=sum(hour.delivered for hour in hours),
        failed=sum(hour.failed for hour in hours),
        died=sum(hour.died for hour in hours),
    )


def _settings(services: Services, integration: Integration) -> list[Setting]:
    """List the configuration as it may be shown; empty when nobody is left to say which fields are secret."""
    shown = integrations.document(services, integration, for_writer=False)["configuration"]
    if not shown:
        return []
    fields = fields_of(services.transports.get(integration.integration_type).configuration_model)
    texts = texts_of(fields, shown)
    return [
        Setting(field.label, _said(field, shown[field.name], texts[field.key]), field.secret)
        for field in fields
        if field.name in shown
    ]


def _said(field: FormField, value: object, text: str) -> str:
    if field.secret:
        # Only text has a mask; of anything else nothing is shown.
        return value if isinstance(value, str) else "set"
    return text or ("no" if field.kind is Kind.CHECK else "")


@router.post("/integrations/{integration_id:uuid}/enable")
def enable_integration(
    request: Request, services: ServicesDep, session: IntegrationWriter, integration_id: UUID
) -> Response:
    """Switch an integration on."""
    changed = integrations.set_enabled(services, session.tenant_id, integration_id, enabled=True, by=session.actor)
    return went_well(request, _path(integration_id), f"{changed.name} is enabled; what was held for it goes out now.")


@router.post("/integrations/{integration_id:uuid}/disable")
def disable_integration(
    request: Request, services: ServicesDep, session: IntegrationWriter, integration_id: UUID
) -> Response:
    """Switch an integration off."""
    changed = integrations.set_enabled(services, session.tenant_id, integration_id, enabled=False, by=session.actor)
    return went_well(request, _path(integration_id), f"{changed.name} is disabled; what is pending for it is held.")


@router.get("/integrations/{integration_id:uuid}/delete")
def ask_for_deletion(
    request: Request, services: ServicesDep, session: IntegrationWriter, integration_id: UUID
) -> Response:
    """Ask whether an integration is really to be deleted."""
    return _deletion(request, services, session, integration_id)


@router.post("/integrations/{integration_id:uuid}/delete")
def delete_integration(
    request: Request, services: ServicesDep, session: IntegrationWriter, form: FormDep, integration_id: UUID
) -> Response:
    """Delete an integration whose name was typed."""
    name = integrations.get(services, session.tenant_id, integration_id).name
    if str(form.get("name", "")).strip() != name.strip():
        return _deletion(request, services, session, integration_id, wrong="This is not its name.")
    integrations.delete(services, session.tenant_id, integration_id, by=session.actor)
    return went_well(request, SECTION, f"{name} is deleted.")


def _deletion(
    request: Request, services: Services, session: Session, integration_id: UUID, *, wrong: str = ""
) -> Response:
    integration = integrations.get(services, session.tenant_id, integration_id)
    with services.database.read() as tx:
        backlog = counts.backlog_of_each(tx, session.tenant_id, [integration_id])[integration_id]
    return show(
        request,
        session,
        "integration_delete.html",
        section=SECTION,
        status=422 if wrong else 200,
        integration=integration,
        backlog=backlog,
        wrong=wrong,
    )


def _path(integration_id: UUID) -> str:
    return f"{SECTION}/{integration_id}"
