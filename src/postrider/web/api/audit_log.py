"""The audit log: who changed what, when and from where."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from postrider.domain.access import Actor, ActorKind, Caller, Permission
from postrider.domain.audit import Action, AuditEntry, FieldChange, ObjectType
from postrider.domain.errors import NotPermitted
from postrider.store import audit_log
from postrider.store.audit_log import AuditFilter
from postrider.web.auth import ServicesDep, require
from postrider.web.openapi import operations

from .fields import Meta, Moment, Word
from .paging import Listed, PageQuery, listed

router = operations("Audit log")
Reader = Annotated[Caller, Depends(require(Permission.INTEGRATIONS_WRITE))]
"""Who may change what a tenant sends, and who else does, may see who did."""


class AuditQuery(PageQuery):
    """Which entries are wanted."""

    actor_key_id: UUID | None = Field(None, description="Only what this API key did.")
    action: Action | None = Field(None, description="Only this action.")
    object_type: ObjectType | None = Field(None, description="Only changes of this type of object.")
    object_id: Word | None = Field(None, description="Only changes of the object with this id, or name.")
    since: Moment | None = Field(None, description="Only changes at or after this moment, to the millisecond.")
    until: Moment | None = Field(None, description="Only changes before this moment, to the millisecond.")
    tenant_id: UUID | None = Field(
        None, description="Another tenant than the caller's own: for keys that may manage tenants."
    )

    def to_filter(self) -> AuditFilter:
        return AuditFilter(
            self.actor_key_id, self.action, self.object_type, self.object_id, since=self.since, until=self.until
        )


class ObjectDocument(BaseModel):
    """What was changed."""

    type: ObjectType
    id: str


class ActorDocument(BaseModel):
    """Who did it."""

    kind: ActorKind
    """`api-key`; `operator-key`, which the environment sets; `command-line`; or `postrider` by itself."""
    api_key_id: UUID | None
    """Null for who has none, and for operators of other tenants."""
    name: str
    """The key's name."""
    address: str
    """The client's IP address."""

    @classmethod
    def of(cls, actor: Actor, reader: Caller) -> Self:
        """What an operator is called and where it sits is not for the tenants that it works on."""
        if actor.tenant_id in {None, reader.tenant_id} or reader.may(Permission.TENANTS_MANAGE):
            return cls(kind=actor.kind, api_key_id=actor.api_key_id, name=actor.name, address=actor.address)
        return cls(kind=actor.kind, api_key_id=None, name="", address="")


class ChangeDocument(BaseModel):
    """A field that changed; its values are told when they are harmless."""

    field: str
    shown: bool
    """Whether `old` and `new` are its values."""
    old: Any
    new: Any

    @classmethod
    def of(cls, change: FieldChange) -> Self:
        return cls.model_validate(change, from_attributes=True)


class AuditEntryDocument(BaseModel):
    """One change."""

    id: UUID
    type: Literal["audit-entry"] = "audit-entry"
    tenant_id: UUID
    action: Action
    object: ObjectDocument
    actor: ActorDocument
    changes: list[ChangeDocument]
    meta: Meta

    @classmethod
    def of(cls, entry: AuditEntry, reader: Caller) -> Self:
        return cls(
            id=entry.id,
            tenant_id=entry.tenant_id,
            action=entry.action,
            object=ObjectDocument(type=entry.action.object_type, id=entry.object_id),
            actor=ActorDocument.of(entry.actor, reader),
            changes=[ChangeDocument.of(change) for change in entry.changes],
            meta=Meta.at(entry.created_at),
        )


@router.get("/v2/audit-log")
def list_audit_log(
    request: Request, services: ServicesDep, caller: Reader, query: Annotated[AuditQuery, Query()]
) -> Listed[AuditEntryDocument]:
    """List who changed what of the tenant's, newest first."""
    operator = caller.may(Permission.TENANTS_MANAGE)
    tenant_id = query.tenant_id or caller.tenant_id
    if tenant_id != caller.tenant_id and not operator:
        raise NotPermitted(f"the API key lacks the permission {Permission.TENANTS_MANAGE.value}")
    with services.database.read() as tx:
        rows = audit_log.page(
            tx, tenant_id, query.to_filter(), own_actors=not operator, before=query.cursor, limit=query.fetch
        )
    return listed(request, query, rows, lambda entry: AuditEntryDocument.of(entry, caller))
