"""Whether this process is well, for those who watch over it."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from postrider.domain.errors import Unavailable
from postrider.store.migrate import is_current
from postrider.web.auth import ServicesDep
from postrider.web.openapi import operations

from .fields import Shown

router = operations("Health")


class Alive(Shown):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Shown):
    """The parts that the process needs."""

    status: Literal["ok"] = "ok"
    database: Literal["ok"] = "ok"
    broker: Literal["ok", "unreachable"]
    """Without a broker events are stored, and delivered once it is back or the sweep finds them."""


class Entrance(Shown):
    """Where to go from here."""

    name: Literal["Postrider"] = "Postrider"
    openapi: Literal["/openapi.json"] = "/openapi.json"
    """What this API takes and gives, for people and for makers of clients."""
    health: Literal["/healthz"] = "/healthz"
    ready: Literal["/readyz"] = "/readyz"
    metrics: Literal["/metrics"] = "/metrics"


@router.get("/")
async def entrance() -> Entrance:
    """Tell who answers here, and where everything else is."""
    return Entrance()


@router.get("/healthz")
async def healthz() -> Alive:
    """Tell that the process answers."""
    return Alive()


@router.get("/readyz")
def readyz(services: ServicesDep) -> Ready:
    """Tell whether the database answers and has had all migrations."""
    if not is_current(services.database):
        raise Unavailable("the database has not had all migrations: run `postrider migrate`")
    return Ready(broker="ok" if services.ring.healthy() else "unreachable")


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics() -> Response:
    """Give the numbers of this process to Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
