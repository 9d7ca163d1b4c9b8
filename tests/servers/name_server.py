"""A real DNS server over UDP that may change its mind, as those do that mean harm."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord

TTL = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say about a name: its addresses of both kinds, perhaps by another name."""

    addresses: tuple[str, ...] = ()
    alias: str = ""
    code: int = RCODE.NOERROR
    silent: bool = False


FAILURE = Reply(code=RCODE.SERVFAIL)
UNKNOWN = Reply(code=RCODE.NXDOMAIN)
SILENCE = Reply(silent=True)


def at(*addresses: str, alias: str = "") -> Reply:
    """Give these addresses, IPv4 and IPv6 mixed as one likes."""
    return Reply(addresses, alias)


class NameServer:
    """Gives each name its replies in turn, one a lookup, and the last one for ever; no other name is known.

    A lookup asks for IPv4 and IPv6 addresses: the reply changes with the questions for IPv4.
    """

    def __init__(self, names: Mapping[str, Sequence[Reply]], *, host: str = "127.0.0.53", port: int = 53) -> None:
        self._names = names
        self.asked: Counter[str] = Counter()
        """How often each name's IPv4 addresses were asked for."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._socket.settimeout(0.1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="name-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                data, client = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            said = self._answer(DNSRecord.parse(data))
            if said is not None:
                self._socket.sendto(said.pack(), client)

    def _answer(self, question: DNSRecord) -> DNSRecord | None:
        name, kind = str(question.q.qname).rstrip(".").lower(), QTYPE[question.q.qtype]
        reply = self._reply(name, turn=kind == "A")
        if reply.silent:
            return None
        said = question.reply()
        said.header.rcode = reply.code
        owner = name
        if reply.alias:
            said.add_answer(RR(name, QTYPE.CNAME, ttl=TTL, rdata=CNAME(reply.alias)))
            owner = reply.alias
        for address in reply.addresses:
            if (":" in address) == (kind == "AAAA"):
                rdata = AAAA(address) if kind == "AAAA" else A(address)
                said.add_answer(RR(owner, question.q.qtype, ttl=TTL, rdata=rdata))
        return said

    def _reply(self, name: str, *, turn: bool) -> Reply:
        replies = self._names.get(name)
        if replies is None:
            return UNKNOWN
        self.asked[name] += turn
        # The question for IPv6 follows the one for IPv4, and belongs to the same lookup.
        lookup = max(self.asked[name], 1)
        return replies[min(lookup, len(replies)) - 1]
