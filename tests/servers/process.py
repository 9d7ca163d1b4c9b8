"""A real process that the tests started: waited for by condition, ended by its id."""

import atexit
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# Below Linux's range for outgoing connections: no client's own end takes the port while its server restarts.
_FIRST_PORT, _PORTS_OF_A_WORKER, _WORKERS = 20_000, 1_500, 8
_LOG_TAIL_LINES = 30
_SHORTEST_LOOK, _LONGEST_LOOK = 0.001, 0.02
"""Seconds between two looks: most of what tests wait for is there at once."""


class ServerNotReadyError(Exception):
    """A server that the tests need did not come up; the text holds the end of its log."""


def free_port() -> int:
    """Pick a port of 127.0.0.1 that nothing listens on, and that no test beside this one is about to take.

    Each of pytest's worker processes picks from ports of its own, as a server listens only a while after its port
    was picked.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    first = _FIRST_PORT + worker * _PORTS_OF_A_WORKER
    for port in random.sample(range(first, first + _PORTS_OF_A_WORKER), 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise ServerNotReadyError("no free port was found on 127.0.0.1")


def accepts_connections(port: int) -> bool:
    """Tell whether something listens on this port of 127.0.0.1."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = 30.0) -> None:
    """Return as soon as the condition holds; raise TimeoutError, naming `what`, when it does not in time."""
    give_up_at, pause = time.monotonic() + seconds, _SHORTEST_LOOK
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"waited {seconds:g} s in vain for: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_LOOK)


class Process:
    """One process in a session of its own, so that Ctrl-C reaches the tests and not their servers.

    Start it from the main thread: where setpriv exists the process is told to end when the thread that
    started it does, which is what cleans up after a test run that was killed.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self._command = [str(part) for part in command]
        self._folder = folder
        self._environment = environment
        self._user = user
        self._popen: subprocess.Popen[bytes] | None = None
        self.log = folder / "output.log"

    @property
    def pid(self) -> int:
        if self._popen is None:
            raise ServerNotReadyError(f"{self._command[0]} is not running")
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self, *, ready: Callable[[], bool], seconds: float = 60.0) -> None:
        """Start the process and return when `ready` says so.

        Raises ServerNotReadyError, with the end of the log, when the process ends or is not ready in time;
        nothing is left running then.
        """
        atexit.register(self.stop)
        try:
            self._spawn()
            what = f"{self._command[0]} to be ready"
            wait_until(lambda: not self.is_running or ready(), what, seconds=seconds)
        except TimeoutError as error:
            self.stop()
            raise ServerNotReadyError(f"{error}\n{self._log_tail()}") from error
        except BaseException:
            self.stop()
            raise
        if not self.is_running:
            self.stop()
            raise ServerNotReadyError(f"{self._command[0]} ended at once\n{self._log_tail()}")

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, patience: float = 15.0) -> None:
        """End the process and what it started, with SIGKILL once `patience` seconds ran out.

        A process that has ended already stays so.
        """
        atexit.unregister(self.stop)
        popen, self._popen = self._popen, None
        if popen is None:
            return
        # These two do nothing once the process has ended: its id may be someone else's by then.
        popen.send_signal(signal.SIGCONT)
        popen.send_signal(number)
        try:
            popen.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*ends_with_its_parent(), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
                **as_user(self._user),
            )

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])


def as_user(name: str | None) -> dict[str, Any]:
    """Tell subprocess to run the command as this user with no other groups; None: as who we are."""
    if name is None:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def ends_with_its_parent() -> list[str]:
    """Give the words before a command by which it is told to end when the thread that starts it does."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []
