"""A flight of mails: a few threads, each with a connection on which it hands in some mails one after the other."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from postrider.domain.message import Message
from postrider.domain.outcome import EXCERPT_BYTES, Outcome, Verdict, excerpt
from postrider.domain.ports import FlightLimits

from .guard import AddressRefused, Guard
from .ledger import NEVER_BEGAN
from .network_errors import network_outcome
from .scrub import scrub
from .smtp_mail import Mail
from .smtp_session import BadReply, Hung, Refused, Server, Session, Unfit, open_session
from .template_language import TemplateFailed
from .threaded import ThreadedFlight, batches_within
from .watch import Watch

THREADS = 4
MAILS_A_CONNECTION = 4
"""Few, so that the last of them, whose time runs too, does not wait for long."""
GRACE_SECONDS = 0.05
"""A conversation is given up so long before its deadline, to tell what became of the mails before."""
LONGEST_DETAIL = 500

_LAST_WORD = 421
_SAYS_NEVER = 500


def mail_flight(courier: Courier, limits: FlightLimits, wake: Callable[[], None], *, watch: Watch) -> ThreadedFlight:
    """Open a flight that holds no more mails than its threads can hand in soon."""
    few = replace(limits, max_in_flight=min(limits.max_in_flight, THREADS * MAILS_A_CONNECTION))
    fits = batches_within(MAILS_A_CONNECTION, budget=MAILS_A_CONNECTION, weigh=lambda _: 1)
    return ThreadedFlight(courier.send, few, wake, watch=watch, fits=fits, threads=THREADS)


class Courier:
    """Hands mails in for one integration."""

    def __init__(
        self,
        server: Server,
        write: Callable[[Message], Mail],
        *,
        guard: Guard,
        tls: ssl.SSLContext,
        secrets: tuple[str, ...],
    ) -> None:
        """Take what makes a message's mail; it may raise TemplateFailed."""
        self._server = server
        self._write = write
        self._guard = guard
        self._tls = tls
        self._secrets = secrets

    def send(self, messages: Sequence[Message], seconds: float) -> Iterable[tuple[UUID, Outcome]]:
        """Send messages over one connection, or over more when the server closes it; blocks, never raises for it."""
        round_ = _Round(self._open, seconds)
        try:
            return [(message.id, self._outcome_or_mistake(message, round_)) for message in messages]
        finally:
            round_.end()

    def _open(self, until: float) -> Session:
        return open_session(self._server, guard=self._guard, tls=self._tls, until=until)

    def _outcome_or_mistake(self, message: Message, round_: _Round) -> Outcome:
        try:
            return self._outcome(message, round_)
        except Exception as error:  # noqa: BLE001 - a mistake with one mail must not lose what became of the others
            told = f"The mail failed inside Postrider ({type(error).__name__})."
            return Outcome(Verdict.TEMPORARY, "internal_error", told)

    def _outcome(self, message: Message, round_: _Round) -> Outcome:
        try:
            mail = self._write(message)
        except TemplateFailed as error:
            return Outcome(Verdict.PERMANENT, "template_failed", error.problem)
        if round_.over:
            return NEVER_BEGAN
        try:
            code, text = round_.hand_in(mail)
        except Refused as refused:
            return self._refused(refused)
        except (Unfit, BadReply, Hung, OSError) as error:
            return _broken(error, self._server.host, seconds=round_.seconds)
        return Outcome(Verdict.DELIVERED, status_code=code, response_body=self._kept(text))

    def _kept(self, text: str) -> str:
        return scrub(excerpt(text.encode()), self._secrets, cut=len(text.encode()) > EXCERPT_BYTES)

    def _refused(self, refused: Refused) -> Outcome:
        verdict = Verdict.PERMANENT if refused.code >= _SAYS_NEVER else Verdict.TEMPORARY
        told = scrub(refused.text, self._secrets)
        return Outcome(
            verdict,
            "login_refused" if refused.step == "the login" else f"smtp_{refused.code}",
            f"The server refused {refused.step}: {refused.code} {' '.join(told.split())}".rstrip()[:LONGEST_DETAIL],
            # Without a number it speaks of the server, as one that closes does, and not of this mail.
            status_code=None if refused.code == _LAST_WORD else refused.code,
            response_body=self._kept(refused.text),
        )


class _Round:
    """The connections of one call, one after the other."""

    def __init__(self, open_: Callable[[float], Session], seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds - GRACE_SECONDS
        self._open = open_
        self._session: Session | None = None
        self._no_way: Exception | None = None
        """Why no connection could be made: asking again at once, with each mail, would lock accounts."""

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._until

    def hand_in(self, mail: Mail) -> tuple[int, str]:
        """Hand a mail in; a second time where a connection that had been used was closed before it was begun."""
        used = self._session is not None
        try:
            return self._try(mail)
        except _ClosedBefore as closed:
            if used:
                return self._try(mail)
            raise closed.reason from None

    def _try(self, mail: Mail) -> tuple[int, str]:
        session = self._session or self._connect()
        self._session = None
        session.fresh = True
        try:
            taken = session.hand_in(mail)
        except Refused as refused:
            if session.fresh and refused.code == _LAST_WORD:
                session.bow_out()
                raise _ClosedBefore(refused) from None
            self._keep_after(refused, session)
            raise
        except (BadReply, Hung, OSError) as error:
            session.sock.close()
            if session.fresh and not isinstance(error, TimeoutError | BadReply):
                raise _ClosedBefore(error) from None
            raise
        except BaseException:
            session.sock.close()
            raise
        self._session = session
        return taken

    def _connect(self) -> Session:
        if self._no_way is not None:
            raise self._no_way
        try:
            return self._open(self._until)
        except Exception as error:
            self._no_way = error
            raise

    def _keep_after(self, refused: Refused, session: Session) -> None:
        """Use the connection for the next mail, unless the server has done with it."""
        if refused.code == _LAST_WORD:
            session.bow_out()
            return
        try:
            session.forget()
        except (Refused, BadReply, Hung, OSError):
            session.bow_out()
        else:
            self._session = session

    def end(self) -> None:
        if self._session is not None:
            self._session.bow_out()


class _ClosedBefore(Exception):  # noqa: N818 - internal
    """The connection was closed before the server took anything of the mail."""

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason


def _broken(error: Exception, host: str, *, seconds: float) -> Outcome:
    """Give the outcome where there was no answer, or none that is SMTP."""
    if isinstance(error, AddressRefused):
        detail = f"{host} leads to {error.reason}; only the operator can allow that, with POSTRIDER_ALLOWED_NETWORKS."
        return Outcome(Verdict.PERMANENT, "address_refused", detail)
    if isinstance(error, Unfit):
        return Outcome(Verdict.PERMANENT, error.error, error.detail)
    if isinstance(error, Hung):
        return Outcome(
            Verdict.TEMPORARY, "connection_closed", "The server closed the connection in the place of an answer."
        )
    if isinstance(error, BadReply):
        return Outcome(Verdict.TEMPORARY, "bad_response", "The answer was not SMTP.")
    return network_outcome(error, seconds=seconds)
