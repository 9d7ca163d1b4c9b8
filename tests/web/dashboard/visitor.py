"""Somebody who looks at the dashboard's pages without scripts: follows links, fills forms in, keeps cookies."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import httpx
from api import Api

FORM_TOKEN = "form_token"


@dataclass
class Form:
    """A form as the page has it: where it goes, and what its fields hold."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Page:
    """An answer, read as a person would."""

    status: int
    path: str
    html: str
    headers: httpx.Headers
    text: str = ""
    """What can be read, its white space joined."""
    links: dict[str, str] = field(default_factory=dict)
    """Where links lead, by their text; of equal ones the first."""
    forms: list[Form] = field(default_factory=list)

    def form(self, ending: str) -> Form:
        """Give the form whose action ends so."""
        return next(form for form in self.forms if form.action.endswith(ending))

    def has_form(self, ending: str) -> bool:
        return any(form.action.endswith(ending) for form in self.forms)


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._text: list[str] = []
        self._link: tuple[str, list[str]] | None = None
        self._select: tuple[str, str | None] | None = None
        self._area: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        match tag:
            case "a":
                self._link = (given.get("href", ""), [])
            case "form":
                action = urlsplit(given.get("action", "") or self._page.path).path
                self._page.forms.append(Form(action, given.get("method", "get")))
            case "input" if self._page.forms and self._counts(given):
                self._add(given.get("name", ""), given.get("value", "on" if given.get("type") == "checkbox" else ""))
            case "select":
                self._select = (given.get("name", ""), None)
            case "option" if self._select is not None:
                name, chosen = self._select
                if chosen is None or "selected" in given:
                    self._select = (name, given.get("value", ""))
            case "textarea":
                self._area = (given.get("name", ""), [])

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._link is not None:
            self._page.links.setdefault(" ".join("".join(self._link[1]).split()), self._link[0])
            self._link = None
        if tag == "select" and self._select is not None:
            self._add(self._select[0], self._select[1] or "")
            self._select = None
        if tag == "textarea" and self._area is not None:
            self._add(self._area[0], "".join(self._area[1]).removeprefix("\n"))
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area[1].append(data)
        self._text.append(data)
        if self._link is not None:
            self._link[1].append(data)

    def close(self) -> None:
        super().close()
        self._page.text = " ".join("".join(self._text).split())

    def _counts(self, given: dict[str, str]) -> bool:
        if "name" not in given or "disabled" in given:
            return False
        return given.get("type") not in {"checkbox", "radio"} or "checked" in given

    def _add(self, name: str, value: str) -> None:
        if self._page.forms and name:
            self._page.forms[-1].fields.append((name, value))


class Visitor:
    """A visitor with cookies of their own."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{api.port}", timeout=30, trust_env=False, verify=False)

    def close(self) -> None:
        self.client.close()

    def sign_in(self, key: str | None = None) -> Page:
        """Sign in by the form, with the given key or the one that may do everything."""
        return self.submit(self.get("/dashboard/sign-in"), "/sign-in", api_key=key or self.api.key)

    def get(self, path: str, **headers: str) -> Page:
        """Go to a page, and on to where it leads."""
        return _read(self.client.get(path, headers=headers, follow_redirects=True))

    def submit(self, page: Page, ending: str, **given: Any) -> Page:
        """Send a page's form as a browser does, with these fields filled in (a list: one of each; None: left out)."""
        form = page.form(ending)
        fields = [(name, value) for name, value in form.fields if name not in given]
        for name, value in given.items():
            values = value if isinstance(value, list) else [value]
            fields += [(name, str(one)) for one in values if one is not None]
        return self.post(form.action, fields)

    def post(self, path: str, fields: list[tuple[str, str]]) -> Page:
        """Post fields, whatever page they come from."""
        body = httpx.QueryParams(fields)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return _read(self.client.post(path, content=str(body), headers=headers, follow_redirects=True))

    def token(self) -> str:
        """Give the proof that forms carry, as some page shows it."""
        return dict(self.get("/dashboard/").form("/sign-out").fields)[FORM_TOKEN]


def _read(answer: httpx.Response) -> Page:
    page = Page(answer.status_code, answer.url.path, answer.text, answer.headers)
    reader = _Reader(page)
    if answer.headers.get("content-type", "").startswith("text/html"):
        reader.feed(answer.text)
    reader.close()
    return page
