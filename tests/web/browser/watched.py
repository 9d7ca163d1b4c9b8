"""A browser's window that notes what went wrong in it, and what in its page keeps somebody out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from types import TracebackType
from typing import Any, Self

from api import Api
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Response
from web.dashboard.visitor import Visitor

WAIT_MS = 15_000
ALL_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
COLORS_ONLY = ("color-contrast",)


class Watched:
    """One window with cookies of its own; leaving it fails if a script failed or something was refused to load."""

    def __init__(self, browser: Browser, api: Api, **context: Any) -> None:
        self.api = api
        self.root = f"http://127.0.0.1:{api.port}/dashboard"
        self._context = browser.new_context(**context)
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()
        if kind is None:
            assert self.complaints == []

    def sign_in(self, key: str | None = None) -> None:
        self.open("/sign-in")
        self.page.get_by_label("API key").fill(key or self.api.key)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", level=1).wait_for()

    def enter(self, key: str | None = None) -> None:
        """Be somebody who has signed in already: two pages fewer to draw."""
        with closing(Visitor(self.api)) as visitor:
            visitor.sign_in(key)
            cookies = [(cookie.name, cookie.value or "", cookie.path) for cookie in visitor.client.cookies.jar]
        self._context.add_cookies(
            [{"name": name, "value": value, "domain": "127.0.0.1", "path": path} for name, value, path in cookies]
        )

    def open(self, path: str) -> Response:
        answer = self.page.goto(self.root + path)
        assert answer is not None
        return answer

    def heading(self) -> str:
        return self.page.get_by_role("heading", level=1).inner_text()

    def violations(self, rules: Sequence[str] = ALL_RULES) -> list[str]:
        """Say what keeps somebody out of the page as it is now, by axe-core."""
        options = {"runOnly": list(rules), "resultTypes": ["violations"]}
        found = Axe().run(self.page, options=options).response["violations"]
        return [
            f"{one['id']}: {node['html'][:160]} ({node['failureSummary']})" for one in found for node in one["nodes"]
        ]

    def overflow(self) -> int:
        """Tell by how many pixels the page is wider than its window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wider
