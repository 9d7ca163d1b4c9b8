"""CoilMQ, a small STOMP 1.0 and 1.1 broker that every machine with Python can run."""

import sys

from servers.process import Process, accepts_connections, free_port
from servers.server import Server


class StompBroker(Server):
    """One broker that keeps its queues in memory and lets everybody in; it answers receipts."""

    def __init__(self) -> None:
        super().__init__("stomp")
        self.port = free_port()
        self._process = Process(
            [sys.executable, "-m", "coilmq.start", "--host", self.host, "--port", str(self.port)],
            folder=self._folder,
        )

    def start(self) -> None:
        """Start the broker, with empty queues; returns when it accepts connections."""
        self._process.start(ready=lambda: accepts_connections(self.port))
