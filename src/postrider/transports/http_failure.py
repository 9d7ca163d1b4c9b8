"""What can keep an HTTP answer from coming, in our words; the one place that knows aiohttp's exceptions."""

from __future__ import annotations

import errno
import socket
import ssl

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from .guard import AddressRefused
from .resolver import LookupTimeout


class HttpFailure(Exception):  # noqa: N818 - it reads as what happened
    """No usable answer came; says why in a stable word and a sentence, without a secret or an inner address."""

    def __init__(self, error: str, detail: str, *, permanent: bool = False) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail
        self.permanent = permanent
        """It will fail the same way until somebody changes something."""


_OF_ERRNO = {
    errno.ECONNREFUSED: ("connection_refused", "Nothing accepts connections at this address and port."),
    errno.ECONNRESET: ("connection_reset", "The far side reset the connection."),
    errno.EPIPE: ("connection_reset", "The far side closed the connection while the request was being sent."),
    errno.ETIMEDOUT: ("timeout", "The connection could not be made in time."),
    errno.EHOSTUNREACH: ("unreachable", "There is no way to this address from here."),
    errno.ENETUNREACH: ("unreachable", "There is no way to this address from here."),
    errno.EMFILE: ("out_of_sockets", "This worker has no more sockets; raise its limit of open files."),
    errno.ENFILE: ("out_of_sockets", "This machine has no more sockets; raise its limit of open files."),
}
_NOT_FOUND = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def failure_of(error: BaseException, *, seconds: float) -> HttpFailure:
    """Say what an exception of an exchange means; `seconds` is what it was given."""
    if isinstance(error, HttpFailure):
        return error
    if isinstance(error, TimeoutError):
        return timed_out(error, seconds=seconds)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return HttpFailure("tls_failed", f"No secure connection could be made: {_tls_reason(error)}.")
    if isinstance(error, aiohttp.ClientConnectorError):
        return _of_connecting(error.os_error)
    if isinstance(error, aiohttp.InvalidURL):
        return HttpFailure("invalid_url", "The URL cannot be used.", permanent=True)
    return _of_exchange(error)


def timed_out(error: TimeoutError, *, seconds: float) -> HttpFailure:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return HttpFailure("timeout", f"No connection could be made within {seconds:g} seconds.")
    return HttpFailure("timeout", f"The answer was not complete within {seconds:g} seconds.")


def refused(reason: str) -> HttpFailure:
    return HttpFailure(
        "address_refused",
        f"The URL leads to {reason}; only the operator can allow that, with POSTRIDER_ALLOWED_NETWORKS.",
        permanent=True,
    )


def _of_connecting(error: OSError) -> HttpFailure:
    if isinstance(error, AddressRefused):
        return refused(error.reason)
    return _of_os_error(error) or HttpFailure("connection_failed", "The connection could not be made.")


def _of_exchange(error: BaseException) -> HttpFailure:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return HttpFailure("connection_closed", "The far side closed the connection without an answer.")
    if isinstance(error, OSError | aiohttp.ClientConnectionError):
        known = _of_os_error(error) if isinstance(error, OSError) else None
        return known or HttpFailure("connection_reset", "The connection broke before the answer was complete.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return HttpFailure("bad_response", "The answer broke off before its end, or its body was malformed.")
    if _is_too_long(error):
        return HttpFailure("headers_too_large", "The answer's headers are too large.")
    if isinstance(error, aiohttp.ClientError):
        return HttpFailure("bad_response", "The answer was not valid HTTP.")
    return HttpFailure("internal_error", f"The request failed inside Postrider ({type(error).__name__}).")


def _of_os_error(error: OSError) -> HttpFailure | None:
    if isinstance(error, LookupTimeout):
        return HttpFailure("dns_timeout", "No name server answered for this host in time.")
    if isinstance(error, socket.gaierror):
        if error.errno in _NOT_FOUND:
            return HttpFailure("dns_not_found", "The host's name is not known.")
        return HttpFailure("dns_failed", "The name servers could not tell this host's address.")
    known = _OF_ERRNO.get(error.errno or 0)
    return HttpFailure(*known) if known else None


def _is_too_long(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LineTooLong):
            return True
        cause = cause.__cause__
    return False


def _tls_reason(error: BaseException) -> str:
    inner = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
    inner = inner.os_error if isinstance(inner, aiohttp.ClientConnectorError) else inner
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({inner.verify_message.rstrip('.')})"
    reason = getattr(inner, "reason", None)
    return reason.replace("_", " ").lower() if isinstance(reason, str) else "the TLS handshake failed"
