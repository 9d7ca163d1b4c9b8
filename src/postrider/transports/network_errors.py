"""What a broken connection is called outside HTTP: in the same words as there."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from postrider.domain.outcome import Outcome, Verdict

from .http_failure import failure_of
from .resolver import LookupTimeout

_UNKNOWN_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def network_outcome(error: BaseException, *, seconds: float) -> Outcome:
    """Give the outcome of an OSError, or of what wraps one; `seconds` is what the connection was given."""
    inner = next((each for each in _chain(error) if isinstance(each, OSError)), None)
    if inner is None:
        return Outcome(Verdict.TEMPORARY, "connection_failed", "The connection failed.")
    if isinstance(inner, LookupTimeout):
        return Outcome(Verdict.TEMPORARY, "dns_timeout", "No name server answered for this host in time.")
    if isinstance(inner, socket.gaierror):
        return _of_lookup(inner)
    failure = failure_of(inner, seconds=seconds)
    return Outcome(Verdict.TEMPORARY, failure.error, failure.detail)


def _of_lookup(error: socket.gaierror) -> Outcome:
    if error.errno in _UNKNOWN_NAME:
        return Outcome(Verdict.TEMPORARY, "dns_not_found", "The host's name is not known.")
    return Outcome(Verdict.TEMPORARY, "dns_failed", "The name servers could not tell this host's address.")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error inwards, to what caused it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
