"""What callers can do wrong, and what can be in their way; each says what to do.

PostriderError
├── InvalidInput            a field is wrong; `pointer` names it
│   ├── NotJson             the body is not JSON at all
│   └── UnsupportedContent  the body's media type is not understood
├── NotFound                no such thing for this tenant
├── Conflict                it clashes with what is stored
├── NotAuthenticated        no valid key was given
├── NotPermitted            the key may not do this
├── TooLarge                the body is over its limit
├── TooManyRequests         slow down; it says for how long
├── Unavailable             a part that is needed is out of reach; try again
│   └── SecretUnreadable    none of the configured keys opens a stored secret
└── NotReadyToStart         an operator has to give or do something first
"""

from __future__ import annotations


class PostriderError(Exception):
    """Something that the caller should hear about, in one sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidInput(PostriderError):  # noqa: N818 - these names are said to callers; "Error" adds nothing
    """A field is missing or wrong."""

    def __init__(self, pointer: str, detail: str) -> None:
        """Name the field as a dotted path from the body's root, such as `data.configuration.url`."""
        super().__init__(detail)
        self.pointer = pointer


class NotJson(InvalidInput):
    """The body is not JSON at all."""

    def __init__(self, detail: str) -> None:
        super().__init__("", detail)


class UnsupportedContent(InvalidInput):
    """The body's media type, charset or coding is not understood."""


class NotFound(PostriderError):  # noqa: N818
    """No such thing exists for this tenant."""


class Conflict(PostriderError):  # noqa: N818
    """The request clashes with what is stored."""


class NotAuthenticated(PostriderError):  # noqa: N818
    """No valid API key or bearer token was given."""


class NotPermitted(PostriderError):  # noqa: N818
    """The key is valid and may not do this."""


class TooLarge(PostriderError):  # noqa: N818
    """The body is over its limit."""


class TooManyRequests(PostriderError):  # noqa: N818
    """The caller has to slow down."""

    def __init__(self, detail: str, *, wait_seconds: float) -> None:
        """Tell after how many seconds one more is let through."""
        super().__init__(detail)
        self.wait_seconds = wait_seconds


class Unavailable(PostriderError):  # noqa: N818
    """A part that is needed is out of reach for the moment."""


class SecretUnreadable(Unavailable):
    """None of the configured keys opens a stored secret."""


class NotReadyToStart(PostriderError):  # noqa: N818
    """Something is missing that an operator must give or do first."""
