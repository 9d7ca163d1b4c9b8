"""Who looks at the pages, and is a form ours? Asked here once for every page."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from postrider.control import sessions
from postrider.domain.access import Actor, Caller, Permission
from postrider.domain.errors import NotAuthenticated, NotPermitted, UnsupportedContent
from postrider.services import Services
from postrider.store import tenants
from postrider.store.tenants import Tenant
from postrider.web.auth import Authenticator, services_of
from postrider.web.limits import host_of

COOKIE = "postrider_session"
GUEST_COOKIE = "postrider_guest"
"""Tells apart who is not signed in, so that the form of the sign-in page is known to be ours."""
FORM_TOKEN = "form_token"  # noqa: S105 - a field's name
PATH = "/dashboard"
_FORM_HEADER = "x-form-token"
_SAFE = frozenset({"GET", "HEAD"})


class FormExpired(NotPermitted):
    """A form came without the proof that it is ours: from elsewhere, or from before the last sign-in."""

    def __init__(self) -> None:
        super().__init__("this form is too old, or comes from somewhere else: go back, load the page again and retry")


@dataclass(frozen=True, slots=True)
class Session:
    """Who is in front of the page, and whose things they look at."""

    caller: Caller
    tenant: Tenant
    """The key's own, or another one that an operator chose."""
    form_token: str = field(repr=False)

    @property
    def tenant_id(self) -> UUID:
        return self.tenant.id

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    @property
    def operator(self) -> bool:
        """Whether tenants other than the key's own may be looked at."""
        return self.caller.may(Permission.TENANTS_MANAGE)

    @property
    def sees_requests(self) -> bool:
        """Whether what was sent may be shown: it is made of an event's payload and an integration's configuration."""
        return self.caller.may(Permission.EVENTS_READ) and self.caller.may(Permission.INTEGRATIONS_READ)

    def may(self, permission: str) -> bool:
        """Tell whether a permission, by its word, was given: templates ask before they show a button."""
        return self.caller.may(Permission(permission))


def signed_in(*permissions: Permission) -> Callable[[Request], Awaitable[Session]]:
    """Make the dependency that gives the session.

    It raises NotAuthenticated, which leads to the sign-in page; NotPermitted naming the first permission that the key
    lacks; and FormExpired for a form that is not ours, whatever the method but GET.
    """

    async def session(request: Request) -> Session:
        found = await _session(request)
        for permission in permissions:
            if not found.caller.may(permission):
                raise NotPermitted(f"the API key lacks the permission {permission.value}")
        return found

    return session


async def _session(request: Request) -> Session:
    services, cookie = services_of(request), request.cookies.get(COOKIE, "")
    told = sessions.read(services.pepper, cookie, now=services.clock.now())
    authenticator: Authenticator = request.app.state.authenticator
    caller = await authenticator.caller_of(told.api_key_id, host=host_of(request))
    await check_form(request, cookie)
    tenant = await run_in_threadpool(_tenant, services, caller, told.tenant_id)
    return Session(caller, tenant, sessions.form_token(services.pepper, cookie))


def _tenant(services: Services, caller: Caller, tenant_id: UUID) -> Tenant:
    if not caller.may(Permission.TENANTS_MANAGE):
        tenant_id = caller.tenant_id
    with services.database.read() as tx:
        found = tenants.get(tx, tenant_id)
    if found is None:
        raise NotAuthenticated("the tenant is gone; sign in again")
    return found


async def check_form(request: Request, cookie: str) -> None:
    """Raise FormExpired when a form does not carry what was shown with this cookie."""
    if request.method in _SAFE:
        return
    given = request.headers.get(_FORM_HEADER) or str((await form_of(request)).get(FORM_TOKEN, ""))
    if not sessions.is_form_token(services_of(request).pepper, cookie, given):
        raise FormExpired


async def form_of(request: Request) -> FormData:
    """Give the posted form's fields, all of them texts; raises UnsupportedContent for another form than ours."""
    # In several parts a form has files, and names the codec of its texts: one that gives half letters, or that fails.
    if request.headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise UnsupportedContent("header.Content-Type", "send a form as application/x-www-form-urlencoded")
    return await request.form()


FormDep = Annotated[FormData, Depends(form_of)]
Anyone = Annotated[Session, Depends(signed_in())]
DeliveryReader = Annotated[Session, Depends(signed_in(Permission.DELIVERIES_READ))]
Redriver = Annotated[Session, Depends(signed_in(Permission.DELIVERIES_READ, Permission.DELIVERIES_REDRIVE))]
EventReader = Annotated[Session, Depends(signed_in(Permission.EVENTS_READ))]
Publisher = Annotated[Session, Depends(signed_in(Permission.EVENTS_PUBLISH))]
IntegrationReader = Annotated[Session, Depends(signed_in(Permission.INTEGRATIONS_READ))]
IntegrationWriter = Annotated[Session, Depends(signed_in(Permission.INTEGRATIONS_READ, Permission.INTEGRATIONS_WRITE))]
Operator = Annotated[Session, Depends(signed_in(Permission.TENANTS_MANAGE))]


def keep(request: Request, response: Response, session: sessions.Session) -> None:
    """Write a session's cookie."""
    seconds = int((session.expires_at - services_of(request).clock.now()).total_seconds())
    put(request, response, COOKIE, session.text, seconds=seconds)


def end(request: Request, response: Response) -> None:
    """Take the session's cookie away."""
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="lax", secure=_behind_tls(request))


def welcome_guest(request: Request) -> str:
    """Give the guest's cookie: the one that came, or a new one, which `keep_guest` has to write."""
    return request.cookies.get(GUEST_COOKIE) or secrets.token_urlsafe(24)


def keep_guest(request: Request, response: Response, cookie: str) -> None:
    """Write a guest's cookie."""
    put(request, response, GUEST_COOKIE, cookie, seconds=24 * 3600)


def put(request: Request, response: Response, name: str, value: str, *, seconds: int) -> None:
    """Write a cookie that no script reads, and that goes over TLS alone when it came over it."""
    response.set_cookie(
        name, value, max_age=seconds, path=PATH, httponly=True, samesite="lax", secure=_behind_tls(request)
    )


def _behind_tls(request: Request) -> bool:
    """Tell whether the browser came over TLS; the server may see the plain end of a proxy, trusted or not."""
    told = (request.headers.get("x-forwarded-proto", ""), request.headers.get("origin", ""))
    return request.url.scheme == "https" or any(one.startswith("https") for one in told)
