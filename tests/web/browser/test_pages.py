"""Every page, as it is drawn: nobody is kept out, nothing is cut off, no script fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api import Api
from playwright.sync_api import Browser
from servers.receiver import Receiver
from web.browser.watched import Watched

PAGES = [
    "/",
    "/?window=7d",
    "/deliveries",
    "/deliveries?status=dead",
    "/deliveries/{delivery}",
    "/deliveries/nothing",
]


@pytest.fixture
def shop(api: Api, receiver: Receiver) -> Api:
    """Have a bit of everything: something arrived, something is dead, something waits."""
    house = api.house
    house.integrate(receiver.url, "order.*", name="Warehouse", delivery={"retry_waits": []})
    house.integrate("http://127.0.0.1:9/", "order.*", name="Old ERP", delivery={"retry_waits": []})
    house.integrate("http://127.0.0.1:9/", "order.paid", name="Billing")
    house.publish("order.paid", "order.created")
    house.run_until_idle()
    return api


@pytest.fixture(params=["light", "dark"])
def window(chromium_browser: Browser, shop: Api, request: pytest.FixtureRequest) -> Iterator[Watched]:
    with Watched(chromium_browser, shop, color_scheme=request.param) as opened:
        yield opened


def test_nobody_is_kept_out(window: Watched) -> None:
    """No page has an accessibility violation that axe-core finds, or is wider than a small telephone."""
    places = {"delivery": window.api.house.deliveries()[0].id}
    window.open("/sign-in")
    found = {"/sign-in": window.violations()}
    window.sign_in()
    for path in PAGES:
        window.page.set_viewport_size({"width": 1280, "height": 900})
        answer = window.open(path.format(**places))
        found[path] = window.violations()
        window.page.set_viewport_size({"width": 380, "height": 800})
        if wider := window.overflow():
            found[path].append(f"{wider} px wider than the window")
        if answer.status >= 400:
            # The browser says so itself.
            window.complaints.clear()

    assert {path: problems for path, problems in found.items() if problems} == {}
