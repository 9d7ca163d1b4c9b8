"""What a broken connection is called outside HTTP: in the same words as there."""

from __future__ import annotations

from collections.abc import Iterator

from postrider.domain.outcome import Outcome, Verdict

from .http_failure import failure_of


def network_outcome(error: BaseException, *, seconds: float) -> Outcome:
    """Give the outcome of an OSError, or of what wraps one; `seconds` is what the connection was given."""
    inner = next((each for each in _chain(error) if isinstance(each, OSError)), None)
    if inner is None:
        return Outcome(Verdict.TEMPORARY, "connection_failed", "The connection failed.")
    failure = failure_of(inner, seconds=seconds)
    return Outcome(Verdict.TEMPORARY, failure.error, failure.detail)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error inwards, to what caused it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
