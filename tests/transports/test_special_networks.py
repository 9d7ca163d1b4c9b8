"""The guard's table against the registries' rows and against another project's table."""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from ssrfguard import DEFAULT_DENIED
from ssrfguard._registry import TABLE

from postrider.transports.guard import Guard
from postrider.transports.special_networks import SPECIAL, Special

Address = IPv4Address | IPv6Address
SAMPLES = 10_000
# Every row of IANA's two special-purpose registries, however narrow, and every other network that must be closed.
CLOSED = """
0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24
192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
224.0.0.0/4 240.0.0.0/4 255.255.255.255/32 168.63.129.16/32
::/128 ::1/128 ::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28
2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
""".split()  # noqa: SIM905 - a table is easier to read
# Where we are the stricter one: special services, whatever embeds an IPv4 address (the other table decodes it), and
# what IANA has not given out.
STRICTER = [
    ip_network(text)
    for text in """
    168.63.129.16/32 192.0.0.9/32 192.0.0.10/32 192.31.196.0/24 192.52.193.0/24 192.175.48.0/24
    ::/96 ::ffff:0:0:0/96 64:ff9b::/96 2001::/23 2002::/16 2620:4f:8000::/48
    """.split()  # noqa: SIM905
]
PUBLIC_IPV6 = IPv6Network("2000::/3")


@pytest.mark.parametrize("network", CLOSED)
def test_network_is_closed_from_its_first_to_its_last_address(network: str) -> None:
    """Each network that the registries list is closed up to both its ends."""
    closed, guard = ip_network(network), Guard()

    assert guard.refusal(str(closed[0])) is not None
    assert guard.refusal(str(closed[-1])) is not None


@pytest.mark.parametrize("special", SPECIAL, ids=lambda special: str(special.network))
def test_row_says_what_it_is_and_where_that_stands(special: Special) -> None:
    """A row decides about its own first or last address, and names its source."""
    refusals = {Guard().refusal(str(special.network[at])) for at in (0, -1)}

    assert special.kind in refusals
    assert "RFC" in special.source or "Azure" in special.source


def test_mapped_addresses_are_judged_as_what_they_lead_to() -> None:
    """::ffff:0:0/96 opens and closes exactly what IPv4 does."""
    guard = Guard()

    for address in random_ipv4(random.Random(7), 2_000):
        assert guard.refusal(f"::ffff:{address}") == guard.refusal(str(address))


def test_no_address_is_open_that_another_table_closes() -> None:
    """Over the ends of all networks and many addresses between, the guard is never the laxer one."""
    guard = Guard()

    laxer = [
        address
        for address in sample()
        if guard.refusal(str(address)) is None and DEFAULT_DENIED.classify(address).blocked
    ]

    assert laxer == []


def test_where_the_guard_is_stricter_is_known() -> None:
    """What only the guard closes are special services, embedded addresses and what is not given out."""
    guard = Guard()

    stricter = [
        address
        for address in sample()
        if guard.refusal(str(address)) is not None and not DEFAULT_DENIED.classify(address).blocked
    ]

    assert [address for address in stricter if not is_known_to_be_stricter(address)] == []
    assert stricter


def is_known_to_be_stricter(address: Address) -> bool:
    unassigned = isinstance(address, IPv6Address) and address not in PUBLIC_IPV6
    return unassigned or any(address in network for network in STRICTER)


def sample() -> list[Address]:
    """Give the addresses on both sides of every edge of both tables, and many others."""
    chance = random.Random(20261122)
    return [*edges(), *random_ipv4(chance, SAMPLES), *random_ipv6(chance, SAMPLES)]


def edges() -> Iterator[Address]:
    for network in {*(row.network for row in SPECIAL), *(row.network for row in TABLE)}:
        first, last = int(network[0]), int(network[-1])
        kind = IPv4Address if network.version == 4 else IPv6Address
        for number in (first - 1, first, first + 1, last - 1, last, last + 1):
            if 0 <= number < 2**network.max_prefixlen:
                yield kind(number)


def random_ipv4(chance: random.Random, count: int) -> list[IPv4Address]:
    return [IPv4Address(chance.getrandbits(32)) for _ in range(count)]


def random_ipv6(chance: random.Random, count: int) -> Iterator[Address]:
    """Give addresses of all of IPv6, of its public part, and in every way to embed an IPv4 address."""
    for inner in random_ipv4(chance, count // 8):
        yield IPv6Address(chance.getrandbits(128))
        yield IPv6Address(1 << 125 | chance.getrandbits(125))
        # One in 256 random numbers falls into a network of eight bits; into the longer ones only by being put there.
        yield from special_ipv6(chance)
        for prefix in ("::", "::ffff:", "::ffff:0:", "64:ff9b::", "64:ff9b:1::", "fe80::5efe:"):
            yield ip_address(f"{prefix}{inner}")
        yield IPv6Address(0x2002 << 112 | int(inner) << 80 | chance.getrandbits(80))
        yield IPv6Address(0x20010000 << 96 | chance.getrandbits(64) << 32 | (~int(inner) & 0xFFFFFFFF))


def special_ipv6(chance: random.Random) -> Iterator[Address]:
    for row in SPECIAL:
        if row.network.version == 6:
            yield row.network[chance.randrange(row.network.num_addresses)]
