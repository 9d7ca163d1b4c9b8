"""The receiver remembers what was sent to it and answers as it was told."""

import asyncio
import gc
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import httpx
import pytest
import trustme
from servers.answers import endless_body, reply
from servers.loop import end_listening
from servers.receiver import Receiver


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=0.5, trust_env=False) as client:
        yield client


def test_receiver_records_what_was_sent(receiver: Receiver, client: httpx.Client) -> None:
    """A request is remembered byte for byte: method, path with query, headers in order and spelling, body."""
    began = time.monotonic()
    client.post(receiver.url_of("/hook?a=%20b"), content=b"\x00\xff", headers=[("X-One", "1"), ("X-One", "2")])

    (request,) = receiver.wait_for(1)

    assert (request.method, request.path, request.body) == ("POST", "/hook?a=%20b", b"\x00\xff")
    assert [pair for pair in request.header_pairs if pair[0] == "X-One"] == [("X-One", "1"), ("X-One", "2")]
    assert request.headers["x-one"] == "2"
    assert request.headers["content-length"] == "2"
    assert began <= request.arrived_at <= time.monotonic()


def test_receiver_reads_chunked_bodies(receiver: Receiver, client: httpx.Client) -> None:
    """A body without a length given first is put together."""
    client.post(receiver.url, content=iter([b"one", b"two"]))

    assert receiver.requests[0].body == b"onetwo"


def test_receiver_keeps_connections_alive(receiver: Receiver, client: httpx.Client) -> None:
    """Requests of one client share a connection unless it asks to close it."""
    for _ in range(3):
        client.get(receiver.url)
    client.get(receiver.url, headers={"Connection": "close"})
    client.get(receiver.url)

    assert [request.connection for request in receiver.requests] == [1, 1, 1, 1, 2]
    assert receiver.connections == 2


def test_receiver_follows_its_script(receiver: Receiver, client: httpx.Client) -> None:
    """Scripted answers come first, one each, then the standing one, where a path's own goes before all."""
    receiver.answer(201, path="/own")
    receiver.answer(204)
    receiver.script(reply(500, b"broken"), reply(429, headers={"Retry-After": "7"}))

    answers = [client.get(receiver.url_of(path)) for path in ("/", "/", "/", "/own")]

    assert [answer.status_code for answer in answers] == [500, 429, 204, 201]
    assert answers[0].content == b"broken"
    assert answers[1].headers["retry-after"] == "7"


def test_receiver_lets_a_function_choose(receiver: Receiver, client: httpx.Client) -> None:
    """A chooser sees the request and decides, or leaves it to the other rules."""
    receiver.choose(lambda request: reply(503) if request.body == b"bad" else None)

    statuses = [client.post(receiver.url, content=body).status_code for body in (b"bad", b"good")]

    assert statuses == [503, 200]


@pytest.mark.parametrize(
    ("misbehave", "error"),
    [
        (lambda receiver: receiver.answer_after(60), httpx.ReadTimeout),
        (lambda receiver: receiver.hang(), httpx.ReadTimeout),
        (lambda receiver: receiver.reset_connection(), httpx.ReadError),
    ],
    ids=["answer_after", "hang", "reset_connection"],
)
def test_receiver_withholds_its_answer(
    receiver: Receiver, client: httpx.Client, misbehave: Callable[[Receiver], None], error: type[Exception]
) -> None:
    """A request that gets no answer was received all the same."""
    misbehave(receiver)

    with pytest.raises(error):
        client.post(receiver.url, content=b"parcel")

    assert receiver.requests[0].body == b"parcel"


@pytest.mark.parametrize("drip", [Receiver.drip_headers, Receiver.drip_body])
def test_receiver_drips(receiver: Receiver, drip: Callable[[Receiver, float], None]) -> None:
    """Bytes keep coming, more often than any timeout between two of them, and the answer never ends."""
    drip(receiver, 0.02)

    with socket.create_connection((receiver.host, receiver.port), timeout=5) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        pieces = [line.recv(1000) for _ in range(10)]

    assert all(pieces)
    assert pieces[0].startswith(b"HTTP/1.1 200 OK\r\n")


def test_receiver_sends_without_end(receiver: Receiver, client: httpx.Client) -> None:
    """An endless body goes on for as long as somebody reads it."""
    receiver.script(endless_body())

    with client.stream("GET", receiver.url) as answer:
        read = 0
        for piece in answer.iter_raw():
            read += len(piece)
            if read > 5_000_000:
                break

    assert read > 5_000_000


def test_receiver_ends_while_requests_wait() -> None:
    """A receiver that was told to answer late closes at once."""
    with Receiver() as receiver, socket.create_connection((receiver.host, receiver.port), timeout=10) as line:
        receiver.answer_after(600)
        line.sendall(b"GET / HTTP/1.1\r\n\r\n")
        receiver.wait_for(1)
        began = time.monotonic()

    assert time.monotonic() - began < 5


def test_receiver_speaks_tls() -> None:
    """With a certificate the receiver is reached over https by who trusts it."""
    authority = trustme.CA()
    server, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(trusting)

    with Receiver(tls=server) as receiver, httpx.Client(verify=trusting, trust_env=False) as client:
        assert client.get(receiver.url).status_code == 200
        receiver.reset_connection()
        with pytest.raises(httpx.TransportError):
            client.get(receiver.url)


def test_receiver_says_what_came_instead(receiver: Receiver, client: httpx.Client) -> None:
    """Waiting in vain ends with the list of what did arrive."""
    client.post(receiver.url_of("/other"), content=b"parcel")

    with pytest.raises(AssertionError, match=r"expected 2 requests within 0.1 s, 1 came:\n  POST /other b'parcel'"):
        receiver.wait_for(2, timeout=0.1)


def test_receiver_holds_200_connections(receiver: Receiver) -> None:
    """200 requests wait at once, each on a connection of its own, and all are answered."""
    gate = threading.Event()

    async def wait_at_gate(*_: Any) -> bool:
        await asyncio.to_thread(gate.wait, 10)
        return await reply()(*_)

    receiver.use(wait_at_gate)

    async def post_all() -> list[int]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            posts = [asyncio.create_task(_post(session, receiver.url)) for _ in range(200)]
            await asyncio.to_thread(receiver.wait_for, 200)
            gate.set()
            return await asyncio.gather(*posts)

    statuses = asyncio.run(post_all())

    assert statuses == [200] * 200
    assert receiver.busiest == 200
    assert receiver.connections == 200


async def _post(session: aiohttp.ClientSession, url: str) -> int:
    async with session.post(url, data=b"parcel") as answer:
        return answer.status


def test_connection_of_the_last_moment_is_closed() -> None:
    """What was accepted just before the listener ended is closed too."""
    with socket.socket() as late, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Receiver() as receiver:
            receiver._thread.run(_connect_and_end_listening(receiver, late))
        gc.collect()
        late.settimeout(5)

        assert late.recv(1) == b""
    assert [str(warning.message) for warning in caught] == []


async def _connect_and_end_listening(receiver: Receiver, client: socket.socket) -> None:
    client.connect((receiver.host, receiver.port))
    # The first round accepts; in the second the connection would get its transport.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await end_listening(receiver._listener)
