"""What the STOMP transport makes of a broker that refuses, breaks off, talks nonsense or says nothing."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from contracts.cases import trip
from servers import answers
from servers.receiver import Receiver
from transports.scripted_broker import Came, Say, ScriptedBroker, connected, error, hang_up, nothing, receipt
from transports.stomp_queue import PASSWORD, destination

from postrider.domain.outcome import Verdict
from postrider.transports.guard import Guard

# Receipts


@pytest.mark.quiet
def test_missing_receipt_is_a_failed_attempt(broker: ScriptedBroker) -> None:
    """Without its receipt by the deadline a message counts as not delivered; its neighbours are not affected."""
    with trip(destination(broker.address), timeout=1.0) as flight:
        messages = flight.messages(3)
        silent = str(messages[1].id)
        broker.on_send = lambda frame: nothing(frame) if frame.headers["webhook-id"] == silent else receipt(frame)
        began = time.monotonic()
        landed = flight.send(messages)
        took = time.monotonic() - began

    assert [landed[message.id].verdict for message in messages] == [
        Verdict.DELIVERED,
        Verdict.TEMPORARY,
        Verdict.DELIVERED,
    ]
    assert landed[messages[1].id].error == "receipt_timeout"
    assert took <= 1.5


def test_connection_that_swallows_messages_is_left(broker: ScriptedBroker) -> None:
    """After a missing receipt the next messages go over a new connection."""
    broker.on_send = lambda frame: nothing(frame) if frame.connection == 1 else receipt(frame)
    with trip(destination(broker.address), timeout=1.0) as flight:
        first = flight.send(flight.messages(2))
        second = flight.send(flight.messages(2))

    assert {outcome.error for outcome in first.values()} == {"receipt_timeout"}
    assert {outcome.verdict for outcome in second.values()} == {Verdict.DELIVERED}
    assert broker.connections == 2


def test_receipt_that_nobody_asked_for_means_nothing(broker: ScriptedBroker) -> None:
    """Only the receipt of a message is a proof for that message."""
    broker.on_send = lambda _: Say(b"RECEIPT\nreceipt-id:999\n\n\0RECEIPT\n\n\0MESSAGE\nreceipt-id:1\n\nhello\0")
    with trip(destination(broker.address), timeout=0.5) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert outcome.error == "receipt_timeout"


# ERROR frames


@pytest.mark.parametrize(
    ("message", "verdict", "word"),
    [
        ("access_refused", Verdict.PERMANENT, "access_denied"),
        ("User courier is not authorized to write to queue", Verdict.PERMANENT, "access_denied"),
        ("Security Error occurred", Verdict.PERMANENT, "access_denied"),
        ("not_found", Verdict.PERMANENT, "destination_not_found"),
        ("Destination /queue/orders does not exist", Verdict.PERMANENT, "destination_not_found"),
        ("Usage Manager memory limit reached", Verdict.TEMPORARY, "stomp_error"),
        ("", Verdict.TEMPORARY, "stomp_error"),
    ],
)
def test_error_for_one_message(broker: ScriptedBroker, message: str, *, verdict: Verdict, word: str) -> None:
    """An ERROR that names a message's receipt decides about that message: for good only where a person must act."""
    broker.on_send = lambda frame: error(message, f"told by {PASSWORD}", of=frame)
    with trip(destination(broker.address)) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (verdict, word)
    assert message in outcome.detail
    assert PASSWORD not in outcome.detail


def test_error_for_one_message_leaves_the_others_their_own_ends(broker: ScriptedBroker) -> None:
    """What the broker still confirms after an ERROR is delivered; what it leaves open is tried again."""
    with trip(destination(broker.address)) as flight:
        messages = flight.messages(3)
        refused, confirmed, _ = (str(message.id) for message in messages)

        def one_error(frame: Came) -> Say:
            if frame.headers["webhook-id"] == refused:
                return error("access_refused", of=frame, close=False)
            return receipt(frame) if frame.headers["webhook-id"] == confirmed else hang_up(frame)

        broker.on_send = one_error
        landed = flight.send(messages)

    assert [(landed[message.id].verdict, landed[message.id].error) for message in messages] == [
        (Verdict.PERMANENT, "access_denied"),
        (Verdict.DELIVERED, ""),
        (Verdict.TEMPORARY, "connection_lost"),
    ]


