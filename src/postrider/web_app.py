"""The web's door: an ASGI app with its parts, for uvicorn."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from postrider.domain.errors import PostriderError
from postrider.runtime import build, configure_logs
from postrider.settings import Settings
from postrider.store.processes import ProcessKind
from postrider.web.app import create_app
from postrider.web_server import limits


def create() -> FastAPI:
    """Put a web process together; its parts end with the server."""
    settings = Settings()
    configure_logs(settings)
    try:
        runtime = build(settings)
    except PostriderError as error:
        sys.exit(f"postrider web: {error.detail}")
    publisher, presence = runtime.publisher(), runtime.presence(ProcessKind.WEB)
    app = create_app(runtime.services, publisher, limits(settings))
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: FastAPI) -> AsyncIterator[None]:
        presence.start()
        async with inner(started):
            yield
        presence.stop()
        publisher.stop()
        runtime.close()

    app.router.lifespan_context = lifespan
    return app
