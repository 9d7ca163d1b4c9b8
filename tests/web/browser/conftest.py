"""A real browser before a real server, with somebody signed in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api import Api
from playwright.sync_api import Browser
from servers import chromium
from servers.chromium import running_chromium
from web.browser.watched import Watched


@pytest.fixture(scope="module")
def chromium_browser() -> Iterator[Browser]:
    """Run a browser for a file's tests: while it runs no other test of the process could run a loop of its own."""
    if not chromium.available():
        pytest.skip(f"needs the Debian package {chromium.PACKAGE}: apt-get install {chromium.PACKAGE}")
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def watched(chromium_browser: Browser, api: Api) -> Iterator[Watched]:
    """Be signed in with the key that may do everything."""
    with Watched(chromium_browser, api) as opened:
        opened.enter()
        yield opened
