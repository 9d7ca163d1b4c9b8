"""How much templates may do: all of a message together have so much work and no more, whatever they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

MOST_WORK = 200_000
"""About a tenth of a second: so many small steps."""
MOST_OUTPUT = 256 * 1024
"""Characters, of what is made and of each text on the way to it."""
_LETTERS_A_STEP = 64


class TooMuch(Exception):  # noqa: N818 - it reads as what was asked for
    """A template asks for more than it may have; says for more of what."""


@dataclass(slots=True)
class _Purse:
    left: int


_PURSE: ContextVar[_Purse] = ContextVar("purse")


@contextmanager
def bounded() -> Iterator[None]:
    """Give what is done inside a fresh amount of work; inside another, what that has left."""
    if _PURSE.get(None) is not None:
        yield
        return
    token = _PURSE.set(_Purse(MOST_WORK))
    try:
        yield
    finally:
        _PURSE.reset(token)


def spend(steps: int) -> None:
    """Pay for steps before they are done; raises TooMuch."""
    purse = _PURSE.get()
    purse.left -= steps
    if purse.left < 0:
        raise TooMuch("it has too much to do: too many rounds of its loops, or too long texts")


def check_length(length: int) -> None:
    """Refuse to make a text of this length; pay for one that may be made."""
    if length > MOST_OUTPUT:
        raise TooMuch(f"it makes a text of more than {MOST_OUTPUT // 1024} KiB")
    spend(1 + length // _LETTERS_A_STEP)


def weight(value: object) -> int:
    """Tell how many steps it takes to look through a value once."""
    if isinstance(value, str):
        return 1 + len(value) // _LETTERS_A_STEP
    if isinstance(value, list | tuple):
        return 1 + sum(1 + (len(one) // _LETTERS_A_STEP if isinstance(one, str) else 0) for one in value)
    return 1 + (len(value) if isinstance(value, Mapping) else 0)
