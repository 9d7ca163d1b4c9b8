"""The worker's door: `celery -A postrider.worker worker --pool threads`."""

from __future__ import annotations

import sys
import threading
from typing import Any

from celery.signals import worker_init, worker_shutting_down

from postrider.bell.app import make_app
from postrider.domain.errors import PostriderError
from postrider.runtime import Runtime, Worker, build, configure_logs
from postrider.settings import Settings


class _Process:
    """A Celery worker process: built when Celery starts, ended when Celery does."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._worker: Worker | None = None
        self._stopping: threading.Thread | None = None

    def open(self) -> None:
        """Put the process together; exits with a sentence when something is missing."""
        configure_logs(_settings)
        try:
            self._runtime = build(_settings)
        except PostriderError as error:
            sys.exit(f"postrider worker: {error.detail}")
        self._worker = Worker(self._runtime)
        self._worker.listen(app)
        self._worker.start()

    def begin_to_stop(self) -> None:
        """Claim no more from the moment of the signal on; what is in flight ends meanwhile."""
        # Celery calls this inside its signal handler, where nothing may wait.
        if self._worker is not None and self._stopping is None:
            self._stopping = threading.Thread(target=self._worker.stop, name="stopping")
            self._stopping.start()

    def close(self) -> None:
        """End the rest once Celery has ended, by a signal or because it failed."""
        self.begin_to_stop()
        if self._stopping is not None:
            self._stopping.join()
        if self._runtime is not None:
            self._runtime.close()


_settings = Settings()
app = make_app(_settings.broker_url.get_secret_value() or "memory://localhost", prefix=_settings.queue_prefix)
_process = _Process()


@worker_init.connect
def _on_start(**_: Any) -> None:
    _process.open()


@worker_shutting_down.connect
def _on_signal(**_: Any) -> None:
    _process.begin_to_stop()


def run(arguments: list[str]) -> None:
    """Run a worker process until it is told to stop: Celery's own `worker` with our settings."""
    try:
        # Nobody asks Celery which workers there are, so none tells the others of itself.
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        app.worker_main(["worker", "--pool", "threads", "--concurrency", "2", *quiet, *arguments])
    finally:
        _process.close()
