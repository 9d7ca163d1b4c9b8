"""Which texts can be stored and shown: the rule for names and reasons."""

from __future__ import annotations

from postrider.domain.errors import InvalidInput

LONGEST_NAME = 255
LONGEST_REASON = 1_000


def short_text(pointer: str, text: str, *, longest: int = LONGEST_NAME, empty: bool = False) -> str:
    """Give the text without the blanks around it; InvalidInput when it is empty, too long or not storable."""
    stripped, name = text.strip(), pointer.rpartition(".")[2]
    if not stripped and not empty:
        raise InvalidInput(pointer, f"{name}: must not be empty")
    if len(stripped) > longest:
        raise InvalidInput(pointer, f"{name}: must have at most {longest} characters")
    if not _storable(stripped):
        raise InvalidInput(pointer, f"{name}: must not hold control characters or halves of surrogate pairs")
    return stripped


def _storable(text: str) -> bool:
    # PostgreSQL refuses NUL, and UTF-8 has no lone surrogates, which JSON can spell.
    return not any(ord(letter) < ord(" ") or "\ud800" <= letter <= "\udfff" for letter in text)
