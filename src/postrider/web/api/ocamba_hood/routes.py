"""Hood's requests: integrations, providers, and the test of an integration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from postrider.control import defaults, integrations, trials
from postrider.control.integrations import Beside
from postrider.control.texts import problem_with
from postrider.domain.access import Caller, Permission
from postrider.domain.errors import InvalidInput, NotFound
from postrider.domain.integration import Integration
from postrider.domain.outcome import Verdict
from postrider.services import Change, Services
from postrider.store import health as health_store
from postrider.store.health import NO_HEALTH
from postrider.store.integration_search import Search, search
from postrider.web.auth import ServicesDep
from postrider.web.foreign import JsonBody

from . import members, providers
from .lists import SEARCHABLE, AskedDep, only
from .providers import KINDS, Provider
from .windows import Reader, Writer

LONGEST_RECIPIENT = 254
_PROVIDER_SORTS = ("id", "name", "type")
_PROVIDER_MEMBERS = ("id", "type", "name", "logo", "settings", "templates")

router = APIRouter()


@router.post("/integrations")
def create_integration(services: ServicesDep, caller: Writer, body: JsonBody) -> JSONResponse:
    """Create an integration."""
    provider, data = members.new_data(services, body)
    beside = _new(_beside(services, provider, default=members.wanted_default(body), now=False))
    made = integrations.create(services, caller.tenant_id, data, by=caller.actor, beside=beside)
    (document,) = _documents(services, caller, [made])
    return JSONResponse(document, 201)


@router.get("/integrations")
def list_integrations(services: ServicesDep, caller: Reader, asked: AskedDep) -> JSONResponse:
    """List integrations, oldest first where nothing else is asked."""
    shown = asked.shown((*members.MEMBERS, members.PROVIDER), members.MEMBERS)
    offset, limit = asked.window()
    kind, provider_id = asked.one_of("type", KINDS), asked.one_of("provider_id", [one.id for one in providers.ALL])
    status = asked.one_of("status", (members.ACTIVE, members.INACTIVE))
    wanted = Search(
        types=[
            one.transport
            for one in providers.installed(services)
            if kind in (None, one.kind) and provider_id in (None, one.id)
        ],
        text=asked.text(),
        within=frozenset(SEARCHABLE[name] for name in asked.within(SEARCHABLE)),
        enabled=None if status is None else status == members.ACTIVE,
        order=asked.order(),
    )
    with services.database.read() as tx:
        found = search(tx, services.box, caller.tenant_id, wanted, offset=offset, limit=limit)
    documents = _documents(services, caller, found.integrations, with_provider=members.PROVIDER in shown)
    return JSONResponse({"total": found.total, "items": [only(one, shown) for one in documents]})


@router.get("/integrations/{integration_id}")
def get_integration(services: ServicesDep, caller: Reader, integration_id: UUID, asked: AskedDep) -> JSONResponse:
    """Get an integration, with its provider."""
    everything = (*members.MEMBERS, members.PROVIDER)
    shown = asked.shown(everything, everything)
    integration, _ = _known(services, caller, integration_id)
    (document,) = _documents(services, caller, [integration], with_provider=True)
    return JSONResponse(only(document, shown))


@router.patch("/integrations/{integration_id}")
def update_integration(services: ServicesDep, caller: Writer, integration_id: UUID, body: JsonBody) -> Response:
    """Change what is given of an integration; the rest stays."""
    old, provider = _known(services, caller, integration_id)
    data = members.changed_data(services, old, provider, body)
    wanted = members.wanted_default(body)
    beside = _beside(services, provider, default=wanted, now=members.is_default(old, provider))
    integrations.update(services, caller.tenant_id, integration_id, data, by=caller.actor, beside=beside)
    return Response(status_code=204)


@router.get("/providers")
def list_providers(services: ServicesDep, _caller: Reader, asked: AskedDep) -> JSONResponse:
    """List who can send, with the settings that each needs."""
    shown, text = asked.shown(_PROVIDER_MEMBERS, _PROVIDER_MEMBERS), asked.text().lower()
    kind, within = asked.one_of("type", KINDS), asked.within(SEARCHABLE)
    found = [
        document
        for one in providers.installed(services)
        if kind in (None, one.kind) and text in _searched(document := providers.document(services, one), within)
    ]
    # The last one first: a sort keeps the order of what is equal by it.
    for name, descending in reversed(asked.sort(_PROVIDER_SORTS)):
        found.sort(key=lambda document, name=name: document[name], reverse=descending)  # type: ignore[misc]
    offset, limit = asked.window()
    items = [only(document, shown) for document in found[offset : offset + limit]]
    return JSONResponse({"total": len(found), "items": items})


@router.get("/providers/{provider_id}")
def get_provider(services: ServicesDep, _caller: Reader, provider_id: str, asked: AskedDep) -> JSONResponse:
    """Get one who can send."""
    shown = asked.shown(_PROVIDER_MEMBERS, _PROVIDER_MEMBERS)
    provider = providers.by_id(services, provider_id)
    if provider is None:
        raise NotFound("there is no such provider")
    return JSONResponse(only(providers.document(services, provider), shown))


@router.post("/test-notification")
def send_test_notification(services: ServicesDep, caller: Writer, body: JsonBody) -> Response:
    """Send a test to a recipient.

    By a stored integration, which its id names or of which it is the default: it is on its way, and the integration's
    effective_status tells what became of it. By one that is not stored: it is sent at once, and what fails is told.
    """
    asked = members.as_object(body)
    given = members.as_object(asked.get("integration"), "integration")
    recipient = _recipient(asked.get("recipient", ""))
    said = trials.sample_for(recipient)
    stored = _stored(services, caller, given)
    if stored is not None:
        trials.check_recipient(services, stored, said, recipient)
        integrations.send_test(services, caller.tenant_id, stored.id, said=said, by=caller.actor)
    else:
        _send_at_once(services, caller, given, said, recipient)
    return Response(status_code=204)


def _send_at_once(services: Services, caller: Caller, given: Any, said: dict[str, Any], recipient: str) -> None:
    _, data = members.new_data(services, given)
    draft = integrations.draft(services, caller.tenant_id, data, beside=Beside())
    trials.check_recipient(services, draft, said, recipient)
    outcome = trials.send_at_once(services, draft, said, by=caller.actor)
    if outcome.verdict is not Verdict.DELIVERED:
        raise InvalidInput("integration", f"the test was not delivered: {outcome.detail or outcome.error}")


def _stored(services: Services, caller: Caller, given: Any) -> Integration | None:
    """Find the integration that a test is for; None when it is one that is not stored."""
    if "id" in given:
        try:
            return _known(services, caller, UUID(str(given["id"])))[0]
        except ValueError:
            raise NotFound("there is no such integration") from None
    if "provider_id" in given or "type" not in given:
        return None
    return _default(services, caller, given["type"])


def _default(services: Services, caller: Caller, kind: object) -> Integration:
    if kind not in KINDS:
        raise InvalidInput("integration.type", f"integration.type: must be one of {', '.join(KINDS)}")
    with services.database.read() as tx:
        found = defaults.of_kind(tx, caller.tenant_id, system=members.SYSTEM, kind=str(kind))
    if found is None:
        raise NotFound(f"there is no default integration of the type {kind}")
    return _known(services, caller, found)[0]


def _recipient(given: object) -> str:
    if not isinstance(given, str):
        raise InvalidInput("recipient", "recipient: must be text")
    problem = problem_with(given, longest=LONGEST_RECIPIENT, empty=True)
    if problem is not None:
        raise InvalidInput("recipient", f"recipient: {problem}")
    return given


def _beside(services: Services, provider: Provider, *, default: bool | None, now: bool) -> Beside:
    """Say whether it is to be its type's default one, where that is to change."""
    if default is None or default == now:
        return Beside()

    def alone(change: Change, integration: Integration) -> None:
        if default:
            defaults.make_only(services, change, integration, system=members.SYSTEM, kind=provider.kind)

    return Beside(members.default_extras(provider, default=default), also=alone)


