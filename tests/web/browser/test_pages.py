"""Every page, as it is drawn: nobody is kept out, nothing is cut off, no script fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from api import Api
from playwright.sync_api import Browser
from servers.receiver import Receiver
from web.browser.watched import COLORS_ONLY, Watched

from postrider.control import integrations
from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind

NOT_THERE = "/deliveries/nothing"
PAGES = [
    "/",
    "/?window=7d",
    "/integrations",
    "/integrations?state=failing",
    "/integrations?q=nothing-is-called-so",
    "/integrations/new",
    "/integrations/new/webhook",
    "/integrations/new/stomp",
    "/integrations/{integration}",
    "/integrations/{integration}/edit",
    "/integrations/{integration}/delete",
    "/integrations/{integration}/rotate-secret",
    "/integrations/{integration}/test/{test}",
    "/events",
    "/events?text=order",
    "/events?text=nothing-says-so",
    "/events/publish",
    "/events/{event}",
    "/deliveries",
    "/deliveries?error=http_999",
    "/deliveries/{delivery}",
    "/deliveries/{delivery}?attempt=1",
    "/deliveries/{delivery}/resend",
    NOT_THERE,
    "/dead-letters",
    "/dead-letters/group",
    "/dead-letters/group?error={error}",
    "/jobs",
    "/jobs/{job}",
    "/event-types",
    "/event-types/new",
    "/api-keys",
    "/api-keys/new",
    "/tenants",
    "/tenants/new",
    "/audit-log",
    "/system",
]
MAIN_PAGES = ["/", "/integrations", "/integrations/{integration}", "/deliveries/{delivery}", "/dead-letters/group"]


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


def places_of(shop: Api) -> dict[str, object]:
    """Give what the pages' addresses name."""
    house = shop.house
    (letter,) = house.deliveries(statuses=(DeliveryStatus.DEAD,), event_type="order.paid")
    wanted = DeliveryFilter((DeliveryStatus.DEAD,), integration_id=letter.integration_id)
    job = redrive.start_job(
        house.services, house.tenant.id, kind=JobKind.REDRIVE, wanted=wanted, rate=None, reason="redriven"
    )
    test = integrations.send_test(house.services, house.tenant.id, letter.integration_id)
    house.run_until_idle()
    return {
        "integration": letter.integration_id,
        "delivery": letter.id,
        "event": letter.event_id,
        "error": letter.error,
        "test": test.id,
        "job": job.id,
    }


@pytest.fixture
def light(chromium_browser: Browser, shop: Api) -> Iterator[Watched]:
    with Watched(chromium_browser, shop, color_scheme="light") as opened:
        yield opened


@pytest.fixture
def dark(chromium_browser: Browser, shop: Api) -> Iterator[Watched]:
    with Watched(chromium_browser, shop, color_scheme="dark") as opened:
        yield opened


def test_nobody_is_kept_out_of_the_main_pages(light: Watched) -> None:
    """The pages that people live in have no accessibility violation, and are as narrow as a small telephone."""
    light.sign_in()

    assert found_on(light, MAIN_PAGES) == {}


@pytest.mark.long
def test_nobody_is_kept_out(light: Watched) -> None:
    """No page has an accessibility violation that axe-core finds, or is wider than a small telephone."""
    light.open("/sign-in")
    outside = light.violations()
    light.sign_in()

    assert outside == []
    assert found_on(light, PAGES) == {}


def found_on(light: Watched, pages: Sequence[str]) -> dict[str, list[str]]:
    """Give what is wrong with pages, by page; nothing of those that are well."""
    found = {}
    for path, address in addresses_of(light.api, pages).items():
        light.page.set_viewport_size({"width": 1280, "height": 900})
        answer = light.open(address)
        found[path] = light.violations()
        light.page.set_viewport_size({"width": 380, "height": 800})
        if wider := light.overflow():
            found[path].append(f"{wider} px wider than the window")
        check_status(light, path, answer.status)
    return {path: problems for path, problems in found.items() if problems}


@pytest.mark.long
def test_everything_is_read_in_the_dark(dark: Watched) -> None:
    """In the dark theme, whose colors are others, every text stands out from what is behind it."""
    dark.sign_in()
    found = {}
    for path, address in addresses_of(dark.api, PAGES).items():
        answer = dark.open(address)
        found[path] = dark.violations(COLORS_ONLY)
        check_status(dark, path, answer.status)

    assert {path: problems for path, problems in found.items() if problems} == {}


def addresses_of(shop: Api, pages: Sequence[str]) -> dict[str, str]:
    """Give the pages' addresses in this shop."""
    places = places_of(shop)
    return {path: path.format(**places) for path in pages}


def check_status(window: Watched, path: str, status: int) -> None:
    """See that it is the page that was meant."""
    expected = 404 if path == NOT_THERE else 200
    assert (path, status) == (path, expected)
    if expected >= 400:
        # The browser says so itself.
        window.complaints.clear()
