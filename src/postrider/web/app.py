"""The web app: every route, and how all of them fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from postrider.pipeline.publish import Publisher
from postrider.services import Services

from . import errors
from .auth import Authenticator


def create_app(services: Services, publisher: Publisher) -> FastAPI:
    """Make the app; the caller starts and stops the publisher."""
    app = FastAPI(title="Postrider", version="2", lifespan=_lifespan)
    app.state.services = services
    app.state.publisher = publisher
    app.state.authenticator = Authenticator(services)
    errors.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.authenticator.close()
