"""May we connect there? Asked at connection time, about the address really connected to."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The IANA special-purpose registries (RFC 6890 and its updates), multicast, and what clouds keep to themselves; the
# narrower network first, since the first one names the kind. Not `ipaddress.is_global`: it calls NAT64, 6to4,
# site-local, multicast and others global, and its answers differ between versions of Python.
_KINDS_OF_IPV4 = (
    ("0.0.0.0/8", "an address of this host itself"),
    ("10.0.0.0/8", "an address of a private network"),
    ("100.64.0.0/10", "an address of a carrier's shared network"),
    ("127.0.0.0/8", "a loopback address"),
    ("168.63.129.16/32", "a cloud's internal service address"),
    ("169.254.0.0/16", "a link-local address"),
    ("172.16.0.0/12", "an address of a private network"),
    ("192.0.0.0/24", "an address reserved for protocols"),
    ("192.0.2.0/24", "an address for documentation"),
    ("192.31.196.0/24", "an address of a special service (AS112)"),
    ("192.52.193.0/24", "an address of a special service (AMT)"),
    ("192.88.99.0/24", "a 6to4 relay address"),
    ("192.168.0.0/16", "an address of a private network"),
    ("192.175.48.0/24", "an address of a special service (AS112)"),
    ("198.18.0.0/15", "an address for benchmarks"),
    ("198.51.100.0/24", "an address for documentation"),
    ("203.0.113.0/24", "an address for documentation"),
    ("224.0.0.0/4", "a multicast address"),
    ("255.255.255.255/32", "the broadcast address"),
    ("240.0.0.0/4", "a reserved address"),
)
_KINDS_OF_IPV6 = (
    ("::/128", "an address of this host itself"),
    ("::1/128", "a loopback address"),
    ("::/96", "an IPv4 address embedded in IPv6 (compatible)"),
    ("::ffff:0:0:0/96", "an IPv4 address embedded in IPv6 (translated)"),
    ("64:ff9b::/96", "an IPv4 address embedded in IPv6 (NAT64)"),
    ("64:ff9b:1::/48", "an IPv4 address embedded in IPv6 (local NAT64)"),
    ("100::/64", "a discard-only address"),
    ("100:0:0:1::/64", "a dummy address"),
    ("2001::/32", "an IPv4 address embedded in IPv6 (Teredo)"),
    ("2001:2::/48", "an address for benchmarks"),
    ("2001::/23", "an address reserved for protocols"),
    ("2001:db8::/32", "an address for documentation"),
    ("2002::/16", "an IPv4 address embedded in IPv6 (6to4)"),
    ("2620:4f:8000::/48", "an address of a special service (AS112)"),
    ("3fff::/20", "an address for documentation"),
    ("5f00::/16", "a segment routing address"),
    ("fc00::/7", "an address of a private network"),
    ("fe80::/10", "a link-local address"),
    ("fec0::/10", "a site-local address"),
    ("ff00::/8", "a multicast address"),
)
_IPV4 = tuple((IPv4Network(network), kind) for network, kind in _KINDS_OF_IPV4)
_IPV6 = tuple((IPv6Network(network), kind) for network, kind in _KINDS_OF_IPV6)
_GLOBAL_UNICAST = IPv6Network("2000::/3")


class AddressRefused(OSError):  # noqa: N818 - it reads as what happened, beside ConnectionRefusedError
    """The guard does not let us connect to this address."""

    def __init__(self, reason: str) -> None:
        """Take the reason as `Guard.refusal` words it."""
        super().__init__(reason)
        self.reason = reason


class Guard:
    """Lets connections go to the public Internet and to the networks that the operator allows."""

    def __init__(self, allowed_networks: Iterable[str | Network] = ()) -> None:
        """Take CIDRs such as `10.1.0.0/16`; ValueError for what is none."""
        self._allowed = tuple(ip_network(network) for network in allowed_networks)

    def refusal(self, address: str) -> str | None:
        """Say what kind of address this is when it may not be connected to; None when it may.

        Takes an address as the socket has it, never a name. The text does not repeat the address.
        """
        parsed = _parse(address)
        if parsed is None:
            return "not a plain IP address"
        if any(parsed in network for network in self._allowed):
            return None
        return _special_kind(parsed)

    def check(self, address: str) -> None:
        """Raise AddressRefused when this address may not be connected to."""
        reason = self.refusal(address)
        if reason is not None:
            raise AddressRefused(reason)


def _parse(address: str) -> Address | None:
    """Read an address; one mapped into IPv6 is the IPv4 address that the kernel would connect to."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        # A zone names an interface of this machine: nothing out there has one.
        if parsed.scope_id is not None:
            return None
        return parsed.ipv4_mapped or parsed
    return parsed


def _special_kind(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _IPV4 if address in network), None)
    known = next((kind for network, kind in _IPV6 if address in network), None)
    if known is None and address not in _GLOBAL_UNICAST:
        return "an unassigned address"
    return known
