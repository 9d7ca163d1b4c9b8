"""How things stand: what came in, what went out, what waits, and what needs somebody to look at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from postrider.domain.access import Permission
from postrider.store import counts, events, integration_list, integrations
from postrider.store.counts import Count
from postrider.web.auth import ServicesDep
from postrider.web.integration_state import state_of

from .pages import show
from .session import DeliveryReader

MOST_TROUBLED = 10
MOST_GROUPS = 8

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Window:
    """How far back a page looks, and in which steps."""

    name: str
    title: str
    length: timedelta
    step: timedelta


WINDOWS = {
    one.name: one
    for one in (
        Window("1h", "1 hour", timedelta(hours=1), timedelta(minutes=1)),
        Window("24h", "24 hours", timedelta(hours=24), timedelta(minutes=15)),
        Window("7d", "7 days", timedelta(days=7), timedelta(hours=2)),
    )
}
WindowName = Annotated[Literal["1h", "24h", "7d"], Query(alias="window")]


@router.get("/")
def overview(request: Request, services: ServicesDep, session: DeliveryReader, name: WindowName = "1h") -> Response:
    """Show how things stand."""
    now, window, tenant_id = services.clock.now(), WINDOWS[name], session.tenant_id
    since = now - window.length
    with services.database.read() as tx:
        steps = counts.series(tx, tenant_id, integration_id=None, since=since, until=now, step=window.step)
        total = counts.total(tx, tenant_id, integration_id=None, since=since, until=now)
        groups = counts.letter_groups(tx, tenant_id, limit=MOST_GROUPS)
        figures: dict[str, Any] = {
            "letters": counts.letters(tx, tenant_id),
            "backlog": counts.backlog(tx, tenant_id),
            "oldest": counts.oldest_waiting(tx, tenant_id),
            "standings": integration_list.standings(tx, tenant_id),
            "any_event": bool(events.page(tx, tenant_id, events.EventFilter(), before=None, limit=1)),
        }
        troubled = integration_list.troubled(tx, tenant_id, limit=MOST_TROUBLED)
        heads = integrations.heads(tx, tenant_id, {group.integration_id for group in groups})
    return show(
        request,
        session,
        "overview.html",
        section="/",
        window=window,
        windows=WINDOWS.values(),
        steps=steps,
        total=total,
        charts=charts_of(steps, window.step),
        troubled=[(one, state_of(one.health, enabled=one.enabled, now=now)) for one in troubled],
        groups=groups,
        heads=heads,
        publishes=session.caller.may(Permission.EVENTS_PUBLISH),
        url=services.options.public_url,
        **figures,
    )


def charts_of(steps: Sequence[Count], step: timedelta) -> list[dict[str, Any]]:
    """Give what the charts draw: times in seconds, and for each line its values, with None where there is nothing."""
    minutes = step / timedelta(minutes=1)
    return [
        _chart(
            "Throughput a minute",
            "",
            steps,
            ("delivered", "good", lambda one: one.delivered / minutes),
            ("failed attempts", "bad", lambda one: one.failed / minutes),
        ),
        _chart(
            "Success rate",
            "%",
            steps,
            ("attempts that arrived", "good", lambda one: None if one.success_rate is None else one.success_rate * 100),
        ),
        _chart(
            "From publishing to arrival",
            " ms",
            steps,
            ("p50", "wait", lambda one: one.p50_ms),
            ("p95", "warn", lambda one: one.p95_ms),
        ),
    ]


def _chart(
    title: str, unit: str, steps: Sequence[Count], *lines: tuple[str, str, Callable[[Count], float | None]]
) -> dict[str, Any]:
    times = [int(one.begins_at.timestamp()) for one in steps]
    series = [
        {"label": label, "tone": tone, "values": [_rounded(value(one)) for one in steps]}
        for label, tone, value in lines
    ]
    return {"title": title, "data": {"times": times, "series": series, "unit": unit}}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
