"""The guarded HTTP engine against receivers that behave and misbehave."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
import trustme
from servers.answers import Answer as Behaviour
from servers.answers import drip_body, drip_headers, endless_body, hang, reply, reset_connection
from servers.loop import reset
from servers.process import wait_until
from servers.receiver import Receiver
from yarl import URL

from postrider.domain.outcome import EXCERPT_BYTES
from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.http_failure import HttpFailure
from postrider.transports.http_message import Answer, Request
from postrider.transports.resolver import LOOKUP_SECONDS, Found, LookUp, system_addresses

LOOPBACK = Guard(["127.0.0.0/8", "::1/128"])
SLACK = 0.5


@pytest.fixture
def engine() -> Iterator[HttpEngine]:
    with running(LOOPBACK) as started:
        yield started


@contextmanager
def running(
    guard: Guard, tls: ssl.SSLContext | None = None, look_up: LookUp = system_addresses
) -> Iterator[HttpEngine]:
    engine = HttpEngine(guard, tls=tls, look_up=look_up)
    try:
        yield engine
    finally:
        engine.stop()


def ask(
    engine: HttpEngine,
    url: str,
    *,
    body: bytes = b"{}",
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),),
    seconds: float = 2.0,
) -> Answer:
    """Exchange on the engine's loop and wait for it."""
    future: Future[Answer] = Future()

    async def exchange() -> None:
        try:
            future.set_result(
                await engine.exchange(Request("POST", URL(url, encoded=True), headers, body), seconds=seconds)
            )
        except HttpFailure as error:
            future.set_exception(error)

    engine.call(lambda: engine.spawn(exchange()))
    return future.result(seconds + 5)


def failure(engine: HttpEngine, url: str, *, seconds: float = 2.0) -> HttpFailure:
    with pytest.raises(HttpFailure) as raised:
        ask(engine, url, seconds=seconds)
    return raised.value


def raw(*pieces: bytes, close: bool = True) -> Behaviour:
    """Answer with these very bytes."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if not close:
            await reader.read()
        return False

    return send


# The orderly way


def test_answer_is_handed_over(engine: HttpEngine, receiver: Receiver) -> None:
    """Status, headers and body of the answer are there, whatever the status."""
    receiver.answer(418, b"short and stout", {"X-Tea": "Earl Grey"})

    answer = ask(engine, receiver.url)

    assert (answer.status, answer.body, answer.cut) == (418, b"short and stout", False)
    assert answer.headers["x-tea"] == "Earl Grey"


def test_request_goes_out_as_given(engine: HttpEngine, receiver: Receiver) -> None:
    """Headers keep order and case, nothing but what HTTP needs is added, and the body is sent byte for byte."""
    headers = (("X-MOLTIN-Secret", "a b"), ("content-type", "application/json"), ("x-two", "1"), ("x-two", "2"))

    ask(engine, receiver.url_of("/a%2Fb?q=%41+b"), body=b'{"n":1.10}', headers=headers)

    (request,) = receiver.requests
    assert (request.method, request.path, request.body) == ("POST", "/a%2Fb?q=%41+b", b'{"n":1.10}')
    assert [pair for pair in request.header_pairs if pair in headers] == list(headers)
    assert {name.lower() for name, _ in request.header_pairs} == {
        "x-moltin-secret",
        "content-type",
        "x-two",
        "host",
        "accept-encoding",
        "content-length",
    }
    assert request.headers["accept-encoding"] == "identity"


def test_large_body_arrives(engine: HttpEngine, receiver: Receiver) -> None:
    """A body of several megabytes arrives whole."""
    body = bytes(range(256)) * 4096 * 3

    ask(engine, receiver.url, body=body, seconds=10)

    assert receiver.requests[0].body == body


def test_connection_is_used_again(engine: HttpEngine, receiver: Receiver) -> None:
    """One request after the other goes over one connection."""
    for _ in range(3):
        ask(engine, receiver.url)

    assert receiver.connections == 1


def test_cookies_are_not_kept(engine: HttpEngine, receiver: Receiver) -> None:
    """One tenant's receiver sets no cookie for another's request."""
    receiver.answer(200, headers={"Set-Cookie": "who=me; Path=/"})

    ask(engine, receiver.url)
    ask(engine, receiver.url)

    assert "cookie" not in receiver.requests[1].headers


def test_proxies_of_the_environment_are_ignored(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy variable does not lead requests around the guard."""
    with Receiver() as proxy, running(LOOPBACK) as engine:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        ask(engine, receiver.url)

        assert (len(receiver.requests), len(proxy.requests)) == (1, 0)


