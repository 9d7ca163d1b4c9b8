"""`postrider up`: everything in one process, with what it needs made on the first start and kept in a folder."""

from __future__ import annotations

import os
import shlex
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr

from postrider.bell.hear import BellThread
from postrider.control import keys, tenants
from postrider.domain.access import Permission
from postrider.domain.errors import NotAuthenticated
from postrider.runtime import Runtime, Worker, build, configure_logs, open_database
from postrider.services import Services
from postrider.settings import Settings
from postrider.store import tenants as stored_tenants
from postrider.store.migrate import migrate
from postrider.store.secrets import new_key
from postrider.store.tenants import Tenant
from postrider.web.app import create_app

LOOPBACK = ("127.0.0.0/8", "::1/128")


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

    def __init__(self, place: Place, given: Settings) -> None:
        """Migrate, and make or find the keys. Raises what `runtime.build` raises."""
        place.data.mkdir(parents=True, exist_ok=True)
        self._place = place
        self.settings = _completed(place, given)
        configure_logs(self.settings)
        database = open_database(self.settings)
        migrate(database)
        database.close()
        self._runtime: Runtime = build(self.settings)
        self.api_key = _api_key(place, self._runtime, self.settings)
        self._worker = Worker(self._runtime)
        self._worker.listen(self._runtime.bell)
        self._bell = BellThread(self._runtime.bell)
        self._publisher = self._runtime.publisher()
        app = create_app(self._runtime.services, self._publisher)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=place.host,
                port=place.port,
                access_log=False,
                log_level="warning",
                timeout_graceful_shutdown=5,
                timeout_keep_alive=30,
            )
        )

    def run(self, greeting: str) -> None:
        """Serve until SIGTERM or SIGINT; say `greeting` once requests are answered."""
        self._worker.start()
        self._bell.start()
        threading.Thread(target=self._greet, args=(greeting,), name="greeter", daemon=True).start()
        survive_signals()
        try:
            self._server.run()
        finally:
            self._publisher.stop()
            self._bell.stop()
            self._worker.stop()
            self._runtime.close()

    def _greet(self, greeting: str) -> None:
        while not self._server.started:
            if self._server.should_exit:
                return
            threading.Event().wait(0.02)
        print(greeting, flush=True)  # noqa: T201 - this is what the person who typed `up` reads


def survive_signals() -> None:
    """Let the server end by a signal without the process: uvicorn raises it once more when it has closed."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)


def _completed(place: Place, given: Settings) -> Settings:
    """Fill in what was not set: a database, a broker and keys of the data folder's own."""
    changes: dict[str, Any] = {}
    if not given.database_url.get_secret_value():
        changes["database_url"] = SecretStr(f"sqlite:///{(place.data / 'postrider.db').absolute()}")
    if not given.broker_url.get_secret_value():
        changes["broker_url"] = SecretStr("memory://localhost")
    if not given.secret_keys:
        changes["secret_keys"] = (SecretStr(_kept(place.data / "secret.key", new_key)),)
    if not given.allowed_networks:
        changes["allowed_networks"] = LOOPBACK
    if "public_url" not in given.model_fields_set:
        changes["public_url"] = place.url
    if "log_format" not in given.model_fields_set:
        changes["log_format"] = "text"
    return given.model_copy(update=changes)


def _kept(path: Path, make: Any) -> str:
    """Read a secret file, or make it, readable by its owner only."""
    if not path.exists():
        made = path.with_suffix(".new")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        made.rename(path)
    return path.read_text().strip()


def _api_key(place: Place, runtime: Runtime, settings: Settings) -> str:
    """Give the key of the first start: preset, kept from then, or made now."""
    path, services = place.data / "api.key", runtime.services
    preset = settings.api_key.get_secret_value() if settings.api_key else None
    known = preset or (path.read_text().strip() if path.exists() else None)
    if known is not None and _opens(services, known):
        return known
    tenant = _first_tenant(services)
    made = keys.create_key(services, tenant.id, name="postrider up", permissions=frozenset(Permission), preset=known)
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
        had = stored_tenants.any_tenant_list(tx, limit=1)
    return had[0] if had else tenants.create_tenant(services, name="default")


def greeting(place: Place, api_key: str) -> str:
    """Say where everything is, and give a command that can be pasted."""
    body = '{"data":{"type":"event","event_type":"order.paid","payload":{"data":{"type":"order","id":"1"}}}}'
    return "\n".join(
        (
            "",
            f"  Postrider is up:  {place.url}",
            f"  API key:          {api_key}",
            f"  Data:             {place.data}",
            "",
            "  Publish an event:",
            "",
            f"    curl {place.url}/v2/events -H 'Authorization: Bearer {api_key}' \\",
            f"      -H 'Content-Type: application/json' -d {shlex.quote(body)}",
            "",
        )
    )
