"""Visitors of the pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from api import Api
from web.dashboard.visitor import Visitor

from postrider.domain.access import Permission

READER = (Permission.EVENTS_READ, Permission.INTEGRATIONS_READ, Permission.DELIVERIES_READ)


@pytest.fixture
def visit(api: Api) -> Iterator[Callable[[str | None], Visitor]]:
    """Let somebody sign in, with the key given or the one that may do everything."""
    with ExitStack() as stack:

        def visit(key: str | None = None) -> Visitor:
            visitor = stack.enter_context(closing(Visitor(api)))
            visitor.sign_in(key)
            return visitor

        yield visit


@pytest.fixture
def pages(visit: Callable[[str | None], Visitor]) -> Visitor:
    """Sign in with the key that may do everything."""
    return visit(None)


@pytest.fixture
def reader(api: Api, visit: Callable[[str | None], Visitor]) -> Visitor:
    """Sign in with a key that may only read."""
    return visit(api.new_key(*READER))
