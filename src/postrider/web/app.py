"""The web app: every route, and how all of them fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

from postrider.control.event_types import KnownTypes
from postrider.pipeline.publish import Publisher
from postrider.services import Services

from . import errors
from .api import (
    api_keys,
    audit_log,
    dead_letters,
    deliveries,
    event_types,
    events,
    health,
    integration_logs,
    integrations,
    integrator_io,
    jobs,
    oauth,
    ocamba_hood,
    preview,
    published,
    resend,
    tenants,
)
from .api.cxengage import integrations as cxengage
from .api.integration_points import routes as integration_points
from .auth import Authenticator
from .dashboard.app import create_dashboard
from .dashboard.session import PATH as DASHBOARD
from .dashboard.sign_in_codes import SignInCodes
from .head import HeadAsGet
from .limits import KeyLimit, Limits, SignInLimit, shared_storage
from .openapi import TAGS, Described
from .request_log import RequestLog

# The hot route stands first.
ROUTERS = (
    published.router,
    events.router,
    event_types.router,
    integration_logs.router,
    integrations.router,
    preview.router,
    deliveries.router,
    resend.router,
    dead_letters.router,
    jobs.router,
    tenants.router,
    api_keys.router,
    audit_log.router,
    oauth.router,
    health.router,
)


def create_app(
    services: Services, publisher: Publisher, limits: Limits | None = None, codes: SignInCodes | None = None
) -> FastAPI:
    """Make the app; the caller starts and stops the publisher. Without `limits` there are none.

    `codes` are those of links that sign in once; without them no link does.
    """
    limits = limits or Limits()
    app = Described(
        title="Postrider",
        version="2",
        summary="Delivers events by webhook, SQS, STOMP, REST, mail, SMS and more, or keeps them with the reason.",
        openapi_tags=TAGS,
        # The pages that FastAPI would show fetch their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.services = services
    app.state.publisher = publisher
    app.state.authenticator = Authenticator(services, SignInLimit(limits))
    app.state.key_limit = KeyLimit(limits)
    app.state.known_types = KnownTypes(services)
    app.state.routes = [route for router in ROUTERS for route in router.routes]
    app.add_middleware(published.PublishDoor)
    app.add_middleware(RequestLog)
    app.add_middleware(HeadAsGet)
    errors.install(app)
    app.router.routes += [*app.state.routes, Route(DASHBOARD, _to_dashboard)]
    app.mount(DASHBOARD, create_dashboard(app, codes or SignInCodes()))
    app.mount(cxengage.PATH, cxengage.create(app))
    app.mount(integration_points.PATH, integration_points.era_app(app))
    app.state.hood_windows = ocamba_hood.Windows(limits.hood, shared=shared_storage(limits))
    app.mount(ocamba_hood.PATH, ocamba_hood.create(app, app.state.hood_windows))
    # Behind all others whose address begins as its own does.
    app.mount(integrator_io.PATH, integrator_io.create(app))
    return app


def _to_dashboard(_: Request) -> RedirectResponse:
    return RedirectResponse(f"{DASHBOARD}/", 307)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.authenticator.close()
    app.state.key_limit.close()
    app.state.hood_windows.close()
