"""The requests that ERA's clients make."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from postrider.control import integrations, keys
from postrider.control.integrations import Beside
from postrider.control.texts import LONGEST_NAME
from postrider.domain.access import Caller, Permission
from postrider.domain.errors import Conflict, InvalidInput, NotFound
from postrider.domain.integration import Integration
from postrider.services import Change, Services
from postrider.store import integrations as stored
from postrider.store import tenants
from postrider.web.auth import Authenticator, ServicesDep, require
from postrider.web.foreign import JsonBody, foreign_app

from . import channel as channels
from . import listing
from .channel import Channel
from .errors import form
from .given import Given

PATH = "/rest/v1/service"
POINTS = "/integration_points"
TOKENS = "/integration_tokens"
LARGEST_PAGE = 1_000
HIGHEST_OFFSET = 1_000_000
_BATCH = 200
_TOKEN_BYTES = 16
_TRIES = 5

Reader = Annotated[Caller, Depends(require(Permission.INTEGRATIONS_READ))]
Writer = Annotated[Caller, Depends(require(Permission.INTEGRATIONS_WRITE))]
Mask = Annotated[str, Query()]
Flat = Annotated[bool, Query()]

router = APIRouter()


def era_app(app: FastAPI) -> FastAPI:
    """Make the app of ERA's clients."""
    return foreign_app(app, [router], form, statuses={InvalidInput: 400})


@router.post(POINTS)
def create_channel(services: ServicesDep, caller: Writer, body: JsonBody) -> JSONResponse:
    """Make a channel, and the token by which it publishes."""
    given = Given.read(body)
    new = channels.new(given, _mint())
    way = channels.way(new, services.transports.names())
    data = {
        "type": "integration",
        "name": channels.name_of(new),
        "description": new.opts["comment"],
        "enabled": way.is_open and bool(new.observes),
        "integration_type": way.integration_type,
        "observes": new.observes,
        "configuration": way.configuration,
    }
    beside = _beside(new, is_open=way.is_open, integration_id=given.id, also=_key_giver(services, caller, new))
    made = integrations.create(services, caller.tenant_id, data, by=caller.actor, beside=beside)
    return JSONResponse(_document(caller, made))


@router.get(POINTS)
def list_channels(
    services: ServicesDep,
    caller: Reader,
    *,
    wanted: Annotated[str, Query(alias="filter")] = "",
    mask: Mask = "",
    offset: Annotated[int, Query(ge=0, le=HIGHEST_OFFSET)] = 0,
    limit: Annotated[int, Query(ge=0, le=LARGEST_PAGE)] = LARGEST_PAGE,
    order: Annotated[str, Query()] = "",
    flat: Flat = False,
) -> JSONResponse:
    """List channels."""
    test, sort, look = listing.parse_filter(wanted), listing.parse_order(order), listing.look(mask, flat=flat)
    if test.tests or sort.keys:
        all_of_them = [_document(caller, one) for one in _all(services, caller.tenant_id)]
        documents = sort.sorted([one for one in all_of_them if test.takes(one)])[offset : offset + limit]
    else:
        page = integrations.page(services, caller.tenant_id, offset=offset, limit=limit)
        documents = [_document(caller, one) for one in page.integrations]
    if not look.mask:
        for document in documents:
            # Lists do not have it unless it is asked for.
            del document["opts"]["comment"]
    return JSONResponse([look.at(document) for document in documents])


@router.api_route(POINTS, methods=["LOOKUP"])
def look_up(services: ServicesDep, caller: Reader, body: JsonBody) -> JSONResponse:
    """Find the channels of an id, a code or a token."""
    if not isinstance(body, str):
        raise InvalidInput("", "the body must be a JSON string: an id, code or token_local")
    if not (found := _found(services, caller.tenant_id, body)):
        raise NotFound("Lookup failed")
    return JSONResponse(found)


@router.get(POINTS + "/{channel_id:uuid}")
def get_channel(
    services: ServicesDep, caller: Reader, channel_id: UUID, mask: Mask = "", *, flat: Flat = False
) -> JSONResponse:
    """Get a channel."""
    look = listing.look(mask, flat=flat)
    return JSONResponse(look.at(_document(caller, integrations.get(services, caller.tenant_id, channel_id))))


@router.patch(POINTS + "/{channel_id:uuid}")
def change_channel(services: ServicesDep, caller: Writer, channel_id: UUID, body: JsonBody) -> JSONResponse:
    """Change what is given of a channel; an integration that another system's API made becomes one."""
    given = Given.read(body)
    for _ in range(_TRIES):
        try:
            return JSONResponse(_document(caller, _changed(services, caller, channel_id, given)))
        except _OvertakenError:
            continue
    raise Conflict("the channel is being changed by others at the same time; try again")


@router.delete(POINTS + "/{channel_id:uuid}", status_code=204)
def delete_channel(request: Request, services: ServicesDep, caller: Writer, channel_id: UUID) -> Response:
    """Delete a channel; its token opens nothing any more."""
    integrations.delete(services, caller.tenant_id, channel_id, by=caller.actor)
    authenticator: Authenticator = request.app.state.authenticator
    authenticator.known.forget_of_integration(channel_id)
    return Response(status_code=204)


