"""Ids that sort by the time they were made."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

_RANDOM_BITS = 74
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def uuid7(moment: datetime, randomness: int) -> UUID:
    """Make the UUIDv7 (RFC 9562, section 5.7) of a moment from at least 74 random bits."""
    milliseconds = int(moment.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    entropy = randomness & ((1 << _RANDOM_BITS) - 1)
    high, low = entropy >> 62, entropy & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


def first_at(moment: datetime) -> UUID:
    """Give the id before which all ids of earlier milliseconds lie; a moment before 1970 is taken for its begin."""
    return uuid7(max(moment, _EPOCH), 0)
