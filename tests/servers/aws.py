"""Moto's server: the AWS API on this machine."""

import sys
import urllib.request

from servers.process import Process, free_port
from servers.server import Server


class AwsServer(Server):
    """One server that answers for every AWS service, takes any credentials and keeps all in memory."""

    region = "eu-central-1"

    def __init__(self) -> None:
        super().__init__("aws")
        self.port = free_port()
        self.endpoint_url = f"http://{self.host}:{self.port}"
        self._process = Process(
            [sys.executable, "-m", "moto.server", "--host", self.host, "--port", str(self.port)],
            folder=self._folder,
        )

    def start(self) -> None:
        """Start the server, knowing nothing; returns when it answers over HTTP."""
        self._process.start(ready=self._answers)

    def reset(self) -> None:
        """Forget every queue and message."""
        self._ask("POST", "/moto-api/reset")

    def _answers(self) -> bool:
        try:
            self._ask("GET", "/moto-api/data.json")
        except OSError:
            return False
        return True

    def _ask(self, method: str, path: str) -> None:
        request = urllib.request.Request(self.endpoint_url + path, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            answer.read()
