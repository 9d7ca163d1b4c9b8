"""Which texts can be stored and shown: the rule for names and reasons."""

from __future__ import annotations

from postrider.domain.errors import InvalidInput

LONGEST_NAME = 255
LONGEST_REASON = 1_000


def short_text(pointer: str, text: str, *, longest: int = LONGEST_NAME, empty: bool = False) -> str:
    """Give the text without the blanks around it; InvalidInput when it is empty, too long or not storable."""
    stripped = text.strip()
    problem = problem_with(stripped, longest=longest, empty=empty)
    if problem is not None:
        raise InvalidInput(pointer, f"{pointer.rpartition('.')[2]}: {problem}")
    return stripped


def problem_with(text: str, *, longest: int = LONGEST_NAME, empty: bool = False) -> str | None:
    """Say what is wrong with a text; None when nothing is."""
    if not text and not empty:
        return "must not be empty"
    if len(text) > longest:
        return f"must have at most {longest} characters"
    # PostgreSQL refuses NUL, and UTF-8 has no lone surrogates, which JSON can spell.
    if any(ord(letter) < ord(" ") or "\ud800" <= letter <= "\udfff" for letter in text):
        return "must not hold control characters or halves of surrogate pairs"
    return None
