"""How Ocamba Hood says that a request failed: one object, with the id under which the log has it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog

from postrider.domain.errors import InvalidInput, PostriderError
from postrider.services import Ids
from postrider.web.foreign import Failure

from .members import TEMPLATES

STATUSES: Mapping[type[PostriderError], int] = {InvalidInput: HTTPStatus.BAD_REQUEST}
_DATA, _CONFIGURATION = "data.", "configuration"

log = structlog.get_logger()


class Refusals:
    """Makes the error documents of one app."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def __call__(self, failure: Failure) -> dict[str, Any]:
        """Write a failure, and tell the log of it under the same id."""
        trace_id = str(self._ids.new())
        ours = failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        tell = log.error if ours else log.info
        tell("hood_request.refused", trace_id=trace_id, request_id=failure.request_id, status=failure.status)
        document = {"code": failure.status, "title": f"{HTTPStatus(failure.status).phrase.capitalize()}."}
        return {**document, **({} if ours else {"message": _message(failure)}), "trace_id": trace_id}


def _message(failure: Failure) -> str:
    """Say what is wrong in the words of Hood's members."""
    pointer = failure.pointer.removeprefix(_DATA)
    first, _, field = pointer.partition(".")
    if first != _CONFIGURATION:
        return failure.detail
    where = "templates" if field.partition(".")[0] in TEMPLATES else "settings"
    if not field:
        return f"{where}{failure.detail.removeprefix(_CONFIGURATION)}"
    return f"{where}.{failure.detail}"
