"""Chromium as Debian packages it, driven by Playwright; nothing of it leaves this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

PACKAGE = "chromium"
_PROGRAM = Path("/usr/bin/chromium")
# It would look for updates, and tell where it is, as soon as it starts.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
)


def available() -> bool:
    return _PROGRAM.exists()


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run a browser without a screen; it ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(_PROGRAM), args=list(_QUIET))
        yield browser
        browser.close()
