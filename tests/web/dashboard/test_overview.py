"""The first page: how things stand."""

from __future__ import annotations

import json
from html import unescape
from uuid import UUID

import pytest
from api import Api
from servers.receiver import Receiver
from web.dashboard.visitor import Page, Visitor

from postrider.control import tenants
from postrider.control.integrations import set_enabled
from postrider.domain.access import Permission
from postrider.pipeline.sweep import fold


def figures(page: Page) -> dict[str, str]:
    """Read the figures at the top by their names."""
    rows = page.html.split('<div class="figure')[1:]
    return {row.split("<dt>")[1].split("</dt>")[0]: _text(row.split("<dd>")[1].split("</dd>")[0]) for row in rows}


def _text(html: str) -> str:
    return html.partition(">")[2].partition("<")[0] if html.startswith("<a") else html


def charts(page: Page) -> list[dict[str, list[float | None]]]:
    """Read what each chart draws, by the names of its lines."""
    drawn = [json.loads(unescape(part.split('"')[0])) for part in page.html.split('data-chart="')[1:]]
    return [{line["label"]: line["values"] for line in one["series"]} for one in drawn]


@pytest.fixture
def busy(api: Api, receiver: Receiver) -> Api:
    """Have three events, each delivered to one and dead at another, and one that waits for a third."""
    house = api.house
    house.integrate(receiver.url, "order.*", name="Warehouse")
    house.integrate("http://127.0.0.1:9/", "order.*", name="Old ERP", delivery={"retry_waits": []})
    house.integrate("http://127.0.0.1:9/", "order.paid", name="Billing")
    house.publish("order.paid", "order.created", "order.created")
    house.run_until_idle()
    fold(house.services)
    house.clock.move(seconds=30)
    return api


def test_it_tells_how_things_stand(busy: Api, pages: Visitor) -> None:
    """What came in, went out, waits and is dead is told in numbers, and leads to the lists behind them."""
    page = pages.get("/dashboard/")

    told = figures(page)
    assert told["Delivered"] == "3"
    assert told["In trouble"] == "2"
    assert told["Backlog"] == "1"
    assert told["Dead letters"] == "3"
    assert page.links["3"] == "/dashboard/dead-letters"


def test_what_needs_attention_stands_first(busy: Api, pages: Visitor) -> None:
    """Failing integrations are named with their error, those that are well are not."""
    page = pages.get("/dashboard/")

    needs = page.text.partition("Needs attention")[2].partition("Most dead letters")[0]
    assert "Old ERP" in needs
    assert "Connection refused" in needs
    assert "Warehouse" not in needs


def test_what_postrider_switched_off_needs_attention(busy: Api, pages: Visitor) -> None:
    """An integration that a person has switched off needs nobody; the failing one beside it still does."""
    erp = next(one for one in busy.data("/v2/integrations") if one["name"] == "Old ERP")
    set_enabled(busy.house.services, busy.house.tenant.id, UUID(erp["id"]), enabled=False)
    page = pages.get("/dashboard/")

    assert figures(page)["In trouble"] == "1"


@pytest.mark.parametrize(("window", "steps"), [("1h", 60), ("24h", 96), ("7d", 84)])
def test_charts_cover_their_time(busy: Api, pages: Visitor, window: str, steps: int) -> None:
    """Each chart has a value for every step of its time, and what was delivered is in it once."""
    throughput, success, latency = charts(pages.get(f"/dashboard/?window={window}"))

    minutes = {"1h": 1, "24h": 15, "7d": 120}[window]
    assert steps <= len(throughput["delivered"]) <= steps + 1
    assert sum(one or 0 for one in throughput["delivered"]) * minutes == pytest.approx(3, abs=0.1)
    assert len(success) == 1
    assert list(latency) == ["p50", "p95"]


def test_an_unknown_window_is_told(pages: Visitor) -> None:
    """Only the windows that there are can be asked for."""
    assert pages.get("/dashboard/?window=1y").status == 422


def test_an_empty_installation_says_how_to_begin(pages: Visitor) -> None:
    """Without an integration, and then without an event, the page says what to do next."""
    first = pages.get("/dashboard/")
    pages.api.house.integrate("http://127.0.0.1:9/", "order.paid")
    pages.api.house.run_until_idle()

    assert first.links["Create an integration"] == "/dashboard/integrations/new"
    assert "Create an integration" not in pages.get("/dashboard/").links


def test_nobody_sees_anothers_numbers(busy: Api, visit: object, api: Api) -> None:
    """A tenant's page has its own numbers only."""
    other = tenants.create_tenant(api.house.services, name="other")
    stranger = visit(api.new_key(*Permission, tenant=other))  # type: ignore[operator]
    page = stranger.get("/dashboard/")

    assert {name: value for name, value in figures(page).items() if value not in {"0", "—"}} == {}
    assert "Old ERP" not in page.text
