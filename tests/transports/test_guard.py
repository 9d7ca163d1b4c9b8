"""Which addresses the guard lets connections go to."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from postrider.transports.guard import AddressRefused, Guard

REFUSED = [
    ("0.0.0.0", "this host"),
    ("0.1.2.3", "this host"),
    ("10.0.0.1", "private"),
    ("10.255.255.255", "private"),
    ("100.64.0.1", "carrier"),
    ("100.100.100.200", "carrier"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("168.63.129.16", "cloud"),
    ("169.254.169.254", "link-local"),
    ("169.254.170.2", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.1", "protocols"),
    ("192.0.0.8", "protocols"),
    ("192.0.0.192", "protocols"),
    ("192.0.2.1", "documentation"),
    ("192.31.196.1", "AS112"),
    ("192.52.193.1", "AMT"),
    ("192.88.99.1", "6to4"),
    ("192.168.1.1", "private"),
    ("192.175.48.1", "AS112"),
    ("198.18.0.1", "benchmarks"),
    ("198.19.255.255", "benchmarks"),
    ("198.51.100.7", "documentation"),
    ("203.0.113.7", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.254", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "this host"),
    ("::1", "loopback"),
    ("::169.254.169.254", "compatible"),
    ("::8.8.8.8", "compatible"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:10.1.2.3", "private"),
    ("::ffff:a9fe:a9fe", "link-local"),
    ("::ffff:0:8.8.8.8", "translated"),
    ("64:ff9b::a9fe:a9fe", "NAT64"),
    ("64:ff9b::8.8.8.8", "NAT64"),
    ("64:ff9b:1::a9fe:a9fe", "NAT64"),
    ("100::1", "discard"),
    ("100:0:0:1::1", "dummy"),
    ("2001::1", "Teredo"),
    ("2001:0:a9fe:a9fe::1", "Teredo"),
    ("2001:1::1", "protocols"),
    ("2001:2::1", "benchmarks"),
    ("2001:3::1", "AMT"),
    ("2001:4:112::1", "AS112"),
    ("2001:10::1", "ORCHID"),
    ("2001:20::1", "ORCHID"),
    ("2001:30::1", "drone"),
    ("2001:1ff:ffff::1", "protocols"),
    ("2001:db8::1", "documentation"),
    ("2002:a9fe:a9fe::", "6to4"),
    ("2002:808:808::1", "6to4"),
    ("2620:4f:8000::1", "AS112"),
    ("3fff::1", "documentation"),
    ("3fff:fff:ffff::1", "documentation"),
    ("5f00::1", "segment routing"),
    ("fc00::1", "private"),
    ("fd00:ec2::254", "private"),
    ("fe80::1", "link-local"),
    ("febf::1", "link-local"),
    ("fec0::1", "site-local"),
    ("feff::1", "site-local"),
    ("ff02::1", "multicast"),
    ("4000::1", "unassigned"),
    ("8000::1", "unassigned"),
    ("fe80::1%eth0", "not a plain IP address"),
    ("2606:4700::1%1", "not a plain IP address"),
    ("2130706433", "not a plain IP address"),
    ("0177.0.0.1", "not a plain IP address"),
    ("127.1", "not a plain IP address"),
    ("0x7f.0.0.1", "not a plain IP address"),
    ("localhost", "not a plain IP address"),
    ("", "not a plain IP address"),
]
ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "3ffe:ffff:ffff::1",
    "3fff:1000::1",
]


@pytest.mark.parametrize(("address", "kind"), REFUSED)
def test_special_address_is_refused_by_its_kind(address: str, kind: str) -> None:
    """Nothing goes to an address that is not public, and the reason names what it is."""
    refusal = Guard().refusal(address)

    assert refusal is not None
    assert kind in refusal


@pytest.mark.parametrize("address", ALLOWED)
def test_public_address_is_allowed(address: str) -> None:
    """The public Internet is open, up to the last address beside a special network."""
    assert Guard().refusal(address) is None


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.0/8", "::ffff:127.0.0.1"),
        ("10.1.0.0/16", "10.1.255.255"),
        ("fd00::/8", "fd12:3456::1"),
        ("::1/128", "::1"),
        ("64:ff9b::/96", "64:ff9b::8.8.8.8"),
        ("169.254.169.254/32", "169.254.169.254"),
        ("0.0.0.0/0", "192.168.1.1"),
    ],
)
def test_operator_can_allow_a_network(network: str, address: str) -> None:
    """What the operator allows wins over the table; a mapped address counts as its IPv4."""
    assert Guard([network]).refusal(address) is None


@pytest.mark.parametrize("address", ["10.2.0.1", "127.0.0.1", "::1", "64:ff9b::10.1.0.1", "::10.1.0.1"])
def test_allowing_one_network_opens_no_other(address: str) -> None:
    """An allowed network lets nothing else in, nor its addresses in disguise."""
    assert Guard(["10.1.0.0/16"]).refusal(address) is not None


@pytest.mark.parametrize("address", ["fe80::1%eth0", "127.0.0.1%lo", "nonsense"])
def test_what_is_no_plain_address_is_never_allowed(address: str) -> None:
    """Not even an operator who allows everything lets in what cannot be judged."""
    assert Guard(["0.0.0.0/0", "::/0"]).refusal(address) is not None


def test_networks_are_taken_as_objects_too() -> None:
    """Settings may hand over networks that they have read already."""
    assert Guard([ip_network("10.0.0.0/8")]).refusal("10.0.0.1") is None


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "10.0.0.0/33"])
def test_wrong_network_is_refused_at_the_start(text: str) -> None:
    """A mistake in the allow-list is an error, not a hole."""
    with pytest.raises(ValueError, match=text.replace(".", r"\.")):
        Guard([text])


def test_check_raises_the_reason_without_the_address() -> None:
    """The exception tells the kind, and not which inner address a name led to."""
    with pytest.raises(AddressRefused) as refusal:
        Guard().check("10.9.8.7")

    assert refusal.value.reason == "an address of a private network"
    assert "10.9.8.7" not in str(refusal.value)


def test_check_lets_a_public_address_pass() -> None:
    """A public address raises nothing."""
    Guard().check("93.184.215.14")
