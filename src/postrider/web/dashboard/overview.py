"""How things stand: the first page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from .pages import show
from .session import Anyone

router = APIRouter()


@router.get("/")
def overview(request: Request, session: Anyone) -> Response:
    """Show how things stand."""
    return show(request, session, "overview.html", section="/")
