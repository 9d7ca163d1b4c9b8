"""`postrider up`: everything in one process, with what it needs made on the first start and kept in a folder."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import uvicorn
from pydantic import SecretStr

from postrider import runtime
from postrider.bell.hear import BellThread
from postrider.control import keys, tenants
from postrider.control.rotation import Rotation
from postrider.demo.scene import Demo
from postrider.domain.access import COMMAND_LINE, Permission
from postrider.domain.errors import NotAuthenticated, NotReadyToStart
from postrider.runtime import Runtime, Worker, build, configure_logs, open_database
from postrider.services import Services
from postrider.settings import Settings
from postrider.store import tenants as stored_tenants
from postrider.store.migrate import migrate
from postrider.store.processes import ProcessKind
from postrider.store.secrets import new_key as make_key
from postrider.store.tenants import Tenant
from postrider.web.app import create_app
from postrider.web.dashboard.session import PATH as DASHBOARD
from postrider.web.dashboard.sign_in_codes import SignInCodes
from postrider.web_server import WebConfig, limits, patience

LOOPBACK = ("127.0.0.0/8", "::1/128")
KEY_FILE = "secret.key"
"""Encryption keys, one a line."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where `up` listens and keeps its things."""

    host: str
    port: int
    data: Path

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class Embedded:
    """API, publisher and worker in one process."""

    def __init__(self, place: Place, given: Settings, *, demo: bool = False) -> None:
        """Migrate, and make or find the keys. Raises what `runtime.build` raises.

        `demo` adds receivers, integrations and a stream of events to the tenant of the first key.
        """
        self._lock = _take(place.data)
        self._socket = _listen(place)
        place = replace(place, port=self._socket.getsockname()[1])
        self.place = place
        _close_to_others(place.data)
        self.settings = _completed(place.data, given)
        if "public_url" not in given.model_fields_set:
            self.settings = self.settings.model_copy(update={"public_url": place.url})
        # Two events a second would soon carry the greeting out of sight.
        configure_logs(self.settings, least=logging.WARNING if demo else logging.INFO)
        database = open_database(self.settings)
        migrate(database)
        database.close()
        self._runtime: Runtime = build(self.settings)
        self.api_key = _api_key(place, self._runtime, self.settings)
        self._worker = Worker(self._runtime)
        self._worker.listen(self._runtime.bell)
        self._bell = BellThread(self._runtime.bell)
        self._publisher = self._runtime.publisher()
        self._presence = self._runtime.presence(ProcessKind.WEB)
        self._key = keys.find_key(self._runtime.services, self.api_key)
        self._demo = self._make_demo() if demo else None
        self._codes = SignInCodes()
        app = create_app(self._runtime.services, self._publisher, limits(self.settings), self._codes)
        self._server = uvicorn.Server(
            WebConfig(
                app,
                patience=patience(self.settings),
                host=place.host,
                port=place.port,
                timeout_graceful_shutdown=5,
                log_config=None,
            )
        )

    def dashboard_link(self) -> str:
        """Make a link that signs in with the API key, once."""
        return f"{self.place.url}{DASHBOARD}/sign-in/{self._codes.make(self._key.id)}"

    def run(self, greeting: str) -> None:
        """Serve until SIGTERM or SIGINT; say `greeting` once requests are answered."""
        self._worker.start()
        self._bell.start()
        self._presence.start()
        if self._demo:
            self._demo.start()
        threading.Thread(target=self._greet, args=(greeting,), name="greeter", daemon=True).start()
        survive_signals(self._worker.in_flight)
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._presence.stop()
            if self._demo:
                self._demo.stop()
            self._publisher.stop()
            self._bell.stop()
            self._worker.stop()
            self._runtime.close()

    def _make_demo(self) -> Demo:
        return Demo(self._runtime.services, self._publisher, self._key.tenant_id, data=self.place.data)

    def _greet(self, greeting: str) -> None:
        while not self._server.started:
            if self._server.should_exit:
                return
            threading.Event().wait(0.02)
        print(greeting, flush=True)  # noqa: T201 - this is what the person who typed `up` reads


def survive_signals(in_flight: Callable[[], int]) -> None:
    """Let a signal end the server and not the process, so that what is under way can end; the next one ends it all.

    uvicorn raises the signal once more when it has closed: that is the first that comes here.
    """
    heard: list[int] = []

    def hear(number: int, _: object) -> None:
        heard.append(number)
        if len(heard) > 1:
            # Safe at any moment: what was under way is sent again when its lease ends.
            os._exit(128 + number)
        if in_flight():
            print(f"postrider: stopping; {in_flight()} attempts under way end first. Again to quit now.", flush=True)  # noqa: T201

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hear)


def rotate_keys(data: Path, given: Settings, *, new_key: bool, tell: Callable[[str], None]) -> Rotation:
    """Write every stored secret of a data folder anew under the first key of its key file.

    With `new_key` a new one is made first, and those before it are dropped when they are needed no more; nobody may use
    the folder meanwhile. Killed in between, it can be run again: both keys are in the file.
    """
    path = data / KEY_FILE
    if not path.exists():
        raise NotReadyToStart(f"{path} is not there: give the data folder of a `postrider up`")
    if not new_key:
        return runtime.rotate_keys(_completed(data, given), tell=tell)
    if given.secret_keys:
        raise NotReadyToStart("the keys are those of POSTRIDER_SECRET_KEYS: put a new one before them there")
    with _take(data):
        _write_secret(path, "\n".join((make_key(), *_keys(path))))
        rotated = runtime.rotate_keys(_completed(data, given), tell=tell)
        if rotated.complete:
            _write_secret(path, _keys(path)[0])
    return rotated


