"""HEAD wherever GET is answered, as RFC 9110 section 9.1 wants it of every server."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

HEAD, GET = "HEAD", "GET"
_WAS_HEAD = "postrider.was_head"


class HeadAsGet:
    """Stands around the app: it sees a GET, and the server, which knows of the HEAD, leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == HEAD:
            scope = {**scope, "method": GET, _WAS_HEAD: True}
        await self._app(scope, receive, send)


def was_head(scope: Scope) -> bool:
    """Tell whether what the app sees as a GET is a HEAD: somebody looks ahead, and nothing may be used up."""
    return _WAS_HEAD in scope
