"""`postrider secrets rotate`: encryption keys are changed under running processes, and in a stopped data folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from flows.installed import API_KEY, Api, Running
from flows.test_distributed import Deployment
from servers.postgres import PostgresServer
from servers.process import free_port, wait_until
from servers.receiver import Receiver, Request
from servers.redis import RedisServer
from standardwebhooks import Webhook

from postrider.runtime import build
from postrider.settings import Settings
from postrider.store import integrations
from postrider.store.secrets import new_key

MANY = 1_500


@pytest.fixture
def deployment(postgres_server: PostgresServer, redis_server: RedisServer, tmp_path: Path) -> Iterator[Deployment]:
    redis_server.flush()
    url = postgres_server.create_database()
    with Deployment(url, redis_server.url(0), tmp_path) as running:
        yield running
    postgres_server.drop_database(url)


def verifies(request: Request, secret: str) -> bool:
    return bool(Webhook(secret).verify(request.body, dict(request.headers)) == json.loads(request.body))


def copy_integration(deployment: Deployment, integration_id: str, count: int) -> None:
    """Store copies of an integration, of another event type, as the use case would, but in one transaction."""
    settings = Settings.model_validate(
        {name.removeprefix("POSTRIDER_").lower(): value for name, value in deployment.environment.items()}
    )
    runtime = build(settings)
    with runtime.services.database.write() as tx:
        made = integrations.any_tenant_get(tx, runtime.services.box, UUID(integration_id))
        assert made is not None
        for new_id in runtime.services.ids.many(count):
            integrations.add(
                tx,
                runtime.services.box,
                replace(made, id=new_id, observes=("cart.updated",)),
                secret_names=["secret_key"],
            )
    runtime.close()


@pytest.mark.long
def test_keys_are_changed_while_everything_runs(deployment: Deployment, receiver: Receiver) -> None:
    """Killed in the middle and run again beside web and worker, nothing is lost and the old key can go."""
    old = deployment.environment["POSTRIDER_SECRET_KEYS"]
    made = deployment.api.integrate(receiver.url)
    copy_integration(deployment, made["id"], MANY)
    deployment.environment["POSTRIDER_SECRET_KEYS"] = f"{new_key()},{old}"
    worker = deployment.worker()
    deployment.api.publish(20)

    with deployment.start("secrets", "rotate") as first:
        first.wait_for("integration: 100 looked at")
        first.kill()
    deployment.api.publish(20)
    said = deployment.run("secrets", "rotate")
    again = deployment.run("secrets", "rotate")

    assert f"under the first key {MANY + 2}, under other keys 0" in said
    assert 0 < int(said.split("encrypted anew ")[-1].split(",")[0]) <= MANY + 2
    assert f"encrypted anew 0, under the first key {MANY + 2}, under other keys 0" in again
    assert worker.terminate() == 0
    deployment.environment["POSTRIDER_SECRET_KEYS"] = deployment.environment["POSTRIDER_SECRET_KEYS"].split(",")[0]
    deployment.worker()
    deployment.api.publish(20)
    requests = receiver.wait_for(60, timeout=60)
    assert all(verifies(request, made["signing_secret"]) for request in requests)
    assert old not in said + again


def test_a_lost_key_is_told_by_the_exit_code(deployment: Deployment) -> None:
    """What cannot be read is named by its integration's id, without a secret, and the exit code says it too."""
    made = deployment.api.integrate("http://127.0.0.1:9/")
    kept = deployment.environment["POSTRIDER_SECRET_KEYS"]
    deployment.environment["POSTRIDER_SECRET_KEYS"] = new_key()

    with deployment.start("secrets", "rotate") as blind:
        code = blind.process.wait(60)

    assert code == 1
    assert f"cannot be read with any key: integration {made['id']}" in blind.text()
    assert "cannot be read with any key: installation pepper" in blind.text()
    assert kept not in blind.text()
    assert "Traceback" not in blind.text()


@pytest.mark.long
def test_a_data_folder_gets_a_new_key(tmp_path: Path, receiver: Receiver) -> None:
    """While `up` is stopped one command makes a new key, writes everything under it and drops the old one."""
    port, key_file = free_port(), tmp_path / "data" / "secret.key"
    environment = {"POSTRIDER_API_KEY": API_KEY}
    up = ["up", "--port", str(port), "--data-dir", "data"]
    rotate = ["secrets", "rotate", "--data-dir", "data", "--new-key"]
    with Running(up, environment=environment, folder=tmp_path) as process, Api(port).ready() as api:
        made = api.integrate(receiver.url)
        before = key_file.read_text()
        with Running(rotate, environment=environment, folder=tmp_path) as too_early:
            assert too_early.process.wait(60) == 1
            assert "another `postrider up` uses the data folder data" in too_early.text()
        assert process.terminate() == 0

    with Running(rotate, environment=environment, folder=tmp_path) as command:
        assert command.process.wait(60) == 0, command.text()
    after = key_file.read_text()

    assert len(after.split()) == 1
    assert after != before
    assert before not in command.text()
    assert key_file.stat().st_mode & 0o777 == 0o600
    with Running(up, environment=environment, folder=tmp_path), Api(port).ready() as api:
        api.publish()
        (request,) = receiver.wait_for(1)
        assert verifies(request, made["signing_secret"])


@pytest.mark.long
def test_a_data_folder_with_two_keys_is_rotated_while_up_runs(tmp_path: Path, receiver: Receiver) -> None:
    """A new first line in the key file, a restart, and everything is written under it without another stop."""
    port, key_file = free_port(), tmp_path / "data" / "secret.key"
    environment = {"POSTRIDER_API_KEY": API_KEY}
    up = ["up", "--port", str(port), "--data-dir", "data"]
    with Running(up, environment=environment, folder=tmp_path) as process, Api(port).ready() as api:
        api.integrate(receiver.url)
        assert process.terminate() == 0
    key_file.write_text(f"{new_key()}\n{key_file.read_text()}\n")

    with Running(up, environment=environment, folder=tmp_path) as process, Api(port).ready() as api:
        rotate = ["secrets", "rotate", "--data-dir", "data"]
        with Running(rotate, environment=environment, folder=tmp_path) as command:
            assert command.process.wait(60) == 0, command.text()
        api.publish()
        receiver.wait_for(1)
        wait_until(lambda: api.statuses() == {"delivered": 1}, "it is delivered", seconds=10)

    assert "under other keys 0" in command.text()
    assert len(key_file.read_text().split()) == 2


def test_files_of_the_data_folder_are_their_owners_alone(tmp_path: Path) -> None:
    """Database, journals, keys and folder, whatever the umask says."""
    port = free_port()
    umask = os.umask(0)
    try:
        process = Running(
            ["up", "--port", str(port), "--data-dir", "data"],
            environment={"POSTRIDER_API_KEY": API_KEY},
            folder=tmp_path,
        )
    finally:
        os.umask(umask)
    with process, Api(port).ready() as api:
        api.publish()
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}

    secret = {"postrider.db", "postrider.db-wal", "postrider.db-shm", "secret.key"}
    assert {name: modes[name] for name in secret} == dict.fromkeys(secret, 0o600)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
