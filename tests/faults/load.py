"""The publisher of the fault matrix: it knows what it offered, and what was accepted."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from math import ceil

EVENT_TYPE = "order.paid"
_NOTE = "x" * 300


class Load:
    """Publishes numbered events from as many threads as wanted; what is not answered with 202 is not accepted."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._guard = threading.Lock()
        self._numbers = count(1)
        self.offered: set[str] = set()
        """The hashes of all payloads that left here, accepted or not."""
        self.accepted: dict[str, str] = {}
        """From an event's id to the hash of its payload."""
        self.answers: Counter[str] = Counter()
        """How often each status came; `broken` counts the requests that were not answered."""
        self.seconds: list[float] = []
        """How long each accepted request of one event took."""

    def publish(self, events: int, *, at_once: int = 500, threads: int = 1) -> None:
        """Publish until so many more events are accepted, `at_once` in a request; refused ones are made anew."""
        goal = len(self.accepted) + events
        self._run(threads, min(at_once, events), lambda: len(self.accepted) < goal)

    @contextmanager
    def going_on(self, *, at_once: int = 20, threads: int = 1, pause: float = 0.02) -> Generator[None]:
        """Publish without end while the block runs."""
        ending = threading.Event()
        work = threading.Thread(target=self._run, args=(threads, at_once, lambda: not ending.wait(pause)))
        work.start()
        try:
            yield
        finally:
            ending.set()
            work.join()

    def p99(self, since: int = 0) -> float:
        """Tell what all but a hundredth of the requests took no longer than, in milliseconds."""
        return p99(self.seconds[since:])

    def _run(self, threads: int, at_once: int, wanted: Callable[[], bool]) -> None:
        workers = [threading.Thread(target=self._work, args=(at_once, wanted)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self, at_once: int, wanted: Callable[[], bool]) -> None:
        connection = self._connect()
        while wanted():
            try:
                self._post(connection, at_once)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = self._connect()
                self.answers["broken"] += 1
                time.sleep(0.05)
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)

    def _post(self, connection: http.client.HTTPConnection, at_once: int) -> None:
        payloads = [self._payload() for _ in range(at_once)]
        hashes = [hashlib.sha256(payload).hexdigest() for payload in payloads]
        with self._guard:
            self.offered.update(hashes)
        started = time.perf_counter()
        connection.request("POST", "/v2/events", body(payloads), self._headers())
        answer = connection.getresponse()
        text = answer.read()
        self.answers[str(answer.status)] += 1
        if answer.status != 202:
            time.sleep(0.05)
            return
        with self._guard:
            if at_once == 1:
                self.seconds.append(time.perf_counter() - started)
            told = json.loads(text)["data"]
            self.accepted |= {one["id"]: digest for one, digest in zip(told, hashes, strict=True)}

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._key}", "content-type": "application/json"}

    def _payload(self) -> bytes:
        with self._guard:
            number = next(self._numbers)
        # Spaces and 1.10 would not survive a parser: what arrives must be the very bytes.
        return b'{ "data": {"type":"order","id":"order-%d","total":1.10,"note":"%s"} }' % (number, _NOTE.encode())


def body(payloads: list[bytes]) -> bytes:
    """Make the request that publishes these payloads, byte for byte."""
    return b'{"data":[%s]}' % b",".join(
        b'{"type":"event","event_type":"%s","payload":%s}' % (EVENT_TYPE.encode(), payload) for payload in payloads
    )


def p99(seconds: list[float]) -> float:
    """Tell what all but a hundredth took no longer than, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[ceil(len(ordered) * 0.99) - 1] * 1000 if ordered else 0.0
