"""What a page says about the step before it: carried over the redirect in a signed cookie, shown once."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import RedirectResponse

from postrider.control import sessions
from postrider.web.auth import services_of

from .session import PATH, put

COOKIE = "postrider_notice"
SECONDS = 60


def went_well(request: Request, to: str, notice: str = "") -> RedirectResponse:
    """Lead to a page under the dashboard's path, which then says `notice`. A reload repeats nothing."""
    response = RedirectResponse(PATH + to, 303)
    if notice:
        sealed = sessions.seal_notice(services_of(request).pepper, notice)
        put(request, response, COOKIE, sealed, seconds=SECONDS)
    return response


def notice_of(request: Request) -> str:
    """Read the notice of the step before; empty when there is none."""
    given = request.cookies.get(COOKIE, "")
    return (sessions.unseal_notice(services_of(request).pepper, given) or "") if given else ""
