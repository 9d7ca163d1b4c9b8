"""A distributed Postrider as users run it: a web process and workers of their own, over a database and a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from flows.installed import COMMAND, Api, Running
from servers.process import free_port

from postrider.control import keys, tenants
from postrider.domain.access import TENANT_PERMISSIONS
from postrider.runtime import build, open_database
from postrider.settings import Settings
from postrider.store.migrate import migrate
from postrider.store.secrets import new_key


class Deployment:
    """A database, a broker's address, one web process and as many workers as wanted."""

    def __init__(
        self, database_url: str, broker_url: str, folder: Path, *, changes: Mapping[str, str] | None = None
    ) -> None:
        """`changes` go into the processes' environment."""
        self.port, self.folder = free_port(), folder
        self.environment = {
            "POSTRIDER_DATABASE_URL": database_url,
            "POSTRIDER_BROKER_URL": broker_url,
            "POSTRIDER_SECRET_KEYS": new_key(),
            "POSTRIDER_ALLOWED_NETWORKS": "127.0.0.0/8",
            "POSTRIDER_LEASE_MARGIN_SECONDS": "1",
            **(changes or {}),
        }
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.key = self._first_key()
            self.web = self.start_web()
            self.api = self._stack.enter_context(Api(self.port, self.key)).ready()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _first_key(self) -> str:
        """Do what `migrate` and `tenants create` do, without the time that two more processes take to start."""
        settings = Settings.model_validate(
            {
                name.removeprefix("POSTRIDER_").lower(): value
                for name, value in self.environment.items()
                if name.startswith("POSTRIDER_")
            }
        )
        database = open_database(settings)
        migrate(database)
        database.close()
        runtime = build(settings)
        tenant = tenants.create_tenant(runtime.services, name="shop")
        made = keys.create_key(runtime.services, tenant.id, name="first", permissions=TENANT_PERMISSIONS)
        runtime.close()
        return made.secret

    def run(self, *arguments: str) -> str:
        with Running(arguments, environment=self.environment, folder=self.folder) as process:
            assert process.process.wait(60) == 0, process.text()
            return process.text()

    def start(
        self, *arguments: str, changes: Mapping[str, str] | None = None, command: Sequence[str] = (COMMAND,)
    ) -> Running:
        program, *first = command
        return Running(
            [*first, *arguments],
            environment={**self.environment, **(changes or {})},
            folder=self.folder,
            program=program,
        )

    def start_web(self) -> Running:
        """Start the web process, on the port it always had."""
        return self._stack.enter_context(self.start("web", "--port", str(self.port), "--host", "127.0.0.1"))

    def worker(self, *, changes: Mapping[str, str] | None = None, command: Sequence[str] = (COMMAND,)) -> Running:
        return self._stack.enter_context(self.start("worker", changes=changes, command=command))
