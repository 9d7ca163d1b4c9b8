"""The servers that rows play on: each started when the first row asks for it, ended with the grounds."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self

from servers.postgres import PostgresServer
from servers.rabbitmq import RabbitMqServer
from servers.redis import RedisServer


class Grounds:
    """Real servers, apart from those of other tests, because rows kill and freeze them.

    A row leaves each as it found it: running, and not frozen.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def postgres(self) -> PostgresServer:
        """A PostgreSQL that keeps what it was told through a power cut: fsync is on."""
        return self._stack.enter_context(PostgresServer(fsync=True))

    @cached_property
    def redis(self) -> RedisServer:
        return self._stack.enter_context(RedisServer())

    @cached_property
    def rabbitmq(self) -> RabbitMqServer:
        return self._stack.enter_context(RabbitMqServer())

    def folder(self) -> Path:
        """Make a folder that goes with the grounds."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="postrider-faults-")))
