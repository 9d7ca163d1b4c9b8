"""integrator.io's API as an app of its own, with its errors and its limit."""

from __future__ import annotations

from fastapi import FastAPI

from postrider.web.foreign import foreign_app

from . import errors
from .callers import Buckets
from .routes import router

PATH = "/v1"


def create(app: FastAPI, buckets: Buckets | None = None) -> FastAPI:
    """Make the app, to be mounted at `PATH` behind all others whose address begins so."""
    made = foreign_app(app, [router], errors.document, statuses=errors.STATUSES)
    made.state.buckets = buckets or Buckets()
    return made
