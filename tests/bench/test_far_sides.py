"""The bench's own processes, alone: what they send, answer and note."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from servers.answers import reply
from servers.process import wait_until
from servers.receiver import Receiver

from postrider.bench import load
from postrider.bench.arrivals import Arrivals
from postrider.bench.child import BenchFailed, Child
from postrider.bench.endpoint import Endpoint
from postrider.bench.publishing import Publisher, open_publisher

KEY = "a-key-of-the-tests-that-opens-nothing"


@contextmanager
def child(module: str, *arguments: str) -> Iterator[Child]:
    with Child(module, f"postrider.bench.{module}", arguments, environment=os.environ) as started:
        yield started


@pytest.fixture
def publisher(receiver: Receiver) -> Iterator[Publisher]:
    receiver.answer(202, b"{}")
    with open_publisher(receiver.url, KEY) as opened:
        yield opened


def test_publisher_publishes_each_event_once(receiver: Receiver, publisher: Publisher) -> None:
    """Orders are numbered on, go over few connections, and each answer's time is noted."""
    publisher.begin(50)
    first = publisher.published()
    publisher.begin(30, at_once=20)
    second = publisher.published()

    requests = receiver.requests
    assert (len(first.answered), len(second.answered)) == (50, 2)
    assert first.first_ns < first.last_ns < second.first_ns < second.last_ns
    assert sum(request.body.count(b'"event_type":"order.paid"') for request in requests) == 80
    assert all(sum(b"order-%012d" % number in each.body for each in requests) == 1 for number in range(80))
    assert {request.headers["authorization"] for request in requests} == {f"Bearer {KEY}"}
    assert receiver.connections <= 34


def test_publisher_keeps_to_a_rate(receiver: Receiver, publisher: Publisher) -> None:
    """Requests go out when they are due, though the answers would let them go sooner."""
    publisher.begin(10, rate=50)
    published = publisher.published()

    assert (published.last_ns - published.first_ns) / 1e9 > 0.17


def test_publisher_says_how_it_was_refused(receiver: Receiver, publisher: Publisher) -> None:
    """An answer other than 202 ends the bench with what was said."""
    receiver.script(reply(503, b"come again"))
    publisher.begin(5)

    with pytest.raises(BenchFailed, match="answered 503: come again"):
        publisher.published()


def test_publisher_says_that_the_connection_was_closed(receiver: Receiver, publisher: Publisher) -> None:
    """A server that goes away ends the bench at once, not after its patience."""
    receiver.reset_connection()
    publisher.begin(1)

    with pytest.raises(BenchFailed, match="closed before the answer"):
        publisher.published()


def test_broker_confirms_each_message() -> None:
    """The STOMP broker of the bench reads frames in any pieces and notes the messages by their ids."""
    with child("stomp_broker") as started:
        broker = Endpoint(started, address="stomp://127.0.0.1:{port}")
        with socket.create_connection(("127.0.0.1", int(broker.url.rpartition(":")[2])), timeout=10) as client:
            client.sendall(b"CONNECT\naccept-version:1.1,1.2\n\n\0\nSEND\nwebhook-id:one\nreceipt:1\ncontent-len")
            assert b"version:1.2\n" in client.recv(1000)
            client.sendall(b"gth:3\n\na\0b\0SEND\nwebhook-id:two\nreceipt:2\n\nbody\0")
            came = broker.wait_for(2)
            answers = client.recv(1000)

        assert answers == b"RECEIPT\nreceipt-id:1\n\n\0RECEIPT\nreceipt-id:2\n\n\0"
        assert came.requests == 2
        assert broker.ids() == ["one", "two"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers to all of 127.0.0.0/8")
def test_silent_endpoints_are_hosts_of_their_own() -> None:
    """Each has an address of its own, keeps what connects, and says nothing."""
    with child("silence", "3") as started:
        urls = started.ask("urls")["urls"]
        host, _, port = urls[2].removeprefix("http://").removesuffix("/hook").partition(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"POST /hook HTTP/1.1\r\n\r\n")
            wait_until(lambda: started.ask("kept")["kept"] == 1, "the connection to be kept")
            client.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.recv(1)
        wait_until(lambda: started.ask("kept")["kept"] == 0, "the connection to be let go")

    assert len({url.rpartition(":")[0] for url in urls}) == 3


def test_receiver_times_what_says_when_it_was_sent() -> None:
    """Only messages that came for the first time and hold a moment of sending are timed, and only when asked for."""
    arrivals = Arrivals()
    arrivals.reset(timed=True)
    arrivals.add_timed(b"unmarked", 0)
    arrivals.add_timed(b"marked", 1)
    arrivals.add_timed(b"marked", 1)

    assert len(arrivals.took()["took"]) == 1
    assert arrivals.wait(messages=2, seconds=0)["requests"] == 3
    arrivals.reset()
    assert not arrivals.timed
    assert arrivals.took() == {"took": []}


def test_moment_of_sending_is_found_in_what_is_delivered() -> None:
    """It is read from the payload alone, within the message's bounds."""
    published = load.publish_request(range(7, 8), sent_ns=123)
    delivered = load.sample_message("http://127.0.0.1").body

    assert load.sent_ns(published, 0, len(published)) == 123
    assert load.sent_ns(published, 0, 20) == 0
    assert delivered.count(b"sent_ns") == 2  # the second stands as text in a text
    assert load.sent_ns(delivered, 0, len(delivered)) == 0
