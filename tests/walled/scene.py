"""What happens to integrations whose names lead inside; run by `unshare`, prints what was seen as JSON.

The product is the real one (`postrider up`, with its own resolver and guard); only the network around it is ours.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flows.installed import API_KEY, Api, Running
from servers.name_server import FAILURE, SILENCE, UNKNOWN, NameServer, Reply, at
from servers.process import free_port, wait_until
from walled.listener import Listener
from walled.network import wall_in

PUBLIC, PUBLIC_IPV6 = "93.184.215.14", "2606:2800:21f::1"
INSIDE, METADATA, INSIDE_IPV6 = "10.9.8.7", "169.254.169.254", "fd12:3456::7"
ALLOWED, ALLOWED_NETWORK = "10.55.0.1", "10.55.0.0/16"
MAPPED, NAT64, SIX_TO_FOUR, TEREDO = "::ffff:a09:807", "64:ff9b::a09:807", "2002:a09:807::1", "2001:0:a09:807::1"
ADDRESSES = (PUBLIC, PUBLIC_IPV6, INSIDE, METADATA, INSIDE_IPV6, ALLOWED, NAT64, SIX_TO_FOUR, TEREDO)
NAME_SERVER = "127.0.0.53"

TRANSPORTS = ("webhook", "stomp", "smtp")
NAMES: dict[str, Sequence[Reply]] = {
    # Each transport has names of its own, so that each sees the first reply.
    **{
        f"{name}.{transport}.test": replies
        for transport in TRANSPORTS
        for name, replies in {
            "rebinding": (at(PUBLIC), at(INSIDE)),
            "rebinding-metadata": (at(PUBLIC), at(METADATA)),
            "rebinding-ipv6": (at(PUBLIC_IPV6), at("::1")),
            "both": (at(INSIDE, PUBLIC, INSIDE_IPV6, PUBLIC_IPV6),),
            "failing-first": (FAILURE, at(INSIDE)),
            "unknown-first": (UNKNOWN, at(INSIDE)),
            "silent-first": (SILENCE, at(INSIDE)),
            "inside": (at(INSIDE),),
            "closed-port": (at(INSIDE),),
            "alias": (at(INSIDE, alias="printer.internal"),),
            "alias-of-localhost": (at("127.0.0.1", alias="localhost"),),
            "this-host": (at("0.0.0.0"),),
            "mapped": (at(MAPPED),),
            "nat64": (at(NAT64),),
            "6to4": (at(SIX_TO_FOUR),),
            "teredo": (at(TEREDO),),
            "all-inside": (at(INSIDE, METADATA, "127.0.0.1", "::1", INSIDE_IPV6),),
            "allowed": (at(ALLOWED),),
            "test-button": (at(INSIDE),),
        }.items()
    }
}
NAMES["localhost"] = (at("127.0.0.1", "::1"),)
# Saved without complaint, since they are plainly written; none of them may be connected to.
LITERALS = (
    "127.0.0.1",
    INSIDE,
    METADATA,
    "0.0.0.0",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "[::1]",
    "[::]",
    f"[{INSIDE_IPV6}]",
    "[::ffff:127.0.0.1]",
    f"[{MAPPED}]",
    "[::127.0.0.1]",
    f"[{NAT64}]",
    f"[{SIX_TO_FOUR}]",
    f"[{TEREDO}]",
    "[fec0::1]",
)


@dataclass
class Case:
    """One integration, and what became of the event that was sent to it."""

    transport: str
    host: str
    port: int
    delivery: dict[str, Any] = field(default_factory=dict)

    def integrate(self, api: Api, event_type: str) -> str:
        """Create the integration; gives its id."""
        configurations = {
            "webhook": {"url": f"http://{self.host}:{self.port}/hook", "secret_key": "s3cret-key"},
            "stomp": {"addresses": [f"stomp://{self.host}:{self.port}"], "destination": "/queue/orders"},
            "smtp": {
                "host": self.host,
                "port": self.port,
                "default_sender_email": "orders@shop.test",
                "to": "ada@customer.test",
            },
        }
        made = api.integrate(
            "",
            event_type,
            integration_type=self.transport,
            configuration=configurations[self.transport],
            # Long enough for names to be looked up again, few enough to stay below the breaker.
            delivery={"retry_waits": [3] * 5, "timeout_seconds": 5},
        )
        return str(made["id"])


def cases(port: int) -> list[Case]:
    names = [name for name in NAMES if name.endswith(".test")]
    named = [(name.split(".")[1], name, port + 1 if "closed-port" in name else port) for name in names]
    literal = [(transport, host, port) for transport in TRANSPORTS for host in LITERALS]
    return [Case(*each) for each in (*named, *literal)]


def play(api: Api, all_cases: Sequence[Case]) -> None:
    """Send one event to each integration, by publishing or by the test button, until all have come to their ends."""
    events = {}
    for number, case in enumerate(all_cases):
        event_type = api.post("/v2/event-types", {"name": f"case.number{number}"}, status=201)["name"]
        integration_id = case.integrate(api, event_type)
        if "test-button" in case.host:
            events[integration_id] = api.post(f"/v2/integrations/{integration_id}/test", {}, status=202)["id"], case
        else:
            events[integration_id] = api.publish(1, event_type)[0], case
    wait_until(lambda: set(api.statuses()) <= {"delivered", "dead"}, "all have come to their ends", seconds=70)
    for event_id, case in events.values():
        (delivery,) = api.get(f"/v2/events/{event_id}/deliveries")["data"]
        case.delivery = api.get(f"/v2/deliveries/{delivery['id']}")["data"]


def reach(listener: Listener, port: int) -> list[str]:
    """Connect to every address directly, so that it is known that connections would be seen."""
    wanted = [*ADDRESSES, "127.0.0.1", "::1"]
    for address in wanted:
        socket.create_connection((address, port), timeout=5).close()
    wait_until(lambda: listener.connections.total() == len(wanted), "all connections were noted", seconds=10)
    reached = list(listener.connections)
    listener.connections.clear()
    return reached


def run(folder: Path) -> dict[str, Any]:
    wall_in(ADDRESSES, name_server=NAME_SERVER, folder=folder)
    port, api_port = free_port(), free_port()
    environment = {"POSTRIDER_API_KEY": API_KEY, "POSTRIDER_ALLOWED_NETWORKS": ALLOWED_NETWORK}
    all_cases = cases(port)
    with (
        NameServer(NAMES, host=NAME_SERVER) as names,
        Listener(port, public={PUBLIC, PUBLIC_IPV6}) as listener,
        Running(["up", "--port", str(api_port)], environment=environment, folder=folder),
        Api(api_port) as api,
    ):
        reached = reach(listener, port)
        play(api.ready(), all_cases)
    return {
        "reached": reached,
        "cases": [asdict(case) for case in all_cases],
        "connections": listener.connections,
        "asked": names.asked,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]))))
