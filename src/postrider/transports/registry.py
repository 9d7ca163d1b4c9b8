"""Which transports there are: a table from type name to class, filled from entry points, loaded on first use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar, Protocol

from postrider.domain.errors import InvalidInput
from postrider.domain.ports import Transport

from .configuration import TransportConfiguration
from .guard import Guard
from .http import HttpEngine

GROUP = "postrider.transports"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What this process lends to its transports."""

    http: HttpEngine
    guard: Guard
    aws_endpoint_url: str | None = None
    """Where AWS's API is, when it is not AWS's own; only the operator can say."""


class ConfiguredTransport(Transport, Protocol):
    """A transport with its configuration model; made once a process."""

    configuration_model: ClassVar[type[TransportConfiguration]]

    def __init__(self, surroundings: Surroundings) -> None: ...


class Registry:
    """The transports of this process."""

    def __init__(self, surroundings: Surroundings, entries: Iterable[EntryPoint] | None = None) -> None:
        """Know the transports of these entry points; of all that is installed when none are given."""
        self._surroundings = surroundings
        self._entries = _installed() if entries is None else _by_name(entries)
        self._loaded: dict[str, ConfiguredTransport] = {}

    def names(self) -> list[str]:
        """List the known types, in the order of the alphabet."""
        return sorted(self._entries)

    def get(self, type_name: str) -> ConfiguredTransport:
        """Give the transport of a type; InvalidInput lists the known ones when there is none."""
        if type_name not in self._entries:
            raise InvalidInput("data.integration_type", self._unknown(type_name))
        if type_name not in self._loaded:
            make: type[ConfiguredTransport] = self._entries[type_name].load()
            self._loaded[type_name] = make(self._surroundings)
        return self._loaded[type_name]

    def close(self) -> None:
        """Close what transports keep open, once no flight is left."""
        for transport in self._loaded.values():
            close = getattr(transport, "close", None)
            if close is not None:
                close()

    def _unknown(self, type_name: str) -> str:
        near = difflib.get_close_matches(type_name, self.names(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"integration_type: {type_name!r} is not known; the known ones are {', '.join(self.names())}{hint}"


@cache
def _installed() -> Mapping[str, EntryPoint]:
    # It reads a file of every package that is installed: once a process is enough.
    return _by_name(entry_points(group=GROUP))


def _by_name(entries: Iterable[EntryPoint]) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entries}
