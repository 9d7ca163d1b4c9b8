"""A network of our own for one process and its children: no way out, any address on it, our name server.

Only for a process that runs in fresh user, mount and network namespaces (`unshare`), where it may do all this.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child"]
_SIOCSIFFLAGS, _SIOCSIFADDR = 0x8914, 0x8916
_IFF_UP_RUNNING = 0x1 | 0x40
_LOOPBACK = b"lo"


def wall_in(addresses: Iterable[str], *, name_server: str, folder: Path) -> None:
    """Bring up the loopback device with these addresses on it, and have names looked up at this server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as four:
        fcntl.ioctl(four, _SIOCSIFFLAGS, struct.pack("16sh", _LOOPBACK, _IFF_UP_RUNNING))
        for number, address in enumerate(address for address in addresses if ip_address(address).version == 4):
            _add_ipv4(four, number, address)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as six:
        for address in addresses:
            if ip_address(address).version == 6:
                packed = socket.inet_pton(socket.AF_INET6, address)
                index = socket.if_nametoindex(_LOOPBACK.decode())
                fcntl.ioctl(six, _SIOCSIFADDR, struct.pack("16sIi", packed, 128, index))
    configuration = folder / "resolv.conf"
    configuration.write_text(f"nameserver {name_server}\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", configuration, "/etc/resolv.conf"], check=True)


def _add_ipv4(sock: socket.socket, number: int, address: str) -> None:
    alias = _LOOPBACK + f":{number}".encode()
    fcntl.ioctl(sock, _SIOCSIFADDR, struct.pack("16sHH4s8x", alias, socket.AF_INET, 0, socket.inet_aton(address)))
