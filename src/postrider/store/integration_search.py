"""A tenant's integrations of some types, searched and sorted, with their configuration: for who pages through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, case, cast, func, or_, select

from postrider.domain.integration import Integration

from .engine import Transaction
from .integrations import read_all
from .secrets import SecretBox
from .tables import integrations

_I = integrations.c


class Field(StrEnum):
    """What integrations can be sorted by."""

    ID = "id"
    NAME = "name"
    TYPE = "type"
    """In the order in which the search names the types."""
    ENABLED = "enabled"
    """What is switched on comes first."""
    CREATED_AT = "created_at"


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to sort by."""

    field: Field
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """Which integrations; None or empty takes all."""

    types: Sequence[str]
    """Only these, none when there are none."""
    text: str = ""
    """Occurs in one of `within`, whatever its case."""
    within: frozenset[Field] = frozenset({Field.NAME})
    """Of the name and the id."""
    enabled: bool | None = None
    order: Sequence[Order] = ()
    """What is equal by it comes in the order of its making."""


@dataclass(frozen=True, slots=True)
class Found:
    """Some of what was found."""

    integrations: list[Integration]
    total: int
    """How many there are in all."""


def search(tx: Transaction, box: SecretBox, tenant_id: UUID, wanted: Search, *, offset: int, limit: int) -> Found:
    """Find integrations with their secrets in clear, or without them where they cannot be read."""
    conditions = [_I.tenant_id == tenant_id, _I.deleted_at.is_(None), *_conditions(wanted)]
    total = tx.execute(select(func.count()).select_from(integrations).where(*conditions)).scalar_one()
    orders = [_ordered(one, wanted.types) for one in wanted.order]
    found = read_all(tx, box, conditions, order=[*orders, _I.id], offset=offset, limit=limit)
    return Found(found, total)


def _conditions(wanted: Search) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [_I.integration_type.in_(wanted.types)]
    if wanted.enabled is not None:
        conditions.append(_I.enabled if wanted.enabled else ~_I.enabled)
    if wanted.text:
        conditions.append(or_(*(_holds(field, wanted.text) for field in sorted(wanted.within))))
    return conditions


def _holds(field: Field, text: str) -> ColumnElement[bool]:
    if field is Field.NAME:
        return _I.name.icontains(text, autoescape=True)
    # SQLite keeps ids without their hyphens.
    return func.replace(cast(_I.id, String), "-", "").icontains(text.replace("-", ""), autoescape=True)


def _ordered(order: Order, types: Sequence[str]) -> ColumnElement[Any]:
    columns: dict[Field, ColumnElement[Any]] = {
        Field.ID: _I.id,
        Field.NAME: func.lower(_I.name),
        Field.TYPE: _place(types),
        Field.ENABLED: case((_I.enabled, 0), else_=1),
        Field.CREATED_AT: _I.created_at,
    }
    column = columns[order.field]
    return column.desc() if order.descending else column.asc()


def _place(types: Sequence[str]) -> ColumnElement[Any]:
    places = [(_I.integration_type == name, at) for at, name in enumerate(types)]
    return case(*places, else_=len(types)) if places else _I.integration_type
