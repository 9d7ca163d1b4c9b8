"""Every page, as it is drawn: nobody is kept out, nothing is cut off, no script fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api import Api
from playwright.sync_api import Browser
from servers.receiver import Receiver
from web.browser.watched import Watched

from postrider.control import integrations
from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import JobKind

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
    "/deliveries/nothing",
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


@pytest.fixture(params=["light", "dark"])
def window(chromium_browser: Browser, shop: Api, request: pytest.FixtureRequest) -> Iterator[Watched]:
    with Watched(chromium_browser, shop, color_scheme=request.param) as opened:
        yield opened


def test_nobody_is_kept_out(window: Watched) -> None:
    """No page has an accessibility violation that axe-core finds, or is wider than a small telephone."""
    places = places_of(window.api)
    window.open("/sign-in")
    found = {"/sign-in": window.violations()}
    window.sign_in()
    statuses: dict[str, int] = {}
    for path in PAGES:
        window.page.set_viewport_size({"width": 1280, "height": 900})
        answer = window.open(path.format(**places))
        found[path] = window.violations()
        window.page.set_viewport_size({"width": 380, "height": 800})
        if wider := window.overflow():
            found[path].append(f"{wider} px wider than the window")
        statuses[path] = answer.status
        if answer.status >= 400:
            # The browser says so itself.
            window.complaints.clear()

    assert statuses == dict.fromkeys(statuses, 200) | {"/deliveries/nothing": 404}
    assert {path: problems for path, problems in found.items() if problems} == {}
