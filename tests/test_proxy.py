"""The proxy breaks connections in the way that its methods say."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from servers.process import wait_until
from servers.proxy import Proxy
from servers.receiver import Receiver


@pytest.fixture
def proxy(receiver: Receiver) -> Iterator[Proxy]:
    with Proxy(receiver.port) as between:
        yield between


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=0.5, trust_env=False) as client:
        yield client


def test_proxy_forwards(proxy: Proxy, receiver: Receiver, client: httpx.Client) -> None:
    """A healthy proxy carries request and answer whole, far beyond one buffer."""
    receiver.answer(body=b"a" * 1_000_000)
    client.timeout = 10

    answer = client.post(proxy.through(receiver.url), content=b"q" * 1_000_000)

    assert answer.content == b"a" * 1_000_000
    assert receiver.requests[0].body == b"q" * 1_000_000


def test_proxy_keeps_login_and_path() -> None:
    """A url through the proxy differs from the first one in host and port only."""
    between = Proxy(1)

    url = between.through("postgresql+psycopg://postgres:secret@db.example:5432/postrider?x=1")

    assert url == f"postgresql+psycopg://postgres:secret@127.0.0.1:{between.port}/postrider?x=1"


def test_proxy_refuses(proxy: Proxy, receiver: Receiver, client: httpx.Client) -> None:
    """A refusing proxy is not there for new connections until it is healed."""
    proxy.refuse()
    with pytest.raises(httpx.ConnectError):
        client.get(proxy.through(receiver.url))

    proxy.heal()

    assert client.get(proxy.through(receiver.url)).status_code == 200


def test_proxy_hangs(proxy: Proxy, receiver: Receiver, client: httpx.Client) -> None:
    """A hanging proxy swallows what is sent on old and on new connections."""
    assert client.get(proxy.through(receiver.url)).status_code == 200

    proxy.hang()
    for _ in range(2):
        with pytest.raises(httpx.ReadTimeout):
            client.get(proxy.through(receiver.url))

    assert len(receiver.requests) == 1


def test_proxy_lets_go_what_hung(proxy: Proxy, receiver: Receiver) -> None:
    """What waited in a hanging proxy arrives when it is healed."""
    proxy.hang()
    with httpx.Client(timeout=10, trust_env=False) as client, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.get, proxy.through(receiver.url))
        wait_until(lambda: _established_to(proxy.port), "the client to be connected")
        proxy.heal()

        assert answer.result(10).status_code == 200


def test_proxy_cuts(proxy: Proxy, receiver: Receiver) -> None:
    """A cut resets the open connections and leaves the proxy open for new ones."""
    with socket.create_connection((proxy.host, proxy.port)) as old:
        wait_until(lambda: receiver.open_connections == 1, "the connection to reach the receiver")
        proxy.cut()

        with pytest.raises(ConnectionResetError):
            old.recv(1)
        wait_until(lambda: receiver.open_connections == 0, "the cut to reach the receiver")

    assert httpx.get(proxy.through(receiver.url), trust_env=False).status_code == 200


def test_proxy_resets_when_its_target_is_away(receiver: Receiver) -> None:
    """Nobody behind the proxy shows as a broken connection, not as an answer."""
    # The reset may come before the connection is known to stand.
    with (
        Proxy(1) as proxy,
        pytest.raises(ConnectionResetError),
        socket.create_connection((proxy.host, proxy.port), timeout=5) as line,
    ):
        line.recv(1)


def test_proxy_delays(proxy: Proxy, receiver: Receiver) -> None:
    """A delay holds back the question and the answer, each for its length."""
    proxy.delay(0.2)
    began = time.monotonic()

    httpx.get(proxy.through(receiver.url), trust_env=False)

    assert time.monotonic() - began >= 0.4


def _established_to(port: int) -> bool:
    return any(
        each.status == psutil.CONN_ESTABLISHED and each.raddr and each.raddr.port == port
        for each in psutil.Process().net_connections("tcp")
    )
