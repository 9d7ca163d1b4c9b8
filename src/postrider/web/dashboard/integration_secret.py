"""The signing secret of an integration: shown once, on the page that answers its making, and replaced."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from postrider.control import integrations
from postrider.domain.errors import InvalidInput
from postrider.domain.integration import Integration
from postrider.domain.signature import still_signing
from postrider.web.auth import ServicesDep

from .pages import show
from .session import FormDep, IntegrationWriter, Session

SECTION = "/integrations"
OVERLAPS = {
    "86400": "for one more day (the receiver has a day to learn the new one)",
    "3600": "for one more hour",
    "604800": "for one more week",
    "0": "not any more (somebody else knows it)",
}
"""How long the old secret goes on to sign: seconds, and how that is said."""

router = APIRouter()


@router.get("/integrations/{integration_id:uuid}/rotate-secret")
def ask_for_rotation(
    request: Request, services: ServicesDep, session: IntegrationWriter, integration_id: UUID
) -> Response:
    """Ask whether the signing secret is to be replaced."""
    integration = integrations.get(services, session.tenant_id, integration_id)
    old = still_signing(integration.retired_secrets, now=services.clock.now())
    return show(
        request,
        session,
        "integration_rotate.html",
        section=SECTION,
        integration=integration,
        overlaps=list(OVERLAPS.items()),
        old=old,
    )


@router.post("/integrations/{integration_id:uuid}/rotate-secret")
def rotate_secret(
    request: Request, services: ServicesDep, session: IntegrationWriter, form: FormDep, integration_id: UUID
) -> Response:
    """Replace the signing secret; the new one is on the page that answers, and on no other."""
    seconds = str(form.get("overlap", ""))
    if seconds not in OVERLAPS:
        raise InvalidInput("overlap", "overlap: choose how long the old secret goes on to sign")
    overlap = timedelta(seconds=int(seconds))
    new = integrations.rotate_secret(services, session.tenant_id, integration_id, overlap=overlap, by=session.actor)
    return show_secret(request, session, new, was="rotated")


def show_secret(
    request: Request, session: Session, integration: Integration, *, was: Literal["created", "changed", "rotated"]
) -> Response:
    """Answer with the new signing secret of an integration; nobody may keep the page."""
    return show(request, session, "integration_secret.html", section=SECTION, integration=integration, was=was)
