"""What a caller gives for a channel: each member checked as far as it stands alone."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from postrider.control.texts import LONGEST_NAME, problem_with
from postrider.domain.complaints import complaint
from postrider.domain.errors import InvalidInput

LONGEST_TOKEN = 1_024
LONGEST_URL = 2_048
LARGEST_OPTS = 16 * 1_024
"""Characters of JSON."""
_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")


def _line(text: str, longest: int) -> str:
    problem = problem_with(text, longest=longest, empty=True)
    if problem is not None:
        raise ValueError(problem)
    return text


def _storable(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise ValueError("must not have NUL, or half of a surrogate pair, in it")
    return text


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


Name = Annotated[StrictStr, AfterValidator(lambda text: _line(text, LONGEST_NAME))]
Token = Annotated[StrictStr, AfterValidator(lambda text: _line(text, LONGEST_TOKEN))]
Url = Annotated[StrictStr, AfterValidator(lambda text: _line(text, LONGEST_URL))]
Text = Annotated[StrictStr, AfterValidator(_storable)]


class Opts(BaseModel):
    """The members of `opts` that are known; others are kept as they came."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    title: Name = ""
    comment: Text = ""
    allow_files_api: StrictBool = False
    issync: StrictBool = False
    recv_timeout: StrictInt = 0
    roles: list[Name] = []
    userid: Name = ""
    chat_id: Text = ""
    text: Text = ""


def _bounded(opts: Opts) -> Opts:
    try:
        written = json.dumps(opts.model_dump(exclude_unset=True), allow_nan=False, ensure_ascii=False)
    except (ValueError, RecursionError):
        raise ValueError("has a number that is too large, or is nested too deeply") from None
    if len(written) > LARGEST_OPTS:
        raise ValueError(f"must have at most {LARGEST_OPTS:,} characters of JSON")
    # NUL is escaped there, and half a surrogate pair stays as it was.
    _storable(written.replace("\\u0000", "\0"))
    return opts


class Given(BaseModel):
    """A channel's members, as they were given; those that were not are not in `model_fields_set`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    id: UUID | None = None
    code: Annotated[Name, AfterValidator(_filled)] = ""
    type: Annotated[Name, AfterValidator(_filled)] = ""
    token_local: Token = Field("", repr=False)
    token_remote: Token = Field("", repr=False)
    token_remote2: Token = Field("", repr=False)
    url: Url = ""
    recv_svcscriptcode: Name = ""
    recv_svcscriptcode_ws: Name = ""
    send_svcscriptcode: Name = ""
    send_svcscriptcode_ws: Name = ""
    opts: Annotated[Opts, AfterValidator(_bounded)] = Opts()
    ext: Any = None
    """When it was made and changed, as it was shown; it cannot be set."""
    observes: Any = None
    """Our addition, checked with the integration."""

    @classmethod
    def read(cls, body: object) -> Self:
        """Check a request's body; InvalidInput names the first wrong member."""
        if not isinstance(body, dict):
            raise InvalidInput("", "the body must be an object that describes a channel")
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(path, f"{path}: {cls._complaint(first)}") from None

    @classmethod
    def _complaint(cls, problem: Any) -> str:
        if problem["type"] == "extra_forbidden":
            return "is no field of a channel; its fields are " + ", ".join(cls.model_fields)
        return complaint(problem)

    def has(self, name: str) -> bool:
        """Tell whether a member was given."""
        return name in self.model_fields_set
