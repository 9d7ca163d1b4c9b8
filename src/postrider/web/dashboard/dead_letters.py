"""Dead letters: what was given up, by integration and error, and what is done about many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from postrider.domain.errors import InvalidInput
from postrider.pipeline import redrive
from postrider.services import Services
from postrider.store import counts, deliveries, integrations
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind
from postrider.web.api.dead_letters import FASTEST, SLOWEST
from postrider.web.api.deliveries import reason_of
from postrider.web.auth import ServicesDep

from .choices import integration_choices
from .filters import LetterQuery
from .notices import went_well
from .pages import show
from .paging import ways
from .session import DeliveryReader, FormDep, Redriver, Session

PAGE = 100
MOST_GROUPS = 200
SECTION = "/dead-letters"
GROUP = f"{SECTION}/group"
ALL, SELECTED = "all", "selected"

router = APIRouter()


@router.get(SECTION)
def list_groups(
    request: Request, services: ServicesDep, session: DeliveryReader, query: Annotated[LetterQuery, Query()]
) -> Response:
    """List dead letters by integration and error, those with the most first."""
    with services.database.read() as tx:
        tenant_id, only = session.tenant_id, query.integration_id
        groups = counts.letter_groups(tx, tenant_id, integration_id=only, limit=MOST_GROUPS + 1)
        total = counts.letters(tx, tenant_id)
        targets = integrations.heads(tx, tenant_id, {group.integration_id for group in groups})
        choices = integration_choices(tx, tenant_id, chosen=only)
    return show(
        request,
        session,
        "dead_letters.html",
        section=SECTION,
        query=query,
        groups=groups[:MOST_GROUPS],
        more=len(groups) > MOST_GROUPS,
        total=total,
        targets=targets,
        choices=choices,
    )


@router.get(GROUP)
def show_group(
    request: Request, services: ServicesDep, session: DeliveryReader, query: Annotated[LetterQuery, Query()]
) -> Response:
    """Show the dead letters of a group, or all that a filter takes."""
    return _page(request, services, session, query)


def _page(
    request: Request,
    services: Services,
    session: Session,
    query: LetterQuery,
    *,
    status: int = 200,
    **given: Any,
) -> Response:
    with services.database.read() as tx:
        found = deliveries.page(tx, session.tenant_id, query.wanted(), before=query.before, limit=PAGE + 1)
        targets = integrations.heads(tx, session.tenant_id, {*(one.integration_id for one in found), *_only(query)})
        choices = integration_choices(tx, session.tenant_id, chosen=query.integration_id)
    return show(
        request,
        session,
        "dead_letter_group.html",
        section=SECTION,
        status=status,
        query=query,
        rows=found[:PAGE],
        targets=targets,
        target=targets.get(query.integration_id) if query.integration_id else None,
        choices=choices,
        ways=ways(GROUP, query, found, shown=PAGE),
        given={"which": SELECTED, "ids": (), "rate": "", "reason": "", "complaints": {}, **given},
    )


def _only(query: LetterQuery) -> Sequence[UUID]:
    return [query.integration_id] if query.integration_id else []


@router.post("/dead-letters/redrive")
def redrive_letters(request: Request, services: ServicesDep, session: Redriver, form: FormDep) -> Response:
    """Send dead letters again, as a job."""
    return _start(request, services, session, form, JobKind.REDRIVE)


@router.post("/dead-letters/discard")
def discard_letters(request: Request, services: ServicesDep, session: Redriver, form: FormDep) -> Response:
    """Let dead letters go, as a job."""
    return _start(request, services, session, form, JobKind.DISCARD)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the form asks for, checked."""

    filter: DeliveryFilter
    rate: float | None
    reason: str


def _start(request: Request, services: Services, session: Session, form: FormData, kind: JobKind) -> Response:
    query = _query(form)
    try:
        wanted = _wanted(form, query, kind)
    except InvalidInput as error:
        return _page(request, services, session, query, status=422, **_typed(form, error))
    job = redrive.start_job(
        services,
        session.tenant_id,
        kind=kind,
        wanted=wanted.filter,
        rate=wanted.rate,
        reason=wanted.reason,
        by=session.actor,
    )
    done = "They are on their way again." if kind is JobKind.REDRIVE else "They are let go. That can be undone here."
    return went_well(request, f"/jobs/{job.id}", done)


def _query(form: FormData) -> LetterQuery:
    try:
        return LetterQuery.model_validate({name: str(form.get(name, "")) for name in LetterQuery.model_fields})
    except ValidationError:
        raise InvalidInput("filter", "the form does not say which dead letters; load its page again") from None


def _wanted(form: FormData, query: LetterQuery, kind: JobKind) -> _Wanted:
    ids = _ids(form)
    word = "redriven" if kind is JobKind.REDRIVE else "discarded"
    return _Wanted(
        filter=query.wanted(ids),
        rate=_rate(str(form.get("rate", ""))) if kind is JobKind.REDRIVE else None,
        reason=reason_of(str(form.get("reason", "")), otherwise=word),
    )


def _ids(form: FormData) -> tuple[UUID, ...]:
    """Give those that were chosen; none when all are meant."""
    if form.get("which") == ALL:
        return ()
    try:
        ids = tuple(UUID(str(text)) for text in form.getlist("id"))
    except ValueError:
        ids = ()
    if not ids:
        raise InvalidInput("which", "Choose at least one of the dead letters below, or all of them.")
    return ids


def _rate(given: str) -> float | None:
    if not given.strip():
        return None
    try:
        rate = float(given)
    except ValueError:
        rate = 0.0
    if not SLOWEST <= rate <= FASTEST:
        raise InvalidInput("rate", f"Give a number from {SLOWEST:g} to {FASTEST:,.0f}, or nothing.")
    return rate


def _typed(form: FormData, error: InvalidInput) -> dict[str, Any]:
    return {
        "which": str(form.get("which", SELECTED)),
        "ids": {str(text) for text in form.getlist("id")},
        "rate": str(form.get("rate", "")),
        "reason": str(form.get("reason", "")),
        "complaints": {error.pointer.rpartition(".")[2]: error.detail},
    }
