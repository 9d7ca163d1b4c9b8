"""What is wrong with a form that was sent, told at its fields."""

from __future__ import annotations

from postrider.domain.errors import Conflict, InvalidInput
from postrider.web.errors import status_of


def at_field(error: InvalidInput | Conflict, *, otherwise: str) -> dict[str, str]:
    """Give the complaint by the name of its field; `otherwise` is the field of an error that names none."""
    pointer = error.pointer if isinstance(error, InvalidInput) else ""
    name = pointer.rpartition(".")[2] or otherwise
    return {name: sentence(error.detail.removeprefix(f"{name}: "))}


def at_only_field(error: InvalidInput | Conflict, name: str) -> dict[str, str]:
    """Give the complaint at the only field of a form, whatever it speaks of."""
    return {name: sentence(error.detail.removeprefix(f"{name}: "))}


def sentence(text: str) -> str:
    """Write a complaint of the API's as people read it."""
    # The API marks code as Markdown does; a page does not.
    text = text.replace("`", "").rstrip(".")
    return text[:1].upper() + text[1:] + "."


def status(error: InvalidInput | Conflict | None) -> int:
    """Give the status of a page that shows a form: 200 when nothing is wrong with it yet."""
    return 200 if error is None else status_of(error)
