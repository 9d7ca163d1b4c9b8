"""May we connect there? Asked at connection time, about the address really connected to."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from .special_networks import GLOBAL_UNICAST, SPECIAL

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_IPV4 = tuple(special for special in SPECIAL if special.network.version == 4)  # noqa: PLR2004 - IP's versions
_IPV6 = tuple(special for special in SPECIAL if special.network.version == 6)  # noqa: PLR2004


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
    rows = _IPV4 if isinstance(address, IPv4Address) else _IPV6
    known = next((special.kind for special in rows if address in special.network), None)
    if known is None and isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return "an unassigned address"
    return known
