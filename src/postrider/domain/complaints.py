"""What is wrong with a value, in the words of those who sent it and not in those of the library that found it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OBJECT = "must be an object"
_TEXT = "must be text"
_WHOLE = "must be a whole number"
_NUMBER = "must be a number"
_SWITCH = "must be true or false"
_LIST = "must be a list"
_ID = "must be an id such as 01a2025c-1a82-7afb-9b0f-c76b724acc8c"
_MOMENT = "must be a moment such as 2026-11-22T12:00:00Z"

_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not known here; leave it out",
    "model_attributes_type": _OBJECT,
    "model_type": _OBJECT,
    "dict_type": _OBJECT,
    "string_type": _TEXT,
    "string_unicode": "must be text in UTF-8",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "is out of range",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a finite number",
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "uuid_type": _ID,
    "uuid_parsing": _ID,
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "datetime_object_invalid": _MOMENT,
    "timezone_aware": "must name its time zone, as in 2026-11-22T12:00:00Z",
}
"""By the name that pydantic has for what it found."""


def complaint(problem: Mapping[str, Any]) -> str:
    """Tell what is wrong, to follow the field's name; `problem` is one of pydantic's, of a kind listed here or not."""
    words = _WORDS.get(problem["type"])
    if words is None:
        return str(problem["msg"]).removeprefix("Value error, ")
    return words.format_map(problem.get("ctx", {}))
