"""Clients that are too slow, too long-winded or too many, against the real process over real sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from flows.installed import API_KEY, Api, Running
from servers.process import free_port, wait_until

SECONDS = 1.0
"""That a client has for a request here."""
SLACK = 1.5
CONNECTIONS = 20
MOST = 64 * 1024 * 1024
"""More than any buffer on the way holds."""
HEAD = b"POST /v2/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + API_KEY.encode() + b"\r\n"
JSON = b"Content-Type: application/json\r\n"


class Server:
    """A running `postrider up` with little patience."""

    def __init__(self, port: int, running: Running) -> None:
        self.port, self.running = port, running

    @contextmanager
    def connect(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield sock

    def open_connections(self) -> int:
        listening = psutil.Process(self.running.process.pid).net_connections("tcp")
        return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == self.port for each in listening)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port, folder = free_port(), tmp_path_factory.mktemp("slow")
    environment = {
        "POSTRIDER_API_KEY": API_KEY,
        "POSTRIDER_REQUEST_SECONDS": str(SECONDS),
        "POSTRIDER_CONNECTIONS": str(CONNECTIONS),
    }
    with Running(["up", "--port", str(port)], environment=environment, folder=folder) as running:
        with Api(port) as api:
            api.ready()
        yield Server(port, running)


def drip(sock: socket.socket, begin: bytes, byte: bytes, *, every: float = 0.1) -> tuple[bytes, float]:
    """Send a beginning and then byte by byte, until the far side closes; give what it said and how long it took."""
    started, said = time.monotonic(), b""
    sock.sendall(begin)
    sock.settimeout(every)
    while time.monotonic() - started < 20:
        with suppress(TimeoutError):
            try:
                more = sock.recv(65_536)
            except ConnectionResetError:
                return said, time.monotonic() - started
            if not more:
                return said, time.monotonic() - started
            said += more
        with suppress(OSError):
            sock.sendall(byte)
    raise AssertionError("the connection was never closed")


def flood(sock: socket.socket, begin: bytes, piece: bytes, *, most: int) -> tuple[bytes, int]:
    """Send pieces as fast as they go, until the far side closes; give what it said and how much was sent."""
    sock.sendall(begin)
    sent, said = 0, b""
    with suppress(OSError):
        while sent < most:
            sock.sendall(piece)
            sent += len(piece)
    with suppress(OSError):
        while more := sock.recv(65_536):
            said += more
    return said, sent


def status_of(said: bytes) -> int:
    return int(said.split(b" ", 2)[1]) if said else 0


def is_well(server: Server) -> bool:
    return httpx.get(f"http://127.0.0.1:{server.port}/readyz", trust_env=False).status_code == 200


@pytest.mark.quiet
@pytest.mark.parametrize(
    ("begin", "byte"),
    [
        (b"GET /", b"x"),
        (HEAD, b"x"),
        (HEAD + b"X-Long: ", b"x"),
        (HEAD + JSON + b"Content-Length: 1000\r\n\r\n{", b" "),
        (HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n \r\n"),
        (HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    ],
    ids=["path", "header name", "header value", "body", "chunks", "trailers"],
)
def test_client_that_drips_its_request_is_cut_off(server: Server, begin: bytes, byte: bytes) -> None:
    """However it is dripped, a request that is not complete in time is answered 408, and the connection closed."""
    with server.connect() as sock:
        said, took = drip(sock, begin, byte)

    assert status_of(said) == 408
    assert json.loads(said.partition(b"\r\n\r\n")[2])["errors"][0]["title"] == "Request Timeout"
    assert SECONDS * 0.9 < took < SECONDS + SLACK
    assert is_well(server)


@pytest.mark.quiet
@pytest.mark.parametrize("byte", [b"", b"\r\n"], ids=["nothing", "line breaks"])
def test_client_that_says_nothing_is_let_go(server: Server, byte: bytes) -> None:
    """A connection without a request is closed, also when it sends what no request begins with."""
    with server.connect() as sock:
        said, took = drip(sock, b"", byte)

    assert status_of(said) in {0, 408}
    assert took < SECONDS + SLACK


@pytest.mark.quiet
def test_line_breaks_do_not_keep_a_used_connection(server: Server) -> None:
    """After an answer, too, line breaks count as nothing."""
    with server.connect() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert status_of(sock.recv(65_536)) == 200
        _, took = drip(sock, b"", b"\r\n")

    assert took < SECONDS + SLACK


def test_slow_but_sure_request_is_answered(server: Server) -> None:
    """A request in several pieces that is complete in time is a request like any other, also on a kept connection."""
    with server.connect() as sock:
        for _ in range(3):
            for piece in (b"GET /healthz HT", b"TP/1.1\r\nHo", b"st: h\r\n\r", b"\n"):
                sock.sendall(piece)
                time.sleep(0.05)
            assert status_of(sock.recv(65_536)) == 200


@pytest.mark.parametrize(
    ("begin", "piece", "status"),
    [
        (b"GET /", b"x" * 16_384, 431),
        (HEAD + b"X-Long: ", b"x" * 16_384, 431),
        (HEAD, b"X-One: more\r\n" * 1_000, 431),
        (HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"x" * 65_536, 413),
        (HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"1;x=" + b"y" * 65_000 + b"\r\n \r\n", 413),
    ],
    ids=["path", "header", "headers", "trailer", "chunk extensions"],
)
def test_endless_request_is_ended(server: Server, begin: bytes, piece: bytes, status: int) -> None:
    """A head over 64 KiB is 431, a message over about twice the largest body 413; neither is read on."""
    with server.connect() as sock:
        said, sent = flood(sock, begin, piece, most=MOST)

    assert status_of(said) in {status, 0}  # a reset can overtake the answer
    assert sent < MOST
    assert is_well(server)


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"PO\x00ST / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"])
def test_what_is_no_http_is_told_so(server: Server, said: bytes) -> None:
    """Whatever cannot be read, TLS too, is answered 400 in the form of all errors, and the connection closed."""
    with server.connect() as sock:
        sock.sendall(said)
        answer = b"".join(iter(lambda: sock.recv(65_536), b""))

    assert status_of(answer) == 400
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["errors"][0]["title"] == "Bad Request"


def test_connections_over_the_limit_are_answered_503(server: Server) -> None:
    """The one too many is told to come again; those that are there go on, and a place that is left is free."""
    wait_until(lambda: server.open_connections() == 0, "earlier connections have gone", seconds=20)
    with ExitStack() as stack:
        there = [stack.enter_context(server.connect()) for _ in range(CONNECTIONS)]
        wait_until(lambda: server.open_connections() == CONNECTIONS, "all are there", seconds=10)
        with server.connect() as sock:
            said = b"".join(iter(lambda: sock.recv(65_536), b""))
        there[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = there[0].recv(65_536)
        there[1].close()
        again = came_again(server)

    assert status_of(said) == 503
    assert b"retry-after: 1" in said.lower()
    assert json.loads(said.partition(b"\r\n\r\n")[2])["errors"][0]["status"] == 503
    assert status_of(answer) == 200
    assert again


def came_again(server: Server) -> bool:
    """Ask again until there is room."""

    def asked() -> bool:
        with suppress(httpx.TransportError):
            return is_well(server)
        return False

    wait_until(asked, "there is room again", seconds=10)
    return True


@pytest.mark.alone
def test_client_that_does_not_read_its_answers_is_cut_off(server: Server) -> None:
    """Answers that nobody takes do not wait for ever in our memory."""
    request = b"GET /openapi.json HTTP/1.1\r\nHost: h\r\n\r\n"
    with server.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(0.2)
        sent = until_stuck(lambda: sock.send(request))
        port = sock.getsockname()[1]

        wait_until(lambda: port not in peers(server), "it is cut off", seconds=SECONDS + 10)

    assert sent
    assert is_well(server)


def until_stuck(send: Callable[[], int]) -> int:
    """Send until nothing more is taken."""
    sent = 0
    with suppress(TimeoutError, ConnectionError):
        while True:
            sent += send()
    return sent


def peers(server: Server) -> set[int]:
    """Give the ports of the clients that the server is connected to."""
    found = psutil.Process(server.running.process.pid).net_connections("tcp")
    return {each.raddr.port for each in found if each.raddr and each.laddr.port == server.port}


@pytest.mark.alone
def test_fifty_dripping_clients_leave_room_for_others(tmp_path: Path) -> None:
    """While many clients drip, a healthy one is answered at once."""
    port = free_port()
    environment = {"POSTRIDER_API_KEY": API_KEY}
    with (
        Running(["up", "--port", str(port)], environment=environment, folder=tmp_path) as running,
        Api(port) as api,
        ExitStack() as stack,
    ):
        server = Server(port, running)
        api.ready()
        dripping = [stack.enter_context(server.connect()) for _ in range(50)]
        for sock in dripping:
            sock.sendall(HEAD + b"X-Slow: ")
        started = time.monotonic()

        published = api.publish(20)

        took = time.monotonic() - started
    assert len(published) == 20
    assert took < 5