def _new(beside: Beside) -> Beside:
    """Have it told of an integration that Hood's clients made it, default or not."""
    return replace(beside, extras={members.SYSTEM: {}, **beside.extras})


def _known(services: Services, caller: Caller, integration_id: UUID) -> tuple[Integration, Provider]:
    """Read an integration that Hood has a provider for; raises NotFound."""
    integration = integrations.get(services, caller.tenant_id, integration_id)
    provider = providers.by_transport(services, integration.integration_type)
    if provider is None:
        raise NotFound(f"there is no integration {integration_id}")
    return integration, provider


def _documents(
    services: Services, caller: Caller, found: Sequence[Integration], *, with_provider: bool = False
) -> list[dict[str, Any]]:
    company = members.company_id(services, caller.tenant_id)
    for_writer = caller.may(Permission.INTEGRATIONS_WRITE)
    with services.database.read() as tx:
        health = health_store.of(tx, [one.id for one in found])
    documents = []
    for one in found:
        provider = providers.by_transport(services, one.integration_type)
        if provider is None:
            continue
        standing = health.get(one.id, NO_HEALTH)
        document = members.document(services, one, provider, company=company, health=standing, for_writer=for_writer)
        if with_provider:
            document[members.PROVIDER] = providers.document(services, provider)
        documents.append(document)
    return documents


def _searched(document: dict[str, Any], within: Sequence[str]) -> str:
    return "\n".join(document[name] for name in within).lower()
