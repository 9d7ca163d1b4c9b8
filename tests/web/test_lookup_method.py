"""The server takes LOOKUP, a method that HTTP does not have, however its bytes come in."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from api import Api

PATH = "/rest/v1/service/integration_points"


def request(api: Api, method: str, body: str = '"nobody"', **more: str) -> bytes:
    headers = {"Host": "postrider.test", "Authorization": f"Bearer {api.key}", "Content-Length": str(len(body)), **more}
    lines = [f"{method} {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", body]
    return "\r\n".join(lines).encode()


class Wire:
    """One connection, byte by byte."""

    def __init__(self, api: Api) -> None:
        self._socket = socket.create_connection(("127.0.0.1", api.port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def send(self, *pieces: bytes) -> None:
        """Send pieces, each in a packet of its own."""
        for piece in pieces:
            self._socket.sendall(piece)
            # The far side reads one before the next is there.
            time.sleep(0.02)

    def answer(self) -> tuple[int, bytes]:
        """Read an answer's status and body."""
        status = int(self._file.readline().split()[1])
        length = 0
        while line := self._file.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return status, self._file.read(length)

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def wire(api: Api) -> Iterator[Wire]:
    opened = Wire(api)
    yield opened
    opened.close()


FAILED = (404, b'{"error_code":1404,"error_message":"Lookup failed"}')


@pytest.mark.parametrize("cut", [0, 1, 3, 6, 7, 30])
def test_it_comes_in_pieces(api: Api, wire: Wire, cut: int) -> None:
    """Wherever its first line is cut, it is the same request."""
    whole = request(api, "LOOKUP")

    wire.send(*filter(None, (whole[:cut], whole[cut:])))

    assert wire.answer() == FAILED


def test_it_comes_letter_by_letter(api: Api, wire: Wire) -> None:
    """Each letter of the method may be alone, and line breaks may stand before it."""
    whole = b"\r\n\r\n" + request(api, "LOOKUP")

    wire.send(*(bytes([letter]) for letter in whole[:14]), whole[14:])

    assert wire.answer() == FAILED


def test_others_come_before_and_after_it(api: Api, wire: Wire) -> None:
    """A connection goes on with any method after another."""
    methods = ("LOOKUP", "GET", "LOOKUP", "LOOKUP", "GET")

    statuses = []
    for method in methods:
        wire.send(request(api, method))
        statuses.append(wire.answer()[0])

    assert statuses == [404, 200, 404, 404, 200]


@pytest.mark.parametrize("first", ["PUT", "LOOKUP", "GET"])
def test_it_comes_together_with_the_one_before(api: Api, wire: Wire, first: str) -> None:
    """Whole, or behind a body that is answered before it was read, as clients send both on a connection they keep."""
    before, lookup = request(api, first), request(api, "LOOKUP")
    head, end, body = before.partition(b"\r\n\r\n")

    wire.send(before + lookup)
    together = [wire.answer(), wire.answer()]
    wire.send(head + end, body + lookup)
    behind = [wire.answer(), wire.answer()]

    assert (together[1], behind[1]) == (FAILED, FAILED)
    assert together[0] == behind[0]


def test_the_word_stands_where_it_likes_but_at_the_beginning(api: Api, wire: Wire) -> None:
    """A header or a body that begins with it in a packet of its own stays as it is."""
    body = '"LOOKUP me"'
    head, _, rest = request(api, "LOOKUP", body, **{"X-Note": "LOOKUP one"}).partition(b"LOOKUP one")
    middle, _, end = rest.partition(b'"LOOKUP me"')
    made = api.call("POST", PATH, json={"code": "LOOKUP me", "type": "public"}).json()

    wire.send(head, b"LOOKUP one", middle + b'"', b"LOOKUP me", b'"' + end)

    assert wire.answer() == (200, f'["{made["id"]}"]'.encode())


def test_a_request_that_has_begun_is_left_alone(api: Api, wire: Wire) -> None:
    """Its method stays, though it began together with the one before, and the rest looks like a LOOKUP."""
    begun, rest = request(api, "GET", **{"X-Note": "LOOKUP one"}).split(b"LOOKUP one")

    wire.send(request(api, "GET") + begun, b"LOOKUP one" + rest)

    assert [wire.answer()[0], wire.answer()[0]] == [200, 200]


@pytest.mark.parametrize(("method", "status"), [("LOCK", 405), ("SEARCH", 405), ("LOOKOUT", 400), ("LOOKUPS", 400)])
def test_no_other_method_is_taken_for_it(api: Api, wire: Wire, method: str, status: int) -> None:
    """What looks like it, and what the parser sees in its place, are what they are."""
    wire.send(request(api, method))

    assert wire.answer()[0] == status
