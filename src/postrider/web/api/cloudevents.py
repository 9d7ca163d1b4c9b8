"""CloudEvents 1.0 over HTTP, all three modes: what becomes of their attributes and data.

`type` is the event type, `source` and `id` together are the idempotency key, the data is the payload, byte for byte;
an event without data gets the payload `null`. The other attributes are kept beside the event.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md and its JSON format and HTTP binding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.datastructures import Headers

from postrider.domain.errors import InvalidInput, UnsupportedContent
from postrider.pipeline import exact_json
from postrider.pipeline.publish import NewEvent

from . import content
from .publishing import PublishRequest, check_count, check_keys

REQUIRED = ("specversion", "type", "source", "id")
VERSION = "1.0"
LONGEST_VALUE = 2_048
_NAME = re.compile(r"[a-z0-9]{1,64}\Z")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
_DATA, _DATA_BASE64, _DATA_TYPE = "data", "data_base64", "datacontenttype"
_NOT_KEPT = {"specversion", "type", _DATA_TYPE}
_NO_DATA = b"null"
_HEADER = "ce-"

Document = dict[str, msgspec.Raw]
_ONE = msgspec.json.Decoder(Document)
_MANY = msgspec.json.Decoder(list[Document])


def read_structured(body: bytes) -> PublishRequest:
    """Read one CloudEvent; raises NotJson, UnsupportedContent or InvalidInput."""
    return PublishRequest((_from_document("", exact_json.read(_ONE.decode, body)),), is_list=False)


def read_batch(body: bytes) -> PublishRequest:
    """Read a list of CloudEvents; raises as `read_structured` does."""
    documents = exact_json.read(_MANY.decode, body)
    check_count(len(documents))
    request = PublishRequest(
        tuple(_from_document(f"{index}.", document) for index, document in enumerate(documents)), is_list=True
    )
    check_keys(request.events, "", "id")
    return request


def read_binary(headers: Headers, body: bytes) -> PublishRequest:
    """Read the CloudEvent whose attributes are headers; raises as `read_structured` does."""
    attributes = {
        name.removeprefix(_HEADER): _from_header(name, value)
        for name, value in headers.items()
        if name.startswith(_HEADER)
    }
    event = _event("header.ce-", attributes, _binary_data(headers.get("content-type"), body))
    return PublishRequest((event,), is_list=False)


def _binary_data(media_type: str | None, body: bytes) -> bytes:
    if media_type is None and not body:
        return _NO_DATA
    _check_data_type("header.Content-Type", media_type or "")
    return bytes(exact_json.read(msgspec.json.Decoder(msgspec.Raw).decode, body)).strip() if body else _NO_DATA


def _from_document(pointer: str, document: Document) -> NewEvent:
    if _DATA_BASE64 in document:
        raise UnsupportedContent(f"{pointer}{_DATA_BASE64}", "data_base64: only JSON data is taken, as `data`")
    attributes = {
        name: text
        for name, raw in document.items()
        if name != _DATA and (text := _from_json(f"{pointer}{name}", raw)) is not None
    }
    if _DATA_TYPE in attributes:
        _check_data_type(f"{pointer}{_DATA_TYPE}", attributes[_DATA_TYPE])
    return _event(pointer, attributes, bytes(document[_DATA]) if _DATA in document else _NO_DATA)


def _check_data_type(pointer: str, given: str) -> None:
    if not content.is_json(content.media_type(pointer, given)):
        name = pointer.rpartition(".")[2]
        raise UnsupportedContent(pointer, f"{name}: only JSON data is taken; it must be application/json")


def _event(pointer: str, attributes: Mapping[str, str], data: bytes) -> NewEvent:
    _check_attributes(pointer, attributes)
    exact_json.check_depth(f"{pointer}data", data)
    identity = hashlib.sha256(f"{attributes['source']}\0{attributes['id']}".encode()).hexdigest()
    return NewEvent(
        attributes["type"],
        data,
        {name: value for name, value in attributes.items() if name not in _NOT_KEPT},
        f"ce:{identity}",
    )


def _check_attributes(pointer: str, attributes: Mapping[str, str]) -> None:
    missing = [name for name in REQUIRED if not attributes.get(name)]
    if missing:
        raise InvalidInput(f"{pointer}{missing[0]}", f"a CloudEvent needs {', '.join(missing)}, not empty")
    if attributes["specversion"] != VERSION:
        raise InvalidInput(f"{pointer}specversion", f"specversion: must be {VERSION}")
    for name, value in attributes.items():
        _check_attribute(f"{pointer}{name}", name, value)


def _check_attribute(pointer: str, name: str, value: str) -> None:
    if not _NAME.match(name):
        raise InvalidInput(pointer, f"{name[:80]}: an attribute's name must consist of lower-case letters and digits")
    if len(value) > LONGEST_VALUE:
        raise InvalidInput(pointer, f"{name}: must have at most {LONGEST_VALUE} characters")
    if _CONTROL.search(value):
        raise InvalidInput(pointer, f"{name}: must not hold control characters")
    if name == "time" and not _TIME.match(value):
        raise InvalidInput(pointer, "time: must be an RFC 3339 timestamp, such as 2026-01-31T12:00:00Z")


def _from_json(pointer: str, raw: msgspec.Raw) -> str | None:
    """Write an attribute's JSON value as text; None for null, which stands for an attribute that is not there."""
    try:
        value = msgspec.json.decode(raw, type=str | bool | int | None)
    except msgspec.ValidationError:
        name = pointer.rpartition(".")[2]
        raise InvalidInput(pointer, f"{name}: an attribute must be text, a whole number, true or false") from None
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _from_header(name: str, value: str) -> str:
    """Undo the percent-encoding that the HTTP binding asks for (section 3.1.3.2)."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    try:
        return unquote_to_bytes(value.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"header.{name}", f"{name}: is not percent-encoded UTF-8") from None
