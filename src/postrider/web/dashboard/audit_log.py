"""The audit log: who changed what, when and from where."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from postrider.domain.access import ActorKind, ApiKey, Permission
from postrider.domain.audit import Action, AuditEntry, ObjectType
from postrider.store import api_keys, audit_log, integrations
from postrider.store.audit_log import AuditFilter
from postrider.store.integrations import IntegrationHead
from postrider.store.tenants import Tenant
from postrider.web.api.audit_log import ActorDocument
from postrider.web.api.fields import Word
from postrider.web.auth import ServicesDep

from .filters import PageFilter, When
from .pages import link, show
from .paging import ways
from .session import Session, signed_in

PAGE = 50
CHOICES = 200
SECTION = "/audit-log"
Reader = Annotated[Session, Depends(signed_in(Permission.INTEGRATIONS_WRITE))]
_ACTORS = {
    ActorKind.OPERATOR_KEY: "An operator",
    ActorKind.COMMAND_LINE: "The command line",
    ActorKind.POSTRIDER: "Postrider itself",
}
_PLACES = {
    ObjectType.INTEGRATION: "/integrations/{}",
    ObjectType.DELIVERY: "/deliveries/{}",
    ObjectType.EVENT: "/events/{}",
    ObjectType.JOB: "/jobs/{}",
}
"""Where the pages of things are that have one."""

router = APIRouter()


class AuditQuery(PageFilter):
    """Which entries are wanted."""

    action: Action | None = None
    object_type: ObjectType | None = None
    object_id: Word | None = None
    actor_key_id: UUID | None = None
    since: When | None = None
    until: When | None = None

    def wanted(self) -> AuditFilter:
        return AuditFilter(**self.model_dump(exclude={"before"}))


@router.get(SECTION)
def list_audit_log(
    request: Request, services: ServicesDep, session: Reader, query: Annotated[AuditQuery, Query()]
) -> Response:
    """List who changed what, newest first."""
    own_actors = not session.operator
    with services.database.read() as tx:
        found = audit_log.page(
            tx, session.tenant_id, query.wanted(), own_actors=own_actors, before=query.before, limit=PAGE + 1
        )
        heads = integrations.heads(tx, session.tenant_id, _integrations_in(found))
        actors = api_keys.page(tx, session.tenant_id, before=None, limit=CHOICES)
    return show(
        request,
        session,
        "audit_log.html",
        section=SECTION,
        query=query,
        rows=found[:PAGE],
        names=_names(heads.values(), actors, session.tenant),
        who=lambda entry: _who(entry, session),
        place=_place,
        said=_said,
        plainly=plainly,
        actions=[(action.value, _said(action)) for action in Action],
        object_types=list(ObjectType),
        actors=_choices(actors, query.actor_key_id),
        ways=ways(SECTION, query, found, shown=PAGE),
    )


def plainly(value: Any) -> str:
    """Write a field's value for people."""
    if value is None or value in ("", []):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(plainly(one) for one in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _integrations_in(entries: list[AuditEntry]) -> set[UUID]:
    return {UUID(one.object_id) for one in entries if one.action.object_type is ObjectType.INTEGRATION}


def _names(heads: Iterable[IntegrationHead], keys: Iterable[ApiKey], tenant: Tenant) -> dict[str, str]:
    """Give the names of things by the ids that entries have."""
    named = {head.id: head.name for head in heads} | {key.id: key.name for key in keys} | {tenant.id: tenant.name}
    return {str(thing_id): name for thing_id, name in named.items()}


def _who(entry: AuditEntry, session: Session) -> ActorDocument:
    """Give the actor as this reader may know it, with a name in any case."""
    actor = ActorDocument.of(entry.actor, session.caller)
    return actor.model_copy(update={"name": actor.name or _ACTORS.get(actor.kind, "An API key")})


def _said(action: Action) -> str:
    """Say what was done: integration.secret_rotated is `Integration secret rotated`."""
    words = action.value.replace(".", " ").replace("_", " ").replace("-", " ").replace("api key", "API key")
    return words[:1].upper() + words[1:]


def _place(entry: AuditEntry) -> str | None:
    place = _PLACES.get(entry.action.object_type)
    return link(place.format(entry.object_id)) if place else None


def _choices(keys: list[ApiKey], chosen: UUID | None) -> list[tuple[str, str]]:
    """Offer the tenant's keys as actors, and the chosen one if it is none of them."""
    choices = [("", "anybody"), *((str(key.id), f"{key.name} ({key.prefix}…)") for key in keys)]
    known = chosen is None or any(key.id == chosen for key in keys)
    return choices if known else [*choices, (str(chosen), f"API key {chosen}")]
