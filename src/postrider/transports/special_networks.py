"""Which networks are not the public Internet: an explicit table, each row with its source.

Not `ipaddress.is_global`: it calls NAT64, 6to4, site-local, multicast and others global, and its answers differ
between versions of Python. The rows are those of IANA's special-purpose address registries as of November 2026
(https://www.iana.org/assignments/iana-ipv4-special-registry and .../iana-ipv6-special-registry), multicast, what the
RFCs have withdrawn and old kernels still route, and what clouds keep to themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

PRIVATE = "an address of a private network"
DOCUMENTATION = "an address for documentation"
BENCHMARKS = "an address for benchmarks"
PROTOCOLS = "an address reserved for protocols"
AS112 = "an address of a special service (AS112)"
AMT = "an address of a special service (AMT)"
THIS_HOST = "an address of this host itself"
LOOPBACK = "a loopback address"
LINK_LOCAL = "a link-local address"
MULTICAST = "a multicast address"
ORCHID = "an identifier of a host and no address (ORCHID)"


@dataclass(frozen=True, slots=True)
class Special:
    """A network that nobody's public service is in."""

    network: IPv4Network | IPv6Network
    kind: str
    """As it is told to whoever saved the URL."""
    source: str


# The first that holds an address names its kind, so the narrower ones come first. ::ffff:0:0/96 (mapped, RFC 4291,
# section 2.5.5.2) is no row: the kernel connects to the IPv4 address in it, and the guard judges that one.
_ROWS = (
    ("0.0.0.0/8", THIS_HOST, "RFC 791, section 3.2; RFC 1122, section 3.2.1.3"),
    ("10.0.0.0/8", PRIVATE, "RFC 1918"),
    ("100.64.0.0/10", "an address of a carrier's shared network", "RFC 6598"),
    ("127.0.0.0/8", LOOPBACK, "RFC 1122, section 3.2.1.3"),
    ("168.63.129.16/32", "a cloud's internal service address", "Azure: What is IP address 168.63.129.16?"),
    ("169.254.0.0/16", LINK_LOCAL, "RFC 3927"),
    ("172.16.0.0/12", PRIVATE, "RFC 1918"),
    ("192.0.0.0/24", PROTOCOLS, "RFC 6890, section 2.1; RFC 7335, 7600, 7723, 8155, 8880 in it"),
    ("192.0.2.0/24", DOCUMENTATION, "RFC 5737"),
    ("192.31.196.0/24", AS112, "RFC 7535"),
    ("192.52.193.0/24", AMT, "RFC 7450"),
    ("192.88.99.0/24", "a 6to4 relay address", "RFC 7526; RFC 6751"),
    ("192.168.0.0/16", PRIVATE, "RFC 1918"),
    ("192.175.48.0/24", AS112, "RFC 7534"),
    ("198.18.0.0/15", BENCHMARKS, "RFC 2544"),
    ("198.51.100.0/24", DOCUMENTATION, "RFC 5737"),
    ("203.0.113.0/24", DOCUMENTATION, "RFC 5737"),
    ("224.0.0.0/4", MULTICAST, "RFC 5771"),
    ("255.255.255.255/32", "the broadcast address", "RFC 8190; RFC 919, section 7"),
    ("240.0.0.0/4", "a reserved address", "RFC 1112, section 4"),
    ("::/128", THIS_HOST, "RFC 4291, section 2.5.2"),
    ("::1/128", LOOPBACK, "RFC 4291, section 2.5.3"),
    ("::/96", "an IPv4 address embedded in IPv6 (compatible)", "RFC 4291, section 2.5.5.1"),
    ("::ffff:0:0:0/96", "an IPv4 address embedded in IPv6 (translated)", "RFC 2765, section 2.1"),
    ("64:ff9b::/96", "an IPv4 address embedded in IPv6 (NAT64)", "RFC 6052"),
    ("64:ff9b:1::/48", "an IPv4 address embedded in IPv6 (local NAT64)", "RFC 8215"),
    ("100::/64", "a discard-only address", "RFC 6666"),
    ("100:0:0:1::/64", "a dummy address", "RFC 9780"),
    ("2001::/32", "an IPv4 address embedded in IPv6 (Teredo)", "RFC 4380; RFC 8190"),
    ("2001:2::/48", BENCHMARKS, "RFC 5180, with its erratum 1752"),
    ("2001:3::/32", AMT, "RFC 7450"),
    ("2001:4:112::/48", AS112, "RFC 7535"),
    ("2001:10::/28", ORCHID, "RFC 4843"),
    ("2001:20::/28", ORCHID, "RFC 7343"),
    ("2001:30::/28", "an identifier of a drone and no address", "RFC 9374"),
    ("2001::/23", PROTOCOLS, "RFC 2928; RFC 7723, 8155, 9665 in it"),
    ("2001:db8::/32", DOCUMENTATION, "RFC 3849"),
    ("2002::/16", "an IPv4 address embedded in IPv6 (6to4)", "RFC 3056; RFC 7526"),
    ("2620:4f:8000::/48", AS112, "RFC 7534"),
    ("3fff::/20", DOCUMENTATION, "RFC 9637"),
    ("5f00::/16", "a segment routing address", "RFC 9602"),
    ("fc00::/7", PRIVATE, "RFC 4193"),
    ("fe80::/10", LINK_LOCAL, "RFC 4291, section 2.5.6"),
    ("fec0::/10", "a site-local address", "RFC 3879"),
    ("ff00::/8", MULTICAST, "RFC 4291, section 2.7"),
)
SPECIAL = tuple(Special(ip_network(network), kind, source) for network, kind, source in _ROWS)

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IANA gives out of IPv6 for public use; outside of it nothing is (RFC 4291, section 4)."""