def test_redirect_is_not_followed(engine: HttpEngine, receiver: Receiver) -> None:
    """A redirect is an answer like any other: what it points to is never asked."""
    with Receiver() as inside:
        receiver.answer(302, headers={"Location": inside.url})

        answer = ask(engine, receiver.url)

        assert answer.status == 302
        assert inside.requests == []


# Deadlines and bounds


@pytest.mark.quiet
@pytest.mark.parametrize(
    "behaviour",
    [hang(), drip_headers(0.05), drip_body(0.05), raw(b"HTTP/1.1 200 OK\r\nContent-Le", close=False)],
    ids=["hang", "header drip", "body drip", "half an answer"],
)
def test_deadline_ends_a_slow_answer(engine: HttpEngine, receiver: Receiver, behaviour: Behaviour) -> None:
    """However a receiver plays for time, the deadline is kept and the connection closed."""
    receiver.use(behaviour)
    started = time.monotonic()

    failed = failure(engine, receiver.url, seconds=1.2)

    assert failed.error == "timeout"
    assert not failed.permanent
    assert 1.1 < time.monotonic() - started < 1.2 + SLACK
    wait_until(lambda: receiver.open_connections == 0, "the connection is closed", seconds=5)


@pytest.mark.quiet
def test_endless_interim_answers_end_at_the_deadline(engine: HttpEngine, receiver: Receiver) -> None:
    """A receiver that says `102 Processing` for ever is given up at the deadline."""

    async def process(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        while True:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    receiver.use(process)
    started = time.monotonic()

    failed = failure(engine, receiver.url, seconds=1.2)

    assert failed.error == "timeout"
    assert time.monotonic() - started < 1.2 + SLACK


@pytest.mark.quiet
def test_deadline_of_ten_seconds_is_not_rounded_up(engine: HttpEngine, receiver: Receiver) -> None:
    """Deadlines of five seconds and more are exact as well."""
    receiver.hang()
    started = time.monotonic()

    failure(engine, receiver.url, seconds=5.05)

    assert 5.0 < time.monotonic() - started < 5.05 + 0.2


@pytest.mark.quiet
def test_half_open_connection_ends_at_the_deadline(engine: HttpEngine) -> None:
    """A listener that accepts nothing costs no more than the deadline."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        started = time.monotonic()
        failed = failure(engine, f"http://127.0.0.1:{listener.getsockname()[1]}/", seconds=1.0)

    assert failed.error == "timeout"
    assert time.monotonic() - started < 1.0 + SLACK


@pytest.mark.quiet
def test_endless_body_is_cut(engine: HttpEngine, receiver: Receiver) -> None:
    """Of an endless answer the first bytes are kept, at once, and the connection is closed rather than drained."""
    receiver.use(endless_body(500))
    started = time.monotonic()

    answer = ask(engine, receiver.url, seconds=5)

    assert (answer.status, len(answer.body), answer.cut) == (500, EXCERPT_BYTES, True)
    assert time.monotonic() - started < 1.0
    wait_until(lambda: receiver.open_connections == 0, "the connection is closed", seconds=5)


def test_long_answer_is_cut(engine: HttpEngine, receiver: Receiver) -> None:
    """An answer over the limit is known to be cut, one of exactly the limit is whole."""
    receiver.script(reply(200, b"x" * EXCERPT_BYTES), reply(200, b"x" * (EXCERPT_BYTES + 1)))

    whole, cut = ask(engine, receiver.url), ask(engine, receiver.url)

    assert [(len(each.body), each.cut) for each in (whole, cut)] == [(EXCERPT_BYTES, False), (EXCERPT_BYTES, True)]


def test_compressed_answer_is_not_unpacked(engine: HttpEngine, receiver: Receiver) -> None:
    """A decompression bomb stays packed."""
    bomb = gzip.compress(bytes(8_000_000))
    receiver.answer(200, bomb, {"Content-Encoding": "gzip"})

    answer = ask(engine, receiver.url)

    assert answer.body == bomb[:EXCERPT_BYTES]


def test_bad_receivers_leave_no_descriptors(engine: HttpEngine, receiver: Receiver) -> None:
    """A hundred bad answers of all kinds leave no socket behind."""
    kinds = [hang(), drip_headers(0.05), drip_body(0.05), endless_body(), reset_connection(), raw(b"SSH-2.0\r\n\r\n")]
    ask(engine, receiver.url)
    before = open_sockets_to(receiver)
    receiver.script(*(kind for kind in kinds for _ in range(17)))

    with ThreadPoolExecutor(51) as pool:
        ended = [pool.submit(end, engine, receiver.url) for _ in range(17 * len(kinds))]
        words = Counter(future.result() for future in ended)

    assert sum(words.values()) == 17 * len(kinds)
    assert words["timeout"] == 17 * 3
    wait_until(lambda: open_sockets_to(receiver) <= before, "no socket is left", seconds=5)


def end(engine: HttpEngine, url: str) -> str:
    """Ask, and name the end."""
    try:
        ask(engine, url, seconds=2.0)
    except HttpFailure as failed:
        return failed.error
    return "answered"


def open_sockets_to(receiver: Receiver) -> int:
    connections = psutil.Process().net_connections("tcp")
    return sum(1 for each in connections if each.raddr and each.raddr.port == receiver.port)


# Failures by their names


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (reset_connection(), "connection_reset"),
        (raw(), "connection_closed"),
        (raw(b"HTTP/1.1 200 OK\r\n"), "connection_closed"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "bad_response"),
        (raw(b"HTTP/1.1 banana\r\n\r\n"), "bad_response"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"), "bad_response"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), "bad_response"),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "bad_response"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"X-%d: y\r\n" * 200 % tuple(range(200)) + b"\r\n"), "bad_response"),
        (raw(b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 20_000 + b"\r\n\r\n"), "headers_too_large"),
        (raw(b"HTTP/1.1 200 " + b"y" * 20_000 + b"\r\n\r\n"), "headers_too_large"),
    ],
)
def test_bad_answer_has_its_word(engine: HttpEngine, receiver: Receiver, behaviour: Behaviour, error: str) -> None:
    """Whatever comes instead of an answer is a failure that may pass, with a word to group by and a sentence."""
    receiver.use(behaviour)

    failed = failure(engine, receiver.url)

    assert (failed.error, failed.permanent) == (error, False)
    assert failed.detail.endswith(".")


def test_closed_port_is_refused(engine: HttpEngine) -> None:
    """Where nobody listens the failure says so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert failure(engine, f"http://127.0.0.1:{port}/").error == "connection_refused"


def test_name_that_cannot_be_is_not_found(engine: HttpEngine) -> None:
    """A host that no name server can know is told as such."""
    assert failure(engine, f"http://{'a' * 64}.test/").error == "dns_not_found"


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.1", "0177.0.0.1"])
def test_unusual_spelling_of_an_address_is_refused(receiver: Receiver, host: str) -> None:
    """A number that some resolvers read as an address leads nowhere inside."""
    with running(Guard()) as engine:
        failed = failure(engine, f"http://{host}:{receiver.port}/")

    assert failed.error in {"invalid_url", "dns_not_found", "address_refused"}
    assert failed.permanent or failed.error == "dns_not_found"
    assert receiver.connections == 0


# TLS


@contextmanager
def tls_receiver(identity: str) -> Iterator[tuple[Receiver, ssl.SSLContext]]:
    """Run a receiver with a certificate, and give what trusts its authority."""
    authority = trustme.CA()
    serving, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert(identity).configure_cert(serving)
    authority.configure_trust(trusting)
    with Receiver(tls=serving) as receiver:
        yield receiver, trusting


def test_trusted_certificate_is_accepted() -> None:
    """A certificate of a trusted authority for this very host lets the request through."""
    with tls_receiver("127.0.0.1") as (receiver, trusting), running(LOOPBACK, trusting) as engine:
        assert ask(engine, receiver.url).status == 200


def test_untrusted_certificate_is_refused(engine: HttpEngine) -> None:
    """A certificate of an unknown authority ends the attempt before a byte of it, and says why."""
    with tls_receiver("127.0.0.1") as (receiver, _):
        failed = failure(engine, receiver.url)

        assert (failed.error, failed.permanent) == ("tls_failed", False)
        assert "certificate" in failed.detail
        assert receiver.requests == []


def test_certificate_of_another_host_is_refused() -> None:
    """A trusted certificate for another name ends the attempt."""
    with tls_receiver("other.test") as (receiver, trusting), running(LOOPBACK, trusting) as engine:
        failed = failure(engine, receiver.url)

        assert failed.error == "tls_failed"
        assert receiver.requests == []


def test_plain_http_on_a_tls_url_fails(engine: HttpEngine) -> None:
    """A receiver that answers TLS with plain HTTP is told as such."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=answer_plainly, args=(listener,))
        answering.start()
        failed = failure(engine, f"https://127.0.0.1:{listener.getsockname()[1]}/")
        answering.join()

    assert failed.error == "tls_failed"


def answer_plainly(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


# The guard


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"])
def test_address_inside_is_refused(receiver: Receiver, host: str) -> None:
    """Literals and names that lead inside are refused for good, and nothing is connected to."""
    with running(Guard()) as engine:
        failed = failure(engine, f"http://{host}:{receiver.port}/")

    assert (failed.error, failed.permanent) == ("address_refused", True)
    assert receiver.connections == 0


def test_refusal_does_not_tell_the_address_of_a_name(receiver: Receiver) -> None:
    """The detail names the kind of address, not the address behind a name."""
    with running(Guard()) as engine:
        failed = failure(engine, f"http://localhost:{receiver.port}/")

    assert "loopback" in failed.detail
    assert "127.0.0.1" not in failed.detail
    assert "::1" not in failed.detail


def names(*answers: Found | OSError) -> LookUp:
    """Give these answers to the next lookups, and the last one to all after them."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


IPV4, IPV6 = socket.AF_INET, socket.AF_INET6


def test_name_goes_to_the_allowed_one_of_its_addresses(receiver: Receiver) -> None:
    """A name with several addresses is connected to only where the guard allows."""
    mixed = names([(IPV6, "fd00::1"), (IPV4, "10.0.0.1"), (IPV4, "127.0.0.1")])
    with running(Guard(["127.0.0.0/8"]), look_up=mixed) as engine:
        assert ask(engine, f"http://h.test:{receiver.port}/").status == 200


def test_name_with_only_addresses_inside_is_refused(receiver: Receiver) -> None:
    """A name whose every address is inside is refused for good."""
    inside = names([(IPV6, "::1"), (IPV4, "127.0.0.1"), (IPV4, "10.0.0.1")])
    with running(Guard(), look_up=inside) as engine:
        failed = failure(engine, f"http://h.test:{receiver.port}/")

    assert (failed.error, failed.permanent) == ("address_refused", True)
    assert receiver.connections == 0


def test_allowed_address_that_fails_is_no_refusal(receiver: Receiver) -> None:
    """When one address of a name is inside and the other does not answer, it may work later."""
    mixed = names([(IPV4, "10.0.0.1"), (IPV4, "127.0.0.2")])
    with running(Guard(["127.0.0.0/8"]), look_up=mixed) as engine:
        failed = failure(engine, f"http://h.test:{receiver.port}/")

    assert (failed.error, failed.permanent) == ("connection_refused", False)


def test_lookup_that_fails_first_opens_no_way_round(receiver: Receiver) -> None:
    """A name that is not found at first, and then leads inside, leads nowhere."""
    rebinding = names(socket.gaierror(socket.EAI_AGAIN, "try again"), [(IPV4, "127.0.0.1")])
    with running(Guard(), look_up=rebinding) as engine:
        words = [failure(engine, f"http://h.test:{receiver.port}/").error for _ in range(2)]

    assert words == ["dns_failed", "address_refused"]
    assert receiver.connections == 0


@pytest.mark.quiet
def test_dead_name_server_is_told(receiver: Receiver) -> None:
    """Where no name server answers, the attempt ends long before a generous deadline."""
    released = threading.Event()

    def never(_: str) -> Found | OSError:
        released.wait(30)
        return []

    with running(Guard(), look_up=never) as engine:
        started = time.monotonic()
        failed = failure(engine, f"http://h.test:{receiver.port}/", seconds=10)
        took = time.monotonic() - started
    released.set()

    assert (failed.error, failed.permanent) == ("dns_timeout", False)
    assert took < LOOKUP_SECONDS + SLACK


def test_name_without_addresses_is_a_failure(receiver: Receiver) -> None:
    """A name server that answers with nothing makes an outcome like any other."""
    with running(Guard(), look_up=names([])) as engine:
        assert failure(engine, f"http://h.test:{receiver.port}/").error == "dns_not_found"


# Kept connections


def test_stale_connection_is_replaced_once(engine: HttpEngine, receiver: Receiver) -> None:
    """When a kept connection dies under a request, the request goes once more, over a new one."""
    receiver.script(reply(), reset_connection())
    ask(engine, receiver.url)

    answer = ask(engine, receiver.url, body=b"second")

    assert answer.status == 200
    assert [request.body for request in receiver.requests[1:]] == [b"second", b"second"]
    assert [request.connection for request in receiver.requests] == [1, 1, 2]


def test_stale_connection_that_was_closed_is_replaced(engine: HttpEngine, receiver: Receiver) -> None:
    """An orderly close under a request is the same as a reset."""
    receiver.script(reply(), raw())
    ask(engine, receiver.url)

    assert ask(engine, receiver.url).status == 200
    assert receiver.connections == 2


def test_second_death_is_a_failure(engine: HttpEngine, receiver: Receiver) -> None:
    """A request that kills its new connection as well is not sent a third time."""
    receiver.script(reply(), reset_connection(), reset_connection())
    ask(engine, receiver.url)

    assert failure(engine, receiver.url).error == "connection_reset"
    assert len(receiver.requests) == 3


def test_new_connection_that_dies_is_a_failure(engine: HttpEngine, receiver: Receiver) -> None:
    """On a new connection the far side saw the request: it is not sent again in this attempt."""
    receiver.reset_connection()

    assert failure(engine, receiver.url).error == "connection_reset"
    assert len(receiver.requests) == 1


def test_answer_that_breaks_off_is_not_asked_for_again(engine: HttpEngine, receiver: Receiver) -> None:
    """When some of an answer had come the far side was at work: the request is not sent again."""
    receiver.script(reply(), raw(b"HTTP/1.1 200 OK\r\nX-Begun: y"))
    ask(engine, receiver.url)

    assert failure(engine, receiver.url).error == "connection_closed"
    assert len(receiver.requests) == 2


@pytest.mark.quiet
def test_resend_keeps_to_the_first_deadline(engine: HttpEngine, receiver: Receiver) -> None:
    """The second try has only the time that the first has left."""

    async def reset_after_a_second(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(1.0)
        reset(writer)
        return False

    receiver.script(reply(), reset_after_a_second, hang())
    ask(engine, receiver.url)
    started = time.monotonic()

    assert failure(engine, receiver.url, seconds=1.5).error == "timeout"
    assert time.monotonic() - started < 1.5 + SLACK
    assert len(receiver.requests) == 3


# What may not be sent


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "b\r\nX-Evil: 1"),
        ("x-a", "b\nc"),
        ("x-a", "b\x00"),
        ("x-a", " leading"),
        ("x-a", "trailing "),
        ("x-a", "\x7f"),
        ("x-a", "pässword"),
        ("x-a", "\ud800"),
        ("x a", "zq7"),
        ("x-a:", "zq7"),
        ("x-a\r\nX-Evil", "zq7"),
        ("", "zq7"),
        ("ключ", "zq7"),
        ("Host", "evil.test"),
        ("Content-Length", "77"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("Connection", "close"),
        ("Expect", "100-continue"),
        ("Upgrade", "websocket"),
    ],
)
def test_header_that_would_break_the_request_is_refused(
    engine: HttpEngine, receiver: Receiver, name: str, value: str
) -> None:
    """No header ends the request early, adds another one or names another host; nothing at all is sent."""
    with pytest.raises(HttpFailure) as failed:
        ask(engine, receiver.url, headers=((name, value),))

    assert (failed.value.error, failed.value.permanent) == ("invalid_header", True)
    assert value not in failed.value.detail
    assert receiver.connections == 0


