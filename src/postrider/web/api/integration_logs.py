"""Jobs and logs: an integration's deliveries and their attempts, in Elastic Path's words."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from fastapi.responses import JSONResponse

from postrider.domain.access import Caller, Permission
from postrider.domain.delivery import Attempt
from postrider.domain.errors import NotFound
from postrider.domain.news import timestamp
from postrider.domain.outcome import Verdict
from postrider.store import deliveries, integrations
from postrider.store.engine import Transaction
from postrider.web.auth import ServicesDep, require
from postrider.web.openapi import operations

from . import integration_schemas as schemas
from .integrations import PATH
from .offset_pages import OffsetPage, OffsetPageDep

NO_STATUS = 0
"""Elastic Path's clients take a number for `status_code`, also where the far side gave no HTTP answer."""

Reader = Annotated[Caller, Depends(require(Permission.DELIVERIES_READ))]

# The ids are matched as such, so that `/logs` is never taken for one, whichever router comes first.
router = operations("Integrations", prefix=PATH)


@router.get("/logs", responses=schemas.several("IntegrationLog"))
def list_logs(services: ServicesDep, caller: Reader, page: OffsetPageDep) -> JSONResponse:
    """List the attempts of all integrations, newest first."""
    with services.database.read() as tx:
        found = deliveries.attempts_page(tx, caller.tenant_id, offset=page.offset, limit=page.limit + 1)
    return _logs(found, page, f"{PATH}/logs")


@router.get("/{integration_id:uuid}/logs", responses=schemas.several("IntegrationLog"))
def list_integration_logs(
    services: ServicesDep, caller: Reader, page: OffsetPageDep, integration_id: UUID
) -> JSONResponse:
    """List an integration's attempts, newest first."""
    with services.database.read() as tx:
        _check_integration(tx, caller, integration_id)
        found = deliveries.attempts_page(
            tx, caller.tenant_id, integration_id=integration_id, offset=page.offset, limit=page.limit + 1
        )
    return _logs(found, page, f"{PATH}/{integration_id}/logs")


@router.get("/{integration_id:uuid}/jobs", responses=schemas.several("IntegrationJob"))
def list_integration_jobs(
    services: ServicesDep, caller: Reader, page: OffsetPageDep, integration_id: UUID
) -> JSONResponse:
    """List an integration's deliveries, newest first."""
    with services.database.read() as tx:
        _check_integration(tx, caller, integration_id)
        found = deliveries.page_by_offset(
            tx, caller.tenant_id, integration_id, offset=page.offset, limit=page.limit + 1
        )
    links = page.links(f"{PATH}/{integration_id}/jobs", more=len(found) > page.limit)
    return JSONResponse({"data": [_job(delivery_id) for delivery_id in found[: page.limit]], "links": links})


@router.get("/{integration_id:uuid}/jobs/{job_id:uuid}/logs", responses=schemas.several("IntegrationLog"))
def list_job_logs(
    services: ServicesDep, caller: Reader, page: OffsetPageDep, integration_id: UUID, job_id: UUID
) -> JSONResponse:
    """List a delivery's attempts, newest first."""
    with services.database.read() as tx:
        _check_integration(tx, caller, integration_id)
        delivery = deliveries.get(tx, caller.tenant_id, job_id)
        if delivery is None or delivery.integration_id != integration_id:
            raise NotFound(f"the integration has no job {job_id}")
        found = deliveries.attempts_page(
            tx, caller.tenant_id, delivery_id=job_id, offset=page.offset, limit=page.limit + 1
        )
    return _logs(found, page, f"{PATH}/{integration_id}/jobs/{job_id}/logs")


def _check_integration(tx: Transaction, caller: Caller, integration_id: UUID) -> None:
    if not integrations.known(tx, caller.tenant_id, integration_id):
        raise NotFound(f"there is no integration {integration_id}")


def _logs(found: list[Attempt], page: OffsetPage, path: str) -> JSONResponse:
    """Show a page of attempts; one more than the page was read, to see whether another follows."""
    links = page.links(path, more=len(found) > page.limit)
    return JSONResponse({"data": [_log(attempt) for attempt in found[: page.limit]], "links": links})


def _log(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": str(attempt.id),
        "type": "integration-log",
        "succeeded": attempt.verdict == Verdict.DELIVERED,
        "attempt": attempt.number,
        "processing_time": attempt.duration_ms / 1000,
        "body": attempt.response_body,
        "status_code": NO_STATUS if attempt.status_code is None else attempt.status_code,
        "error_detail": attempt.detail,
        "relationships": {
            "integration": {"data": {"type": "integration", "id": str(attempt.integration_id)}},
            "job": {"data": _job(attempt.delivery_id)},
        },
        "meta": {"timestamps": {"created_at": timestamp(attempt.created_at)}},
    }


def _job(delivery_id: UUID) -> dict[str, str]:
    return {"type": "integration-job", "id": str(delivery_id)}
