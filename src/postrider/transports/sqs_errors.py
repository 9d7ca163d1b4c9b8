"""What SQS's errors come to: one table from its codes to outcomes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from postrider.domain.outcome import Outcome, Verdict

from .network_errors import network_outcome
from .scrub import scrub

LONGEST_DETAIL = 500
LOWEST_SERVER_ERROR = 500
TOO_MANY_REQUESTS = 429

_T, _P = Verdict.TEMPORARY, Verdict.PERMANENT

_CODES: dict[str, tuple[Verdict, str]] = {
    # Slow down: the service, the queue or the queue's key is asked too often.
    "Throttling": (_T, "throttled"),
    "ThrottlingException": (_T, "throttled"),
    "ThrottledException": (_T, "throttled"),
    "RequestThrottled": (_T, "throttled"),
    "RequestThrottledException": (_T, "throttled"),
    "RequestLimitExceeded": (_T, "throttled"),
    "TooManyRequestsException": (_T, "throttled"),
    "BandwidthLimitExceeded": (_T, "throttled"),
    "SlowDown": (_T, "throttled"),
    "OverLimit": (_T, "throttled"),
    "KmsThrottled": (_T, "throttled"),
    # The service is not well.
    "InternalError": (_T, "internal_error"),
    "InternalFailure": (_T, "internal_error"),
    "InternalServerError": (_T, "internal_error"),
    "ServiceUnavailable": (_T, "service_unavailable"),
    "ServiceUnavailableException": (_T, "service_unavailable"),
    "RequestTimeout": (_T, "timeout"),
    "RequestTimeoutException": (_T, "timeout"),
    # The credentials are wrong, or may not do this, until somebody changes them.
    "AccessDenied": (_P, "access_denied"),
    "AccessDeniedException": (_P, "access_denied"),
    "InvalidSecurity": (_P, "access_denied"),
    "OptInRequired": (_P, "access_denied"),
    "InvalidClientTokenId": (_P, "invalid_credentials"),
    "InvalidAccessKeyId": (_P, "invalid_credentials"),
    "UnrecognizedClientException": (_P, "invalid_credentials"),
    "UnrecognizedClient": (_P, "invalid_credentials"),
    "SignatureDoesNotMatch": (_P, "invalid_credentials"),
    "InvalidSignatureException": (_P, "invalid_credentials"),
    "IncompleteSignature": (_P, "invalid_credentials"),
    "MissingAuthenticationToken": (_P, "invalid_credentials"),
    "ExpiredToken": (_P, "invalid_credentials"),
    "ExpiredTokenException": (_P, "invalid_credentials"),
    # The queue, or the key that it is encrypted with, is not there for us.
    "QueueDoesNotExist": (_P, "queue_not_found"),
    "NonExistentQueue": (_P, "queue_not_found"),
    "QueueDeletedRecently": (_P, "queue_not_found"),
    "InvalidAddress": (_P, "queue_not_found"),
    "KmsAccessDenied": (_P, "queue_key_refused"),
    "KmsDisabled": (_P, "queue_key_refused"),
    "KmsInvalidState": (_P, "queue_key_refused"),
    "KmsInvalidKeyUsage": (_P, "queue_key_refused"),
    "KmsNotFound": (_P, "queue_key_refused"),
    "KmsOptInRequired": (_P, "queue_key_refused"),
    # The message itself.
    "BatchRequestTooLong": (_P, "body_too_large"),
    "InvalidMessageContents": (_P, "body_refused"),
}
# `InvalidParameterValue`, `ValidationException` and what else is unknown may be about one message of a call.
CALL_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
"""What a call raises for what the far side or the network did."""

_UNNAMED = "sqs_refused"
ABOUT_ONE_MESSAGE = frozenset({_UNNAMED, "body_too_large", "body_refused"})

_PREFIX = re.compile(r".*[.#]")
_PLAIN_CODE = re.compile(r"[A-Za-z0-9_.]{1,64}")


def entry_outcome(code: str, message: str, *, sender_fault: bool, secrets: Sequence[str]) -> Outcome:
    """Give the outcome of one entry that a half-failed batch names."""
    verdict, word = _look_up(code, _P if sender_fault else _T)
    return Outcome(verdict, word, _detail(code, message, secrets))


def call_outcome(error: Exception, *, seconds: float, secrets: Sequence[str]) -> Outcome:
    """Give the outcome of a call that failed as a whole; `error` is one of CALL_ERRORS."""
    if isinstance(error, ClientError):
        return _refused(error, secrets)
    if isinstance(error, (ConnectTimeoutError, ReadTimeoutError)):
        return Outcome(_T, "timeout", f"SQS did not answer within {seconds:g} seconds.")
    if isinstance(error, (BotoConnectionError, HTTPClientError)):
        return network_outcome(error, seconds=seconds)
    if isinstance(error, ResponseParserError):
        return Outcome(_T, "bad_response", "The answer was not one of SQS.")
    return Outcome(_T, "internal_error", f"The call failed inside Postrider ({type(error).__name__}).")


def _refused(error: ClientError, secrets: Sequence[str]) -> Outcome:
    said = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code = str(said.get("Code", ""))
    verdict, word = _look_up(code, None, status=status)
    return Outcome(verdict, word, _detail(code, str(said.get("Message", "")), secrets), status_code=status)


def _look_up(code: str, otherwise: Verdict | None, *, status: int | None = None) -> tuple[Verdict, str]:
    # AWS.SimpleQueueService.NonExistentQueue and com.amazonaws.sqs#QueueDoesNotExist are the same thing.
    known = _CODES.get(code.removeprefix("KMS.")) or _CODES.get(_PREFIX.sub("", code))
    if known is not None:
        return known
    if otherwise is not None:
        return otherwise, _UNNAMED
    if status is None or status >= LOWEST_SERVER_ERROR or status == TOO_MANY_REQUESTS:
        return _T, f"http_{status}" if status else "bad_response"
    return _P, _UNNAMED


def _detail(code: str, message: str, secrets: Sequence[str]) -> str:
    name = code if _PLAIN_CODE.fullmatch(code) else "an error"
    text = f"SQS said {name}: {message}" if message else f"SQS said {name}"
    return scrub(text.replace("\x00", ""), secrets)[:LONGEST_DETAIL]
