"""Every encrypted column as those see it who change keys: ciphertexts, with no word of what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, select, true, update

from .engine import Transaction
from .tables import installation, integrations


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """Where ciphertexts lie."""

    name: str
    """What one row is called."""
    table: Table
    key: Column[Any]
    secret: Column[Any]
    kept: ColumnElement[bool]
    """Leaves out rows without a secret."""


COLUMNS = (
    EncryptedColumn("installation", installation, installation.c.name, installation.c.secret, true()),
    EncryptedColumn(
        "integration", integrations, integrations.c.id, integrations.c.secrets, integrations.c.deleted_at.is_(None)
    ),
)


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """One row's."""

    key: Any
    text: str = field(repr=False)


def any_tenant_page(tx: Transaction, column: EncryptedColumn, *, after: Any | None, limit: int) -> list[Ciphertext]:
    """List ciphertexts in the order of their keys."""
    query = select(column.key, column.secret).where(column.kept)
    if after is not None:
        query = query.where(column.key > after)
    return [Ciphertext(*row) for row in tx.execute(query.order_by(column.key).limit(limit))]


def any_tenant_replace(tx: Transaction, column: EncryptedColumn, changes: Sequence[tuple[Ciphertext, str]]) -> int:
    """Put other ciphertexts in the place of those that were read; what has changed since stays. Tells how many."""
    return sum(
        tx.execute(
            update(column.table)
            .where(column.key == old.key, column.secret == old.text, column.kept)
            .values({column.secret: new})
        ).rowcount
        for old, new in changes
    )