@router.get(TOKENS + "/{token}")
def find_token(services: ServicesDep, caller: Reader, token: str) -> JSONResponse:
    """Find the channel of a token."""
    channel_id = _channel_of_token(services, caller.tenant_id, token)
    with services.database.read() as tx:
        tenant = tenants.get(tx, caller.tenant_id)
    if channel_id is None or tenant is None:
        raise NotFound("Token not found")
    link = f"{PATH}{POINTS}/{channel_id}"
    return JSONResponse(
        {
            "domain": tenant.name,
            "integration_point": {"id": str(channel_id), "_links": {"self": {"href": link}}},
        }
    )


class _OvertakenError(Exception):
    """Somebody else changed the channel after it was read."""


def _changed(services: Services, caller: Caller, channel_id: UUID, given: Given) -> Integration:
    old_integration = integrations.get(services, caller.tenant_id, channel_id)
    if old_integration.secrets_unreadable:
        raise Conflict("the channel's stored secrets cannot be read; have the missing encryption key put back")
    old = channels.read(old_integration)
    _check_fixed(old_integration, old, given)
    new = channels.revised(old, given, old.token_local or _mint())
    data = {"name": channels.name_of(new), "description": new.opts["comment"], "observes": new.observes}
    is_open = channels.is_open(old_integration)
    if channels.goes_elsewhere(old, new):
        _check_ours(old_integration)
        way = channels.way(new, services.transports.names())
        is_open = way.is_open
        data |= {
            "integration_type": way.integration_type,
            "configuration": channels.configuration(way, old_integration),
        }
    data |= _switched(old_integration, old, new, is_open=is_open)

    def also(change: Change, integration: Integration) -> None:
        if integration.version != old_integration.version + 1:
            raise _OvertakenError
        if not old.token_local:
            _key_giver(services, caller, new)(change, integration)

    beside = _beside(new, is_open=is_open, also=also)
    return integrations.update(services, caller.tenant_id, channel_id, data, by=caller.actor, beside=beside)


def _check_fixed(integration: Integration, old: Channel, given: Given) -> None:
    shown = {channels.document(integration, for_writer=for_writer)["token_local"] for for_writer in (True, False)}
    if given.has("id") and given.id != integration.id:
        raise InvalidInput("id", "id: cannot be changed; leave it out")
    if given.has("token_local") and given.token_local not in {old.token_local, *shown}:
        raise InvalidInput("token_local", "token_local: cannot be changed; leave it out")


def _check_ours(integration: Integration) -> None:
    if integration.integration_type not in {channels.WEBHOOK, channels.TELEGRAM}:
        raise InvalidInput(
            "type", f"type: a channel of type {integration.integration_type} is set up at /v2/integrations alone"
        )


def _switched(integration: Integration, old: Channel, new: Channel, *, is_open: bool) -> dict[str, bool]:
    """Switch a channel on when it first has something to send and somewhere to send it, off when it has not."""
    before = channels.is_open(integration) and bool(old.observes)
    after = is_open and bool(new.observes)
    mended = after and new.url != old.url
    return {"enabled": after} if before != after or mended else {}


def _beside(
    channel: Channel,
    *,
    is_open: bool,
    also: Callable[[Change, Integration], None],
    integration_id: UUID | None = None,
) -> Beside:
    return Beside(
        {channels.SYSTEM: channels.extras(channel, is_open=is_open)},
        {channels.SYSTEM: channels.secrets(channel, is_open=is_open)},
        integration_id,
        also,
    )


def _key_giver(services: Services, caller: Caller, channel: Channel) -> Callable[[Change, Integration], None]:
    def give(change: Change, integration: Integration) -> None:
        name = f"channel {channel.code}"[:LONGEST_NAME]
        keys.add_key_of_integration(
            services, change, integration, name=name, secret=channel.token_local, by=caller.actor
        )

    return give


def _mint() -> str:
    return secrets.token_hex(_TOKEN_BYTES)


def _document(caller: Caller, integration: Integration) -> dict[str, Any]:
    return channels.document(integration, for_writer=caller.may(Permission.INTEGRATIONS_WRITE))


def _all(services: Services, tenant_id: UUID) -> Iterator[Integration]:
    offset = 0
    while batch := integrations.page(services, tenant_id, offset=offset, limit=_BATCH).integrations:
        yield from batch
        offset += len(batch)


def _found(services: Services, tenant_id: UUID, sought: str) -> list[str]:
    """List the ids of a tenant's channels that have this id, code or token."""
    of_token = _channel_of_token(services, tenant_id, sought)
    if of_token is not None:
        return [str(of_token)]
    found = {str(one.id) for one in _all(services, tenant_id) if channels.read(one).code == sought}
    if (by_id := _as_id(sought)) is not None:
        with services.database.read() as tx:
            found |= {sought.lower()} if stored.known(tx, tenant_id, by_id) else set()
    return sorted(found)


def _channel_of_token(services: Services, tenant_id: UUID, token: str) -> UUID | None:
    try:
        channel_id = keys.integration_of(services, token)
    except UnicodeEncodeError:
        # Half a surrogate pair, which JSON can spell, is in no token.
        return None
    if channel_id is None:
        return None
    with services.database.read() as tx:
        return channel_id if stored.known(tx, tenant_id, channel_id) else None


def _as_id(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None
