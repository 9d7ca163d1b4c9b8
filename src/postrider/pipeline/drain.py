"""One integration's drain in one worker process: claim, compose, send, decide, settle."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from uuid import UUID

import structlog

from postrider.domain.breaker import speaks_of_endpoint
from postrider.domain.delivery import LOST_ALONE, Claimed
from postrider.domain.errors import PostriderError, SecretUnreadable
from postrider.domain.message import Message, compose
from postrider.domain.outcome import Outcome, Verdict
from postrider.services import Services

from .flights import Flights, Opened
from .health import HealthNotes, Told
from .intake import Intake
from .settle import Flying, Writing, batch_of, tell, write
from .slot import LEASE, share
from .solitude import Solitude

CLAIM_LIMIT = 100
SETTLE_AT = 100
SETTLE_AFTER_SECONDS = 0.02
"""An outcome waits this long for company before it is written down."""
STORE_PAUSE_SECONDS = 0.5
STARVED_SECONDS = 0.05
FIRST_WINDOW = 4
"""Attempts that an endpoint gets before it has answered any; doubled as it answers, halved as it fails."""
ALWAYS = 2
"""Attempts that it may have in any case."""
KEEP_SLOT_SECONDS = 1.0
"""A wait for the next free moment of a rate that is longer gives the slot up."""

log = structlog.get_logger()


@dataclass(slots=True)
class Budget:
    """How many attempts the process may have under way; approximate on purpose, so that it needs no lock.

    Each drain may exceed it by `ALWAYS`: endpoints that hang must not leave the others without any.
    """

    limit: int
    used: int = 0

    def room(self) -> int:
        return max(self.limit - self.used, 0)


@dataclass(slots=True)
class Drain:
    """Served by one thread at a time; `turn` never waits for the far side."""

    integration_id: UUID
    services: Services
    holder: UUID
    """This process, in slots."""
    budget: Budget
    wake: Callable[[], None]
    """Asks for a turn; given to flights."""
    solitude: Solitude
    scribes: Executor
    """Write outcomes down while this goes on sending."""
    heard: bool = True
    """There may be due deliveries."""
    _held: dict[UUID, Flying] = field(default_factory=dict)
    _landed: dict[UUID, Outcome] = field(default_factory=dict)
    _unsent: dict[UUID, Claimed] = field(default_factory=dict)
    """Claimed, and not sent: to be given back."""
    _settle_at: float = 0.0
    _writing: Writing | None = None
    """What is being written down; what lands meanwhile waits for the next time."""
    _flights: Flights = field(init=False)
    _intake: Intake = field(init=False)
    _health: HealthNotes = field(init=False)
    _closing: bool = False
    _starved: bool = False
    _window: int = FIRST_WINDOW
    _answered: bool = False
    _kept_out: bool = False
    _again_at: float | None = None
    """Nothing may be claimed before this moment (monotonic)."""

    def __post_init__(self) -> None:
        self._flights = Flights(self.services, self.integration_id, self.wake)
        self._intake = Intake(self.services, self.integration_id, self.holder, self.solitude)
        self._health = HealthNotes(self.services, self.integration_id)

    def turn(self, *, stopping: bool) -> float | None:
        """Do what can be done now; give the moment (monotonic) of the next turn, None to wait for a wake."""
        try:
            return self._turn(stopping=stopping)
        except PostriderError as error:
            log.warning("drain.interrupted", integration_id=str(self.integration_id), detail=error.detail)
            return time.monotonic() + STORE_PAUSE_SECONDS
        finally:
            if self.solitude.held_by(self.integration_id) and not self._holds_suspect():
                self.solitude.leave()

    def idle(self) -> bool:
        """Tell whether nothing is left to do or to write down."""
        return not self._held and not self._unsent and not self.heard

    def is_full(self) -> bool:
        """Tell whether a turn now would find no room: the next outcome asks for one."""
        return self._starved and bool(self._held)

    def answers(self) -> bool:
        """Tell whether the endpoint has lately taken what it was sent."""
        return self._answered

    def close(self) -> None:
        """Close the flights; only when idle."""
        self._flights.close()

    def _turn(self, *, stopping: bool) -> float | None:
        self._collect()
        self._end_writing()
        if stopping:
            self._claim_no_more()
        if self._again_at is not None and time.monotonic() >= self._again_at:
            self._again_at, self.heard = None, True
        if self._landed and not self._must_settle(stopping=stopping):
            return self._settle_at
        try:
            self._give_back()
            if self.heard and not stopping:
                # Who is not known to answer may hang: what comes of it keeps to the one thread that it may have.
                if self._answered:
                    self._write_down(by=self.scribes)
                self._fill()
        finally:
            self._write_down()
        self._keep_slot()
        return self._after()

    def _after(self) -> float | None:
        if self._held:
            renewal = self._monotonic(self._intake.renew_at(), self.services.clock.now())
            settle_at = self._settle_at if self._landed and self._writing is None else None
            moments = (self._again_at, settle_at, renewal)
            return min([moment for moment in moments if moment is not None], default=None)
        now = time.monotonic()
        if self.heard:
            return now + (STARVED_SECONDS if self._starved else 0)
        if (self._again_at is None or self._again_at > now + KEEP_SLOT_SECONDS) and self._intake.release():
            self.heard = True
        return now if self.heard else self._again_at

    def _keep_slot(self) -> None:
        """Keep others out while attempts are under way, however long they take."""
        renew_at, now = self._intake.renew_at(), self.services.clock.now()
        if self._held and self._flights.current is not None and renew_at is not None and now >= renew_at:
            self._intake.admitted(self._flights.current.integration.policy, now)

    # -- outcomes ----------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        had = bool(self._landed)
        for landed in self._flights.landed():
            # What is not held any more was taken back by the sweep: its row has moved on without us.
            if landed.message_id in self._held:
                self._landed.setdefault(landed.message_id, landed.outcome)
        if self._landed and not had:
            self._settle_at = time.monotonic() + SETTLE_AFTER_SECONDS

    def _must_settle(self, *, stopping: bool) -> bool:
        return (
            stopping
            or len(self._landed) >= min(SETTLE_AT, self._own_share() // 2)
            or not self._in_flight()
            or time.monotonic() >= self._settle_at
        )

    def _write_down(self, *, by: Executor | None = None) -> None:
        """Write outcomes down, one batch at a time; with `by` the end of it asks for a turn."""
        if not self._landed or self._writing is not None:
            return
        batch = batch_of(self.services, self._held, self._landed)
        self._landed.clear()
        self._writing = write(self.services, batch, by=by)
        if by is None:
            self._end_writing()
        else:
            self._writing.moved.add_done_callback(lambda _: self.wake())

    def _end_writing(self) -> None:
        """Note what was written; what the database did not take is kept for the next turn, until its lease ends."""
        if self._writing is None or not self._writing.moved.done():
            return
        writing, self._writing = self._writing, None
        outcomes = writing.batch.outcomes()
        try:
            moved = writing.moved.result()
        except PostriderError:
            self._landed = outcomes | self._landed
            self._drop_expired(self.services.clock.now())
            raise
        except Exception:
            # Something in these outcomes is not to be stored. Their leases run out; they are claimed again, and buried
            # when that does not help.
            self._forget(list(outcomes))
            raise
        self._forget(list(outcomes))
        tell(writing.batch, moved)
        self._heed(writing.batch.told(), writing.batch.now, probe=writing.batch.probed())

    def _heed(self, told: list[Told], now: datetime, *, probe: bool) -> None:
        """Note what the outcomes say of the far side, and act on it."""
        self._widen([one.outcome for one in told])
        standing = self._health.note(told, now, probe=probe)
        if standing.opened:
            self._ground()
        if standing.recovered:
            self._again_at, self.heard = None, True

    def _widen(self, outcomes: list[Outcome]) -> None:
        """Let an endpoint that answers have more under way, and one in trouble less."""
        delivered = sum(outcome.verdict is Verdict.DELIVERED for outcome in outcomes)
        troubled = any(speaks_of_endpoint(outcome) for outcome in outcomes)
        self._answered = not troubled and (self._answered or delivered > 0)
        self._window = max(self._window // 2, ALWAYS) if troubled else min(self._window + delivered, self._own_share())

    def _ground(self) -> None:
        """Give back what no byte was sent of: the far side is not worth trying now."""
        self._note_unsent(self._flights.ground())
        self._give_back()

    def _drop_expired(self, now: datetime) -> None:
        over = [one for one in self._landed if self._held[one].claimed.lease_until <= now]
        for delivery_id in over:
            del self._landed[delivery_id]
        self._forget(over)

    def _forget(self, delivery_ids: list[UUID]) -> None:
        for delivery_id in delivery_ids:
            del self._held[delivery_id]
        self.budget.used -= len(delivery_ids)
        self._close_retired()

    def _close_retired(self) -> None:
        self._flights.close_retired(flying.opened for flying in self._held.values())

    # -- sending -----------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        # Said before the look, so that a ring during the look is not lost.
        self.heard = False
        if self._flights.current is None and not self._open():
            return
        assert self._flights.current is not None  # noqa: S101 - opened above
        policy, now = self._flights.current.integration.policy, self.services.clock.now()
        if not self._intake.admitted(policy, now):
            if not self._kept_out:
                # Others have the slots; whoever brought the news may have told nobody but this process.
                self.services.ring.deliver([self.integration_id])
            # A holder that was killed renews its lease no more: one more look tells.
            self._again_at = None if self._kept_out else time.monotonic() + LEASE.total_seconds()
            self._kept_out = not self._kept_out
            return
        self._kept_out = False
        room = self._room()
        self._starved = room <= 0
        if self._starved:
            self.heard = True
            return
        taken = self._intake.take(policy, room=room, in_flight=self._in_flight(), now=now)
        if taken.more:
            # Never written as False here: a wake may have come since it was said above.
            self.heard = True
        self._again_at = self._monotonic(taken.again_at, now)
        if taken.claimed:
            self._send(taken.claimed, now)

    def _monotonic(self, moment: datetime | None, now: datetime) -> float | None:
        return None if moment is None else time.monotonic() + (moment - now).total_seconds()

    def _room(self) -> int:
        assert self._flights.current is not None  # noqa: S101 - the caller opened it
        if self._holds_suspect():
            return 0
        own = self._in_flight()
        return min(
            self._flights.current.flight.room(),
            min(self._own_share(), self._window) - own,
            max(self.budget.room(), ALWAYS - own),
            CLAIM_LIMIT,
        )

    def _holds_suspect(self) -> bool:
        """Tell whether what is in hand was lost with its workers before: nothing goes beside it."""
        claimed = chain((flying.claimed for flying in self._held.values()), self._unsent.values())
        return any(one.lost >= LOST_ALONE for one in claimed)

    def _own_share(self) -> int:
        return share(self._flights.current.integration.policy) if self._flights.current else 1

    def _in_flight(self) -> int:
        ended = len(self._landed) + (len(self._writing.batch.settled) if self._writing else 0)
        return len(self._held) - ended

    def _send(self, claimed: list[Claimed], now: datetime) -> None:
        # Noted first, so that whatever comes between, what was not sent is given back.
        self._unsent |= {one.delivery_id: one for one in claimed}
        try:
            if self._serves(claimed[0]):
                self._put(claimed, now)
        finally:
            self._give_back()

    def _serves(self, claimed: Claimed) -> bool:
        """Serve the integration at the version of a claim, and tell whether its lease is long enough for an attempt."""
        if claimed.integration_version != self._flights.version() and not self._reopen():
            return False
        assert self._flights.current is not None  # noqa: S101 - reopened above
        if claimed.lease_until < self.services.clock.now() + self._flights.current.integration.policy.timeout:
            # The timeout was raised, or the claim took long.
            self.heard = True
            return False
        return True

    def _put(self, claimed: list[Claimed], now: datetime) -> None:
        assert self._flights.current is not None  # noqa: S101 - the caller opened it
        opened = self._flights.current
        fresh = [one for one in claimed if one.delivery_id not in self._held]
        self._held |= {one.delivery_id: Flying(one, opened) for one in claimed}
        self.budget.used += len(fresh)
        for one in claimed:
            del self._unsent[one.delivery_id]
        try:
            messages = [message for one in fresh if (message := self._compose(opened, one, now)) is not None]
            opened.flight.put(messages)
        except Exception:
            self._note_unsent([one.delivery_id for one in fresh if one.delivery_id not in self._landed])
            raise

    def _compose(self, opened: Opened, claimed: Claimed, now: datetime) -> Message | None:
        try:
            return compose(
                claimed,
                opened.integration,
                opened.sender,
                dialect=opened.transport.dialect,
                body_limit=opened.transport.body_limit,
                now=now,
            )
        except Exception as error:  # noqa: BLE001 - one message that cannot be made must not stop the others
            detail = f"the message could not be made: {type(error).__name__}"
            outcome = Outcome(Verdict.PERMANENT, error="compose_failed", detail=detail)
            self._landed[claimed.delivery_id] = outcome
            self._settle_at = time.monotonic()
            return None

    def _open(self) -> bool:
        """Serve the integration as it is now; False when it is gone or cannot be read."""
        try:
            return self._flights.open()
        except SecretUnreadable:
            # What is due waits, and is looked for again by the sweep.
            self._health.secrets_unreadable()
            return False

    def _reopen(self) -> bool:
        """Go on with the integration as it is now; what is in flight ends as it began."""
        self._flights.retire()
        return self._open()

    # -- giving back -------------------------------------------------------------------------------------------------

    def _claim_no_more(self) -> None:
        self.heard = False
        if not self._closing:
            self._closing = True
            self._note_unsent(self._flights.close())

    def _note_unsent(self, delivery_ids: list[UUID]) -> None:
        self._unsent |= {delivery_id: self._held[delivery_id].claimed for delivery_id in delivery_ids}
        self._forget(delivery_ids)

    def _give_back(self) -> None:
        """Give back what was not sent; what the database does not take now is tried again in the next turn."""
        if not self._unsent:
            return
        now = self.services.clock.now()
        # What is over its lease the sweep takes back.
        if mine := [one for one in self._unsent.values() if one.lease_until > now]:
            self._intake.give_back(mine, now)
        self._unsent.clear()
