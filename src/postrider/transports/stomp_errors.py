"""What a broker's ERROR frame comes to.

A refused login is temporary: it stays so until somebody mends it, but brokers also refuse logins while their own
directory is away, and a dead letter after one such moment would lose the retries. That the destination may not be
written to, or is not there, is said by a broker that is well and knows us: it is permanent. Anything else is temporary.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from postrider.domain.outcome import Outcome, Verdict

from .scrub import scrub
from .stomp_frames import Frame

LONGEST_DETAIL = 500

_LOGIN = re.compile(
    r"access refused for user|password|passcode|authenticat|credential|\blogin\b|bad user", re.IGNORECASE
)
_REFUSED = re.compile(
    r"access[ _]refused|access[ _]denied|not authori[sz]ed|unauthori[sz]ed|permission|forbidden|security", re.IGNORECASE
)
_MISSING = re.compile(
    r"\bnot[ _]found\b|does not exist|(?:unknown|invalid|no such) (?:destination|queue|topic|exchange)", re.IGNORECASE
)


def login_refused(frame: Frame, *, secrets: Sequence[str]) -> Outcome | None:
    """Give the outcome when the login was wrong; None when CONNECT was refused for another reason."""
    if not _LOGIN.search(_text(frame)):
        return None
    return Outcome(Verdict.TEMPORARY, "login_refused", _detail("The broker refused the login", frame, secrets))


def connect_refused(frame: Frame, *, secrets: Sequence[str]) -> Outcome:
    return Outcome(Verdict.TEMPORARY, "connect_refused", _detail("The broker refused the connection", frame, secrets))


def send_refused(frame: Frame, *, secrets: Sequence[str]) -> Outcome:
    """Give the outcome of a message that the broker answered with an ERROR frame."""
    text = _text(frame)
    if _REFUSED.search(text):
        told = _detail("The broker does not let this user write there", frame, secrets)
        return Outcome(Verdict.PERMANENT, "access_denied", told)
    if _MISSING.search(text):
        told = _detail("The broker does not know the destination", frame, secrets)
        return Outcome(Verdict.PERMANENT, "destination_not_found", told)
    return Outcome(Verdict.TEMPORARY, "stomp_error", _detail("The broker answered with an error", frame, secrets))


def _text(frame: Frame) -> str:
    return f"{frame.headers.get('message', '')}\n{_body(frame)}"


def _detail(sentence: str, frame: Frame, secrets: Sequence[str]) -> str:
    said = dict.fromkeys(part for part in (frame.headers.get("message", "").strip(), _body(frame)) if part)
    text = f"{sentence}: {'; '.join(said)}" if said else f"{sentence}."
    return scrub(text.replace("\x00", ""), secrets)[:LONGEST_DETAIL]


def _body(frame: Frame) -> str:
    body: bytes | str = frame.body or b""
    return (body.decode("utf-8", "replace") if isinstance(body, bytes) else body).strip()
