"""What people come for, done in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from api import Api
from playwright.sync_api import Browser, expect
from servers.receiver import Receiver
from web.browser.watched import Watched
from web.dashboard.conftest import READER

from postrider.domain.delivery import DeliveryStatus
from postrider.pipeline import redrive

LETTERS = 5


@pytest.fixture
def letters(api: Api, receiver: Receiver) -> Receiver:
    """Have five dead letters of an integration whose receiver fails."""
    receiver.answer(500)
    api.house.integrate(receiver.url, "order.paid", name="Old ERP", delivery={"retry_waits": []})
    for _ in range(LETTERS):
        api.house.publish("order.paid")
    api.house.run_until_idle()
    return receiver


def work(api: Api) -> None:
    """Do what workers do, at this moment of the clock."""
    redrive.step_jobs(api.house.services)
    api.house.run_until_idle()


def test_an_integration_is_made_and_tried(watched: Watched, receiver: Receiver) -> None:
    """Somebody who sets an integration up sees its first message arrive, and what was answered."""
    page = watched.page
    watched.sign_in()
    page.get_by_role("link", name="Create an integration").click()
    page.get_by_role("link", name="Webhook").click()
    page.get_by_label("Name").fill("Warehouse")
    page.get_by_label("order.paid", exact=True).check()
    page.get_by_label("URL").fill(f"{receiver.url}orders")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Warehouse is created")

    page.get_by_role("button", name="Send a test event").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Test of Warehouse")
    work(watched.api)

    # The page finds out by itself.
    expect(page.get_by_text("delivered", exact=True)).to_be_visible()
    expect(page.get_by_text("X-MOLTIN-INTEGRATION-TRIGGER: postrider.test").first).to_be_visible()
    (request,) = receiver.requests
    assert request.path == "/orders"


def test_a_wrong_address_is_told_at_its_field(watched: Watched) -> None:
    """What was typed stays, and the complaint stands at the field that it is about."""
    page = watched.page
    watched.open("/integrations/new/webhook")
    page.get_by_label("Name").fill("Warehouse")
    page.get_by_label("order.paid", exact=True).check()
    page.get_by_label("URL").fill("warehouse.example")
    page.get_by_role("button", name="Create").click()

    expect(page.get_by_label("URL")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("URL")).to_have_value("warehouse.example")
    expect(page.get_by_label("Name")).to_have_value("Warehouse")
    watched.complaints.clear()  # the browser's own, of the status 422


def test_dead_letters_are_found_and_sent_again(watched: Watched, letters: Receiver) -> None:
    """From the first page to the reason, to all of them sent again, with the progress before one's eyes."""
    page = watched.page
    watched.open("/")
    page.get_by_role("link", name="HTTP 500").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("HTTP 500 at Old ERP")
    letters.answer(200)
    page.get_by_label("All that the list holds").check()
    page.get_by_label("Deliveries a second").fill("1")
    page.get_by_role("button", name="Redrive").click()

    progress = page.get_by_role("progressbar")
    expect(progress).to_have_js_property("value", 0)
    work(watched.api)
    expect(progress).to_have_js_property("value", 0.6)
    watched.api.house.clock.move(seconds=3)
    work(watched.api)
    expect(progress).to_have_js_property("value", 1)
    watched.api.house.clock.move(seconds=3)
    work(watched.api)
    watched.open("/dead-letters")
    expect(page.get_by_text("There is no dead letter.")).to_be_visible()
    assert len(watched.api.house.deliveries(statuses=(DeliveryStatus.DELIVERED,))) == LETTERS


def test_a_job_is_paused_and_cancelled(watched: Watched, letters: Receiver) -> None:
    """Whoever started a job can hold it, and end it."""
    page = watched.page
    watched.open("/dead-letters/group?error=http_500")
    page.get_by_label("All that the list holds").check()
    page.get_by_label("Deliveries a second").fill("1")
    page.get_by_role("button", name="Redrive").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    work(watched.api)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_text("cancelled", exact=True)).to_be_visible()
    assert len(watched.api.house.deliveries(statuses=(DeliveryStatus.DEAD,))) == LETTERS


def test_some_are_chosen_and_let_go(watched: Watched, letters: Receiver) -> None:
    """Only what was checked is discarded, with the reason, and the discard can be undone."""
    page, house = watched.page, watched.api.house
    watched.open("/dead-letters/group?error=http_500")
    boxes = page.locator("input[name=id]")
    boxes.nth(0).check()
    boxes.nth(2).check()
    page.get_by_label("Reason").fill("test orders")
    page.get_by_role("button", name="Discard").click()
    work(watched.api)
    expect(page.get_by_text("done", exact=True)).to_be_visible()
    gone = house.deliveries(statuses=(DeliveryStatus.DISCARDED,))
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Undo the discard").click()
    work(watched.api)

    assert [one.reason for one in gone] == ["test orders"] * 2
    expect(page.get_by_text("done", exact=True)).to_be_visible()
    assert len(house.deliveries(statuses=(DeliveryStatus.DEAD,))) == LETTERS


