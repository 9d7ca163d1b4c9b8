"""How a page is made: its template, what every template can ask for, and the headers that keep it to itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from postrider.control import sessions
from postrider.services import Services
from postrider.store.integrations import IntegrationHead
from postrider.web import error_words
from postrider.web.auth import services_of

from . import notices, words
from .session import FORM_TOKEN, PATH, Session, keep_guest, welcome_guest

_HERE = Path(__file__).parent
ASSETS = _HERE / "assets"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every page. What a page holds is for one pair of eyes, and runs no script but our own files."""


@cache
def _templates() -> Environment:
    """Give the templates, which know nothing of any app: a process reads each once."""
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "error_title": error_words.title,
        "exact": words.exact,
        "form_moment": words.form_moment,
        "meaning": error_words.meaning,
        "milliseconds": words.milliseconds,
        "number": words.number,
        "options": _options,
        "percent": words.percent,
        "pretty_json": words.pretty_json,
        "size": words.size,
        "targets": _targets,
        "tone": words.tone,
    }
    templates.globals |= {
        "root": PATH,
        "version": version("postrider"),
        "assets": f"{PATH}/assets",
        "edition": _edition(),
        "form_token_field": FORM_TOKEN,
        "dash": words.NONE,
        "link": link,
    }
    return templates


def _render(name: str, **context: Any) -> str:
    return _templates().get_template(name).render(context)


def _options(values: Iterable[str]) -> list[tuple[str, str]]:
    """Make a choice's options of words that mean themselves."""
    return [(str(value), str(value)) for value in values]


def _targets(heads: Iterable[IntegrationHead]) -> list[tuple[str, str]]:
    return [(str(head.id), f"{head.name} (deleted)" if head.deleted else head.name) for head in heads]


def _edition() -> str:
    """Tell the files of this version from those of others, which browsers keep."""
    content = b"".join(path.read_bytes() for path in sorted(ASSETS.iterdir()) if path.is_file())
    return hashlib.sha256(content).hexdigest()[:12]


def link(path: str, **query: Any) -> str:
    """Give a page's address; what is None or empty is left out of the query."""
    given = {name: value for name, value in query.items() if value not in {None, ""}}
    return PATH + path + (f"?{urlencode(given, doseq=True)}" if given else "")


def show(
    request: Request, session: Session, name: str, *, section: str, status: int = 200, **context: Any
) -> HTMLResponse:
    """Answer with a page: the template `name`, with `section` as the entry of the navigation that it belongs to."""
    services = services_of(request)
    text = _render(
        name,
        **_common(request, services),
        session=session,
        section=section,
        form_token=session.form_token,
        notice=notices.notice_of(request),
        **context,
    )
    response = HTMLResponse(text, status, HEADERS)
    if notices.COOKIE in request.cookies:
        response.delete_cookie(notices.COOKIE, path=PATH)
    return response


def show_to_guest(request: Request, name: str, *, status: int = 200, **context: Any) -> Response:
    """Answer with a page for somebody who is not signed in."""
    services, guest = services_of(request), welcome_guest(request)
    token = sessions.form_token(services.pepper, guest)
    text = _render(name, **_common(request, services), session=None, form_token=token, **context)
    response = HTMLResponse(text, status, HEADERS)
    keep_guest(request, response, guest)
    return response


def _common(request: Request, services: Services) -> dict[str, Any]:
    now = services.clock.now()
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return {"now": now, "here": here, "ago": lambda moment: words.ago(moment, now)}