def test_error_for_nobody_is_for_all(broker: ScriptedBroker) -> None:
    """An ERROR that names no message ends all that were under way: they go to one destination as one user."""
    with trip(destination(broker.address)) as flight:
        messages = flight.messages(3)
        last = str(messages[-1].id)
        broker.on_send = lambda frame: error("access_refused") if frame.headers["webhook-id"] == last else Say()
        landed = flight.send(messages)

    assert {(each.verdict, each.error) for each in landed.values()} == {(Verdict.PERMANENT, "access_denied")}


@pytest.mark.quiet
def test_broker_that_stays_after_an_error_is_left(broker: ScriptedBroker) -> None:
    """A broker that names no message and does not close costs no wait until the deadline."""
    broker.on_send = lambda _: error("Processing error", close=False)
    with trip(destination(broker.address), timeout=5) as flight:
        began = time.monotonic()
        (outcome,) = flight.send(flight.messages(1)).values()
        took = time.monotonic() - began

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "stomp_error")
    assert took < 2


# Connections that break


def test_connection_lost_under_messages(broker: ScriptedBroker) -> None:
    """What a broken connection leaves without receipt may have arrived: it is tried again later, not at once."""
    broker.on_send = hang_up
    with trip(destination(broker.address)) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "connection_lost")
    assert len(broker.sent) == 1


def test_receipts_that_came_before_the_end_count(broker: ScriptedBroker) -> None:
    """A broker that confirms and breaks off has confirmed."""
    broker.on_send = lambda frame: Say(receipt(frame).data, close=True)
    with trip(destination(broker.address)) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert outcome.verdict is Verdict.DELIVERED


def test_broker_that_hangs_up_on_login(broker: ScriptedBroker) -> None:
    """A broker that closes instead of answering the login is tried again later."""
    broker.on_connect = hang_up
    with trip(destination(broker.address)) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "connection_closed")


@pytest.mark.quiet
def test_nobody_listens(broker: ScriptedBroker) -> None:
    """A port where nobody listens has the same name as over HTTP, and costs no wait."""
    broker.vanish()
    with trip(destination(broker.address), timeout=5) as flight:
        began = time.monotonic()
        (outcome,) = flight.send(flight.messages(1)).values()
        took = time.monotonic() - began

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "connection_refused")
    assert took < 1


@pytest.mark.quiet
@pytest.mark.parametrize(
    "say",
    [
        Say(b"HTTP/1.1 400 Bad Request\r\n\r\n\0"),
        Say(b"x" * 200_000),
        Say(b"RECEIPT\nreceipt-id:1\ncontent-length:999999\n\n"),
        Say(b"RECEIPT\nreceipt-id:1\ncontent-length:1\n\nabc\0"),
    ],
)
def test_nonsense_is_not_waited_for(broker: ScriptedBroker, say: Say) -> None:
    """What is not STOMP ends the connection soon, however much of it comes."""
    broker.on_connect = lambda _: say
    with trip(destination(broker.address), timeout=5) as flight:
        began = time.monotonic()
        (outcome,) = flight.send(flight.messages(1)).values()
        took = time.monotonic() - began

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")
    assert took < 2


def test_nonsense_instead_of_receipts(broker: ScriptedBroker) -> None:
    """A broker that begins to talk nonsense after the login is left, and the message tried again."""
    broker.on_send = lambda _: Say(b"x" * 200_000)
    with trip(destination(broker.address), timeout=5) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.TEMPORARY, "bad_response")


def test_web_server_is_no_broker(receiver: Receiver) -> None:
    """A login sent to a web server by mistake ends by the deadline."""
    receiver.use(answers.hang())
    with trip(destination(f"stomp://127.0.0.1:{receiver.port}"), timeout=1.0) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert outcome.verdict is Verdict.TEMPORARY


# Logins


@pytest.mark.parametrize(
    "message",
    [
        "Access refused for user 'courier'",
        "User name [courier] or password is invalid.",
        "Authentication failed for courier",
        "Security Error occurred: User name [courier] or password is invalid",
    ],
)
def test_refused_login_is_tried_again_later_and_only_there(broker: ScriptedBroker, message: str) -> None:
    """A refused login is temporary, costs one try and not one at each address, and says no password."""
    broker.on_connect = lambda _: error(message, f"not with {PASSWORD}")
    with ScriptedBroker() as other:
        with trip(destination(broker.address, other.address)) as flight:
            landed = flight.send(flight.messages(2))

        assert {(each.verdict, each.error) for each in landed.values()} == {(Verdict.TEMPORARY, "login_refused")}
        assert all(message in each.detail and PASSWORD not in each.detail for each in landed.values())
        assert broker.connections == 1
        assert other.connections == 0


