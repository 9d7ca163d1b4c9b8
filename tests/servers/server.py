"""What every server of the tests has: a folder of its own, a way in and a way out."""

import shutil
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from servers.process import Process


class Server(ABC):
    """A context manager: inside it the server runs, after it neither process nor folder is left."""

    host = "127.0.0.1"
    _process: Process

    def __init__(self, name: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix=f"postrider-{name}-"))

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self._remove_folder()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._remove_folder()

    @property
    def pid(self) -> int:
        """The process id that a fault test may end."""
        return self._process.pid

    @property
    def pids(self) -> list[int]:
        """All processes that must be gone when the server has ended."""
        return [self.pid]

    def prepare(self) -> None:
        """Write what must stand in the folder before the first start."""
        return

    @abstractmethod
    def start(self) -> None:
        """Start the server on the port it always had; returns when it answers."""

    def stop(self) -> None:
        self._process.stop()

    def _remove_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
