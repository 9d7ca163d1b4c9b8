"""A process that the bench started: asked over its standard input, ended by its id whatever happens."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from postrider.domain.errors import PostriderError

STOP_SECONDS = 15.0
ANSWER_SECONDS = 60.0
SHOWN_LINES = 15


class BenchFailed(PostriderError):  # noqa: N818 - it is shown to people as its sentence
    """The bench cannot be run, or not to its end; the message says why."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used."""

    cpu_seconds: float
    peak_memory_bytes: int | None = None
    """None where it cannot be told."""


class Child:
    """A context manager: inside it the process runs, after it it is gone."""

    def __init__(
        self, name: str, module: str, arguments: Sequence[str] = (), *, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        # A session of its own: Ctrl-C is for the bench, which then ends its children in order.
        self._process = subprocess.Popen(  # noqa: S603 - a module of ours
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=dict(environment),
            start_new_session=True,
        )
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, name=f"answers of {name}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()

    def ask(self, command: str, *, patience: float = ANSWER_SECONDS, **members: Any) -> dict[str, Any]:
        """Give a command and wait for its answer; BenchFailed when the process ended or says nothing."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            self._process.stdin.write(json.dumps({"do": command, **members}) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._answers.get(timeout=patience))
        except (OSError, queue.Empty, ValueError) as error:
            raise BenchFailed(f"{self.name} does not answer; its last words:\n{self._last_words()}") from error
        if "error" in answer:
            raise BenchFailed(f"{self.name} failed: {answer['error']}; its last words:\n{self._last_words()}")
        return answer

    def check(self) -> None:
        """Raise BenchFailed, with its last words, when the process has ended."""
        if self._process.poll() is not None:
            raise BenchFailed(f"{self.name} ended by itself; its last words:\n{self._last_words()}")

    def usage(self) -> Usage:
        """Ask what the process has used so far."""
        return Usage(**self.ask("usage"))

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in self._process.stdout:
            self._answers.put(line)
        # Ends the wait of whoever asked: the empty text is no JSON.
        self._answers.put("")

    def _last_words(self) -> str:
        self._log.seek(0)
        return "\n".join(self._log.read().decode(errors="replace").splitlines()[-SHOWN_LINES:])