def test_nothing_secret_is_logged(broker: ScriptedBroker, caplog: pytest.LogCaptureFixture) -> None:
    """No log line holds the password, at any level."""
    caplog.set_level(logging.DEBUG)
    with trip(destination(broker.address)) as flight:
        flight.send(flight.messages(1))
        broker.on_send = lambda frame: error("no", PASSWORD, of=frame)
        flight.send(flight.messages(1))

    assert PASSWORD not in caplog.text


# The guard


class Fickle(Guard):
    """Lets the first question pass and refuses from then on, as a name that changes its address would be."""

    asked = 0

    def refusal(self, address: str) -> str | None:
        self.asked += 1
        return None if self.asked == 1 else f"an address that is not {address!r} any more"


def test_peer_is_checked_before_anything_is_said(broker: ScriptedBroker) -> None:
    """What counts is the address really connected to: the login is not sent where it is refused."""
    with trip(destination(broker.address, guard=Fickle())) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()
    broker.wait_for(lambda: broker.connections == 1 and broker.open_connections == 0)

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "address_refused")
    assert broker.bytes_received == 0


def test_name_that_leads_inside_is_refused(broker: ScriptedBroker) -> None:
    """A name is judged by its addresses: no connection is opened to a private one."""
    with trip(destination(f"stomp://localhost:{broker.port}", guard=Guard())) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.verdict, outcome.error) == (Verdict.PERMANENT, "address_refused")
    assert "localhost leads to a loopback address" in outcome.detail
    assert broker.connections == 0


def test_refused_address_does_not_spoil_the_others(broker: ScriptedBroker) -> None:
    """With one address refused and another allowed the message goes out; with the other down it is tried again."""
    inside = "stomp://10.0.0.1:61613"
    with trip(destination(inside, broker.address, guard=Guard(["127.0.0.0/8"]))) as flight:
        (delivered,) = flight.send(flight.messages(1)).values()
    broker.vanish()
    with trip(destination(inside, broker.address, guard=Guard(["127.0.0.0/8"]))) as flight:
        (down,) = flight.send(flight.messages(1)).values()

    assert delivered.verdict is Verdict.DELIVERED
    assert (down.verdict, down.error) == (Verdict.TEMPORARY, "connection_refused")


# Deadlines


class Stuck(Guard):
    """Answers late, as a part that knows no deadline may."""

    def __init__(self) -> None:
        super().__init__(["127.0.0.0/8"])
        self.go_on = threading.Event()

    def refusal(self, address: str) -> str | None:
        self.go_on.wait(10)
        return super().refusal(address)


@pytest.mark.quiet
def test_outcomes_are_there_although_the_thread_is_stuck(broker: ScriptedBroker) -> None:
    """At the deadline each message has its outcome and the taker is woken, whatever the flight's thread does."""
    guard = Stuck()
    with trip(destination(broker.address, guard=guard), timeout=0.5) as flight:
        began = time.monotonic()
        flight.flight.put(flight.messages(3))
        landed = flight.take_all(3, within=1.0)
        took = time.monotonic() - began
        woken = list(flight.wakes)
        guard.go_on.set()
        (later,) = flight.send(flight.messages(1)).values()

    assert {(each.verdict, each.error) for each in landed.values()} == {(Verdict.TEMPORARY, "timeout")}
    assert len(landed) == 3
    assert took <= 1.0
    assert woken
    assert later.verdict is Verdict.DELIVERED


@pytest.mark.quiet
def test_dripped_login_ends_at_the_deadline(broker: ScriptedBroker) -> None:
    """A broker that answers the login one byte at a time, for ever, does not hold the flight."""
    broker.on_connect = connected
    with Receiver() as slow:
        slow.drip_headers(0.05)
        with trip(destination(f"stomp://127.0.0.1:{slow.port}"), timeout=1.0) as flight:
            began = time.monotonic()
            flight.flight.put(flight.messages(2))
            landed = flight.take_all(2, within=2.0)
            took = time.monotonic() - began

    assert {(each.verdict, each.error) for each in landed.values()} == {(Verdict.TEMPORARY, "timeout")}
    assert took <= 1.5
