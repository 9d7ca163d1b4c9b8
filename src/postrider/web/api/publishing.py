"""The body of a publish request in Postrider's own form: `{"data": {"type": "event", ...}}`, or a list of such."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from postrider.domain.errors import InvalidInput
from postrider.pipeline import exact_json
from postrider.pipeline.publish import NewEvent

MOST_EVENTS = 1_000
KEY = re.compile(r"[!-~]{1,255}\Z")
KEY_RULE = "must have 1 to 255 visible ASCII characters"
_TYPE = "event"
_NOTHING = msgspec.Raw(b"")


class _Given(msgspec.Struct):
    # Loose on purpose: what is wrong is then said in our words.
    type: Any = _TYPE
    event_type: Any = None
    payload: msgspec.Raw = _NOTHING
    idempotency_key: Any = None


class _Body(msgspec.Struct):
    data: _Given | list[_Given]


_DECODER = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """What a publish request asks for."""

    events: tuple[NewEvent, ...]
    is_list: bool
    """Whether it is to be answered by a list."""


def read(body: bytes) -> PublishRequest:
    """Read a request; raises NotJson, or InvalidInput naming the first wrong field. Event types are not looked up."""
    data = exact_json.read(_DECODER.decode, body).data
    if isinstance(data, _Given):
        return PublishRequest((_event("data", data),), is_list=False)
    check_count(len(data))
    request = PublishRequest(tuple(_event(f"data.{index}", given) for index, given in enumerate(data)), is_list=True)
    check_keys(request.events, "data.", "idempotency_key")
    return request


def check_count(count: int) -> None:
    """Raise InvalidInput when a list is empty or too long."""
    if count == 0:
        raise InvalidInput("data", "data: the list is empty; give at least one event")
    if count > MOST_EVENTS:
        raise InvalidInput("data", f"data: the list has {count} events; give at most {MOST_EVENTS}")


def check_keys(events: tuple[NewEvent, ...], root: str, name: str) -> None:
    """Raise InvalidInput when two events of one request have the same idempotency key.

    `root` and `name` say where the list is, and which member makes the key.
    """
    seen: dict[str, int] = {}
    for index, event in enumerate(events):
        key = event.idempotency_key
        if key is not None and seen.setdefault(key, index) != index:
            raise InvalidInput(f"{root}{index}.{name}", f"{name}: is the same as that of event {seen[key]}")


def _event(pointer: str, given: _Given) -> NewEvent:
    if given.type != _TYPE:
        raise InvalidInput(f"{pointer}.type", f'type: must be "{_TYPE}"')
    if not isinstance(given.event_type, str) or not given.event_type:
        raise InvalidInput(f"{pointer}.event_type", "event_type: is required, as text such as order.paid")
    payload = bytes(given.payload)
    if not payload:
        raise InvalidInput(f"{pointer}.payload", "payload: is required; it can be any JSON value, null too")
    exact_json.check_depth(f"{pointer}.payload", payload)
    return NewEvent(given.event_type, payload, idempotency_key=_key(pointer, given.idempotency_key))


def _key(pointer: str, given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not KEY.match(given):
        raise InvalidInput(f"{pointer}.idempotency_key", f"idempotency_key: {KEY_RULE}")
    return given
