"""Ocamba Hood's API as an app of its own, with its errors and its limits."""

from __future__ import annotations

from fastapi import FastAPI

from postrider.web.foreign import foreign_app

from . import errors
from .routes import router
from .windows import TellWindows, Windows

PATH = "/v1/hood"


def create(app: FastAPI, windows: Windows | None = None) -> FastAPI:
    """Make the app, to be mounted at `PATH`; the caller closes the windows that it gave."""
    made = foreign_app(app, [router], errors.Refusals(app.state.services.ids), statuses=errors.STATUSES)
    made.state.windows = windows or Windows()
    made.add_middleware(TellWindows)
    return made