# Beginning and end


def test_engine_starts_with_its_first_use() -> None:
    """An engine that nobody used has no thread, so that a process may still fork."""
    before = threading.active_count()
    HttpEngine(LOOPBACK)

    assert threading.active_count() == before


def test_stopping_an_unused_engine_does_no_harm() -> None:
    """Stop may be called any number of times, at any time."""
    engine = HttpEngine(LOOPBACK)
    engine.stop()
    engine.stop()

    with pytest.raises(RuntimeError, match="stopped"):
        engine.start()


@pytest.mark.quiet
def test_stop_ends_what_is_under_way(receiver: Receiver) -> None:
    """Stop waits for nobody, leaves no thread, no connection and no unclosed resource."""
    before = threading.active_count()
    with running(LOOPBACK) as engine:
        ask(engine, receiver.url)
        receiver.hang()
        engine.call(lambda: engine.spawn(exchange_for_ever(engine, receiver.url)))
        receiver.wait_for(2)
        started = time.monotonic()
        engine.stop()
        took = time.monotonic() - started
    gc.collect()

    assert took < 1.0
    assert threading.active_count() == before
    wait_until(lambda: receiver.open_connections == 0, "the connection is closed", seconds=5)


async def exchange_for_ever(engine: HttpEngine, url: str) -> None:
    await engine.exchange(Request("POST", URL(url), (), b""), seconds=60)
