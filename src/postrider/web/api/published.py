"""`POST /v2/events`: the hot path, so it is read and answered without pydantic and awaits the publisher's thread."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from uuid import UUID

import msgspec
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from postrider.control.event_types import RESERVED, KnownTypes
from postrider.control.given import shortened
from postrider.domain.access import Permission
from postrider.domain.catalogue import nearest
from postrider.domain.errors import InvalidInput, PostriderError
from postrider.domain.observe import NAME_LENGTH
from postrider.pipeline.publish import NewEvent, Published, Publisher, Publishing
from postrider.web import errors, metrics
from postrider.web.auth import authenticate
from postrider.web.openapi import answers, operations

from . import cloudevents, content, publishing
from .content import Form
from .publish_operation import OPERATION

BIG_BODY = 64 * 1024
"""Larger bodies are read in a thread, so that nobody else's request waits for them."""
_PLACES = {Form.NATIVE: "data.", Form.CLOUDEVENT: "", Form.CLOUDEVENTS: "", Form.BINARY_CLOUDEVENT: "header.ce-"}

PATH = "/v2/events"

router = operations("Events")


@router.post(PATH, openapi_extra=OPERATION, status_code=202, responses=answers(409))
async def publish(request: Request) -> Response:
    """Store one event or a list of events; the answer means that they are committed."""
    caller = await authenticate(request, Permission.EVENTS_PUBLISH)
    form, body = content.form_of(request.headers), await request.body()
    began = time.perf_counter()
    wanted = _read(form, request, body) if len(body) < BIG_BODY else await run_in_threadpool(_read, form, request, body)
    key = _request_key(request, form, wanted.events)
    await _check_types(request.app.state.known_types, caller.tenant_id, form, wanted)
    publisher: Publisher = request.app.state.publisher
    body_hash = b"" if key is None else hashlib.sha256(body).digest()
    stored = await asyncio.wrap_future(publisher.submit(Publishing(caller.tenant_id, wanted.events, key, body_hash)))
    metrics.PUBLISH_SECONDS.observe(time.perf_counter() - began)
    metrics.PUBLISHED.inc(len(stored))
    return _answer(stored, is_list=wanted.is_list)


class PublishDoor:
    """Answers `POST /v2/events` before the framework looks for its route, which cost more than the publishing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        (self._route,) = router.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        try:
            response = await publish(Request(scope, receive))
        except (PostriderError, HTTPException) as error:
            response = errors.answer_to(error)
        await response(scope, receive, send)


def _read(form: Form, request: Request, body: bytes) -> publishing.PublishRequest:
    match form:
        case Form.NATIVE:
            return publishing.read(body)
        case Form.CLOUDEVENT:
            return cloudevents.read_structured(body)
        case Form.CLOUDEVENTS:
            return cloudevents.read_batch(body)
        case Form.BINARY_CLOUDEVENT:
            return cloudevents.read_binary(request.headers, body)


def _request_key(request: Request, form: Form, events: Sequence[NewEvent]) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not publishing.KEY.match(key):
        raise InvalidInput("header.Idempotency-Key", f"Idempotency-Key: {publishing.KEY_RULE}")
    if form is not Form.NATIVE:
        raise InvalidInput(
            "header.Idempotency-Key", "Idempotency-Key: leave it out; source and id already tell CloudEvents apart"
        )
    if any(event.idempotency_key is not None for event in events):
        raise InvalidInput(
            "header.Idempotency-Key", "Idempotency-Key: give the header, or idempotency_key in the events, not both"
        )
    return key


async def _check_types(known: KnownTypes, tenant_id: UUID, form: Form, wanted: publishing.PublishRequest) -> None:
    names = [event.event_type for event in wanted.events]
    unknown = known.unknown(tenant_id, names)
    now_known = await run_in_threadpool(known.look_up, tenant_id) if unknown else frozenset()
    refused = [name for name in names if name.startswith(RESERVED) or (name in unknown and name not in now_known)]
    if refused:
        field = "event_type" if form is Form.NATIVE else "type"
        place = _PLACES[form] + (f"{names.index(refused[0])}." if wanted.is_list else "")
        raise InvalidInput(f"{place}{field}", f"{field}: {why_refused(refused[0], now_known)}")


def why_refused(name: str, known: frozenset[str]) -> str:
    """Say why an event type that is reserved, or none of the known, may not be published."""
    said = shortened(name)
    if name.startswith(RESERVED):
        return f"{said} is Postrider's own; nobody else publishes it"
    near = nearest(name[:NAME_LENGTH], known)
    hint = f" (did you mean {near}?)" if near else ""
    return f"{said!r} is not a known event type{hint}; POST /v2/event-types adds one"


def _answer(stored: Sequence[Published], *, is_list: bool) -> Response:
    shown = [
        {
            "id": event.id,
            "type": "event",
            "event_type": event.event_type,
            "meta": {"timestamps": {"created_at": event.created_at}},
        }
        for event in stored
    ]
    return Response(msgspec.json.encode({"data": shown if is_list else shown[0]}), 202, media_type="application/json")
