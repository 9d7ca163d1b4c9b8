"""In which form does a publish request bring its events? Told from its headers."""

from __future__ import annotations

from email.message import Message
from enum import Enum, auto

from starlette.datastructures import Headers

from postrider.domain.errors import UnsupportedContent

JSON = "application/json"
CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENTS = "application/cloudevents-batch+json"
_UTF_8 = {"utf-8", "utf8"}


class Form(Enum):
    """The forms that are understood."""

    NATIVE = auto()
    CLOUDEVENT = auto()
    """One CloudEvent as a JSON document."""
    CLOUDEVENTS = auto()
    """A list of them."""
    BINARY_CLOUDEVENT = auto()
    """The attributes in `ce-` headers, the data as the body."""


def form_of(headers: Headers) -> Form:
    """Tell the form; UnsupportedContent for a coding, charset or media type that is none of them."""
    _check_coding(headers)
    given = headers.get("content-type", "")
    if given not in {JSON, ""}:
        given = media_type("header.Content-Type", given)
    if given == CLOUDEVENT:
        return Form.CLOUDEVENT
    if given == CLOUDEVENTS:
        return Form.CLOUDEVENTS
    if any(name.startswith(b"ce-") for name, _ in headers.raw):
        return Form.BINARY_CLOUDEVENT
    if given != JSON:
        accepted = f"{JSON}, {CLOUDEVENT} or {CLOUDEVENTS}"
        raise UnsupportedContent("header.Content-Type", f"Content-Type: must be {accepted}")
    return Form.NATIVE


def check_json(headers: Headers) -> None:
    """Raise UnsupportedContent for a coding, charset or media type that is not plain JSON's."""
    _check_coding(headers)
    if not is_json(media_type("header.Content-Type", headers.get("content-type", ""))):
        raise UnsupportedContent("header.Content-Type", f"Content-Type: must be {JSON}")


def media_type(pointer: str, given: str) -> str:
    """Give the media type without its parameters; UnsupportedContent for a charset other than UTF-8."""
    message = Message()
    message["content-type"] = given
    charset = message.get_param("charset", "utf-8")
    if not isinstance(charset, str) or charset.lower() not in _UTF_8:
        raise UnsupportedContent(pointer, f"{pointer.rpartition('.')[2]}: the charset must be utf-8")
    return given.partition(";")[0].strip().lower()


def is_json(media: str) -> bool:
    """Tell whether a media type without parameters means JSON."""
    return media == JSON or media.endswith("+json")


def _check_coding(headers: Headers) -> None:
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", ""}:
        raise UnsupportedContent("header.Content-Encoding", "Content-Encoding: send the body without a coding")
