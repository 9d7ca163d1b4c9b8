"""Is this a URL that a webhook can go to? Asked when it is saved; where it leads is the guard's to judge."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna
from yarl import URL

LONGEST_URL = 2048
LONGEST_HOST = 253
HIGHEST_PORT = 65535

_SPLIT = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)")
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
# IDNA takes it for a dot; written so, an address can pass for a name.
_IDEOGRAPHIC_DOT = "\u3002"


def http_url(text: str) -> URL:
    """Read a URL as it was given; ValueError says what is wrong with it and how to mend it."""
    _check_characters(text)
    split = _SPLIT.match(text)
    if split is None or split["scheme"].lower() not in {"http", "https"}:
        raise ValueError("must be an absolute URL that begins with https:// or http://")
    host, port = _check_authority(split["authority"])
    url = _read(text)
    # What is checked is what is connected to: two readings of one URL are how such checks get past.
    if (url.raw_host or "").lower() != host.lower() or (port is not None and url.port != port):
        raise ValueError("must have a plainly written host")
    return url


def _check_characters(text: str) -> None:
    if len(text) > LONGEST_URL:
        raise ValueError(f"must have at most {LONGEST_URL} characters")
    if "\\" in text:
        raise ValueError("must not have a backslash")
    if any(unicodedata.category(character)[0] in "CZ" for character in text):
        raise ValueError("must not have spaces or control characters")


def _check_authority(authority: str) -> tuple[str, int | None]:
    """Give the host as it goes into a request (ASCII, no brackets) and the port, if there is one."""
    if "@" in authority:
        raise ValueError("must not have a user name or password in it")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise ValueError("must have a plainly written host")
    return plain_host(parts["host"]), None if parts["port"] is None else _port(parts["port"])


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:6]) <= HIGHEST_PORT:
        raise ValueError(f"must have a port from 1 to {HIGHEST_PORT}, or none")
    return int(text)


def plain_host(host: str) -> str:
    """Give a host name or address in ASCII, without brackets; ValueError for unusual spellings of either.

    `2130706433`, `0x7f.1`, `127.1` or circled digits are addresses to some readers and names to others.
    """
    if not host:
        raise ValueError("must have a host")
    if host.startswith("["):
        return _plain_ipv6(host[1:-1])
    if _IDEOGRAPHIC_DOT in host or unicodedata.normalize("NFKC", host) != unicodedata.normalize("NFC", host):
        raise ValueError("must have its host in plain letters, digits and dots")
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _plain_ipv4(host)
    written = ".".join(_plain_label(label) for label in labels)
    if len(written) > LONGEST_HOST:
        raise ValueError(f"must have a host of at most {LONGEST_HOST} characters")
    return written + "." if host.endswith(".") else written


def _plain_label(label: str) -> str:
    if label.isascii() and not label.lower().startswith("xn--"):
        if not _LABEL.fullmatch(label):
            raise ValueError("must have a valid host name")
        return label
    try:
        return idna.encode(label.lower()).decode()
    except idna.IDNAError as error:
        raise ValueError("must have a valid international host name") from error


def _plain_ipv4(host: str) -> str:
    try:
        return str(IPv4Address(host))
    except AddressValueError as error:
        raise ValueError("must have an IPv4 address as four plain decimal numbers, or a host name") from error


def _plain_ipv6(host: str) -> str:
    try:
        address = IPv6Address(host)
    except AddressValueError as error:
        raise ValueError("must have a valid IPv6 address in its brackets") from error
    if address.scope_id is not None:
        raise ValueError("must not have a zone in its IPv6 address")
    return host


def _read(text: str) -> URL:
    # As it was given when that can go out as it is: some receivers sign their query, byte by byte.
    try:
        return URL(text, encoded=text.isascii())
    except ValueError as error:
        raise ValueError("must be a valid URL") from error