def _take(data: Path) -> IO[str]:
    """Have the data folder to ourselves until the process ends, or the file is closed."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data / "lock").open("w")
    except OSError as error:
        raise NotReadyToStart(f"the data folder {data} cannot be used: {error.strerror}") from None
    if sys.platform != "win32":
        import fcntl  # noqa: PLC0415 - it does not exist for Windows

        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise NotReadyToStart(f"another `postrider up` uses the data folder {data}") from None
    return lock


def _listen(place: Place) -> socket.socket:
    """Take the port before anything else is done."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        return socket.create_server((place.host, place.port), family=family, backlog=2048)
    except OSError as error:
        raise NotReadyToStart(f"cannot listen on {place.host}, port {place.port}: {error.strerror}") from None


def _close_to_others(data: Path) -> None:
    """Make the database of an earlier version its owner's alone, as new ones are."""
    for path in data.glob("postrider.db*"):
        path.chmod(0o600)


def _completed(data: Path, given: Settings) -> Settings:
    """Fill in what was not set: a database, a broker and keys of the data folder's own."""
    changes: dict[str, Any] = {}
    if not given.database_url.get_secret_value():
        changes["database_url"] = SecretStr(f"sqlite:///{(data / 'postrider.db').absolute()}")
    if not given.broker_url.get_secret_value():
        changes["broker_url"] = SecretStr("memory://localhost")
    if not given.secret_keys:
        _kept(data / KEY_FILE, make_key)
        changes["secret_keys"] = tuple(SecretStr(key) for key in _keys(data / KEY_FILE))
    if not given.allowed_networks:
        changes["allowed_networks"] = LOOPBACK
    if "log_format" not in given.model_fields_set:
        changes["log_format"] = "text"
    return given.model_copy(update=changes)


def _keys(path: Path) -> list[str]:
    """Read the encryption keys of a key file, one a line: the first encrypts, all decrypt."""
    return path.read_text().split()


def _write_secret(path: Path, text: str) -> None:
    """Write a secret file, readable by its owner only: all of it or nothing, and not lost with the power."""
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    made.replace(path)


def _kept(path: Path, make: Any) -> str:
    """Read a secret file, or make it."""
    if not path.exists():
        _write_secret(path, make())
    kept = path.read_text().strip()
    if not kept:
        raise NotReadyToStart(f"{path} is empty: put its key back, or remove it")
    return kept


def _api_key(place: Place, runtime: Runtime, settings: Settings) -> str:
    """Give the key of the first start: preset, kept from then, or made now."""
    path, services = place.data / "api.key", runtime.services
    preset = settings.api_key.get_secret_value() if settings.api_key else None
    known = preset or (path.read_text().strip() if path.exists() else None)
    keys.set_environment_key(services, preset, by=COMMAND_LINE)
    if known is not None and _opens(services, known):
        return known
    made = keys.create_key(
        services,
        _first_tenant(services).id,
        name="POSTRIDER_API_KEY" if preset else "postrider up",
        permissions=frozenset(Permission),
        preset=known,
        from_environment=preset is not None,
        by=COMMAND_LINE,
    )
    if made.key.revoked_at is not None:
        source = "POSTRIDER_API_KEY" if preset else str(path)
        raise NotReadyToStart(f"the API key of {source} was revoked: set another one, or remove the file to get one")
    if preset is None:
        _kept(path, lambda: made.secret)
    return made.secret


def _opens(services: Services, key: str) -> bool:
    try:
        keys.find_key(services, key)
    except NotAuthenticated:
        return False
    return True


def _first_tenant(services: Services) -> Tenant:
    with services.database.read() as tx:
        had = stored_tenants.any_tenant_oldest(tx)
    return had if had is not None else tenants.create_tenant(services, name="default", by=COMMAND_LINE)


_ABOUT_DEMO = (
    "",
    "  Demo:             three integrations and a stream of orders. Accounting does not get its own:",
    "                    find out why on the dashboard, mend its address, redrive its dead letters.",
)


def greeting(place: Place, api_key: str, dashboard: str, *, demo: bool = False) -> str:
    """Say where everything is, and give a command that can be pasted; `dashboard` is a link that signs in once."""
    body = '{"data":{"type":"event","event_type":"order.paid","payload":{"data":{"type":"order","id":"1"}}}}'
    return "\n".join(
        (
            "",
            f"  Postrider is up:  {place.url}",
            f"  Dashboard:        {dashboard}",
            "                    (signs in once; later with the API key)",
            f"  API key:          {api_key}",
            f"  Data:             {place.data}",
            *(_ABOUT_DEMO if demo else ()),
            "",
            "  Publish an event:",
            "",
            f"    curl {place.url}/v2/events -H 'Authorization: Bearer {api_key}' \\",
            f"      -H 'Content-Type: application/json' -d {shlex.quote(body)}",
            "",
        )
    )