def test_a_payload_is_mended_and_sent(watched: Watched, letters: Receiver) -> None:
    """An edited payload goes out as a new event that names the one it mends."""
    page = watched.page
    letter = watched.api.house.deliveries()[0]
    letters.answer(200)
    watched.open(f"/deliveries/{letter.id}")
    page.get_by_role("link", name="Edit and resend").click()
    page.get_by_label("Payload").fill('{"total": 2.50')
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_text("line 1")).to_be_visible()
    page.get_by_label("Payload").fill('{"total": 2.50}')
    page.get_by_role("button", name="Send it").click()
    work(watched.api)
    page.reload()

    origin = page.get_by_role("link", name="another event")
    expect(origin).to_have_attribute("href", f"/dashboard/events/{letter.event_id}")
    expect(page.get_by_text("2.50")).to_be_visible()
    assert b'"payload":{"total": 2.50}' in letters.requests[-1].body
    watched.complaints.clear()  # the browser's own, of the status 422


def test_what_is_open_stays_open(watched: Watched, letters: Receiver) -> None:
    """A page that refreshes itself keeps open what somebody opened, and shows what came meanwhile."""
    page, house = watched.page, watched.api.house
    letter = house.deliveries()[0]
    watched.open(f"/deliveries/{letter.id}")
    page.get_by_text("What was sent").first.click()
    redrive.redrive(house.services, house.tenant.id, letter.id)
    house.run_until_idle()

    expect(page.get_by_role("heading", name="Attempt 2")).to_be_visible()
    expect(page.locator("details[open]", has_text="What was sent")).to_have_count(1)


def test_who_may_only_read_has_nothing_to_press(chromium_browser: Browser, api: Api, letters: Receiver) -> None:
    """A key that may only read sees no button that changes something."""
    letter = api.house.deliveries()[0]
    paths = ["/", "/integrations", f"/integrations/{letter.integration_id}", f"/events/{letter.event_id}",
             f"/deliveries/{letter.id}", "/dead-letters/group?error=http_500"]  # fmt: skip
    with Watched(chromium_browser, api) as reader:
        reader.enter(api.new_key(*READER))
        seen = {path: (reader.open(path).status, actions_of(reader)) for path in paths}

    assert seen == dict.fromkeys(paths, (200, ["/dashboard/sign-out"]))


def actions_of(window: Watched) -> list[str | None]:
    """List where the forms of the page lead that change something."""
    return [form.get_attribute("action") for form in window.page.locator("form[method=post]").all()]


def test_everything_works_without_scripts(chromium_browser: Browser, api: Api, letters: Receiver) -> None:
    """Where no script runs, dead letters are sent again all the same."""
    letters.answer(200)
    with Watched(chromium_browser, api, java_script_enabled=False) as plain:
        plain.sign_in()
        plain.open("/dead-letters/group?error=http_500")
        plain.page.get_by_label("All that the list holds").check()
        plain.page.get_by_role("button", name="Redrive").click()
        expect(plain.page.get_by_role("progressbar")).to_be_visible()
    work(api)

    assert len(api.house.deliveries(statuses=(DeliveryStatus.DELIVERED,))) == LETTERS


def test_the_keyboard_is_enough(watched: Watched, letters: Receiver) -> None:
    """The content is reached past the navigation, and a delivery is sent again, by keys alone."""
    page, house = watched.page, watched.api.house
    letters.answer(200)
    watched.open(f"/deliveries/{house.deliveries()[0].id}")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    press_until(watched, lambda: page.evaluate("document.activeElement.textContent.trim()") == "Redrive")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("on its way")
    house.run_until_idle()

    assert len(house.deliveries(statuses=(DeliveryStatus.DELIVERED,))) == 1


def press_until(watched: Watched, reached: Callable[[], bool], *, most: int = 40) -> None:
    """Go on to the next thing that can be reached, until it is the one that is wanted."""
    for _ in range(most):
        watched.page.keyboard.press("Tab")
        if reached():
            return
    raise AssertionError("the keyboard does not get there")


def test_clicking_twice_publishes_once(watched: Watched) -> None:
    """Each click sent the form: there were two events, and everybody got both."""
    page = watched.page
    watched.open("/events/publish")
    page.get_by_role("button", name="Publish").hover()
    with watched.api.house.services.database.write():
        # Nothing can be stored meanwhile: whoever clicks sees nothing happen, and clicks again.
        for _ in range(2):
            page.mouse.down()
            page.mouse.up()
            page.wait_for_timeout(200)
    expect(page.get_by_text("It is published")).to_be_visible()
    watched.api.house.run_until_idle()

    assert len(watched.api.data("/v2/events")) == 1
