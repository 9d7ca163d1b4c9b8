"""`postrider up`: one command, and what was accepted survives its death."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flows.installed import API_KEY, COMMAND, Api, Running
from servers.process import free_port, wait_until
from servers.receiver import Receiver


@pytest.fixture
def port() -> int:
    return free_port()


def up(port: int, folder: Path, **environment: str) -> Running:
    given = {"POSTRIDER_API_KEY": API_KEY, **environment}
    return Running(["up", "--port", str(port), "--data-dir", "data"], environment=given, folder=folder)


@pytest.fixture
def running(port: int, tmp_path: Path) -> Iterator[Running]:
    with up(port, tmp_path) as process:
        yield process


def test_an_event_arrives_after_one_command(running: Running, port: int, receiver: Receiver) -> None:
    """Nothing but `up` is needed for an event to reach a receiver on this machine."""
    with Api(port).ready() as api:
        api.integrate(receiver.url)

        api.publish()

        (request,) = receiver.wait_for(1)
        assert request.headers["x-moltin-secret-key"] == "s3cret-key"
        wait_until(lambda: api.statuses() == {"delivered": 1}, "it is known as delivered", seconds=10)


def test_what_was_accepted_survives_sigkill(tmp_path: Path, port: int) -> None:
    """With the receiver away, 100 events and a SIGKILL, all 100 arrive when both are back."""
    with Receiver() as receiver:
        address, receiver_port = receiver.url, receiver.port
    with up(port, tmp_path) as first, Api(port).ready() as api:
        api.integrate(address)
        accepted = api.publish(100)
        first.kill()

    with back_on(receiver_port) as receiver, up(port, tmp_path), Api(port).ready() as api:
        receiver.wait_for(100, timeout=60)
        wait_until(lambda: api.statuses() == {"delivered": 100}, "all are delivered", seconds=60)
        events = {api.get(f"/v2/deliveries/{each}")["data"]["event_id"] for each in arrived(receiver)}

    assert events == set(accepted)


def back_on(port: int) -> Receiver:
    receiver = Receiver()
    receiver.port = port
    return receiver


def arrived(receiver: Receiver) -> set[str]:
    return {json.loads(request.body)["id"] for request in receiver.requests}


def test_a_second_start_keeps_key_and_data(tmp_path: Path, port: int) -> None:
    """The key made on the first start opens after the second, and what was made is still there."""
    for start in (1, 2):
        with Running(["up", "--port", str(port), "--data-dir", "data"], environment={}, folder=tmp_path) as process:
            process.wait_for("API key:")
            key = (tmp_path / "data" / "api.key").read_text().strip()
            with Api(port, key).ready() as api:
                if start == 1:
                    api.integrate("http://127.0.0.1:9/")
                assert len(api.get("/v2/integrations")["data"]) == 1
            assert process.terminate() == 0

    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / "api.key").stat().st_mode & 0o077 == 0


def test_the_link_of_the_greeting_signs_in_once(running: Running) -> None:
    """It opens the dashboard for whoever follows it first, and tells the next one what to do instead."""
    running.wait_for("API key:")
    link = running.text().split("Dashboard:")[1].split()[0]

    with httpx.Client(follow_redirects=True, trust_env=False) as visitor:
        overview = visitor.get(link)
    second = httpx.get(link, follow_redirects=True, trust_env=False)

    assert (overview.status_code, overview.url.path) == (200, "/dashboard/")
    assert "Sign out" in overview.text
    assert second.status_code == 410
    assert "This link was used already" in second.text
    assert "Sign out" not in second.text


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly(running: Running, port: int, receiver: Receiver, how: signal.Signals) -> None:
    """A signal ends it with code 0 while attempts are under way, which end first."""
    with Api(port).ready() as api:
        receiver.answer_after(0.5)
        api.integrate(receiver.url)
        api.publish(5)
        receiver.wait_for(1)

        running.process.send_signal(how)

        assert running.process.wait(20) == 0
    assert "Traceback" not in running.text()


def test_a_second_signal_ends_it_at_once(running: Running, port: int, receiver: Receiver) -> None:
    """The first one says what is waited for; whoever cannot wait asks again."""
    with Api(port).ready() as api:
        receiver.hang()
        api.integrate(receiver.url, delivery={"timeout_seconds": 60})
        api.publish()
        receiver.wait_for(1)

        running.process.send_signal(signal.SIGINT)
        running.wait_for("1 attempts under way")
        running.process.send_signal(signal.SIGINT)

        assert running.process.wait(10) == 130


def test_a_port_in_use_is_said_before_anything_is_done(tmp_path: Path, port: int) -> None:
    """One sentence with the port, and no worker that would take deliveries meanwhile."""
    with socket.create_server(("127.0.0.1", port)), up(port, tmp_path) as process:
        assert process.process.wait(60) == 1

        assert f"cannot listen on 127.0.0.1, port {port}" in process.text()
        assert "Traceback" not in process.text()
        assert not (tmp_path / "data" / "postrider.db").exists()


def test_a_data_folder_has_one_server(tmp_path: Path, port: int, running: Running) -> None:
    """A second `up` on the same folder says so instead of sharing it."""
    running.wait_for("API key:")

    with up(free_port(), tmp_path) as second:
        assert second.process.wait(60) == 1

        assert "another `postrider up` uses the data folder data" in second.text()


def test_any_free_port_is_told(tmp_path: Path) -> None:
    """With port 0 the greeting has the port that was found."""
    with up(0, tmp_path) as process:
        process.wait_for("Postrider is up:")
        port = int(process.text().split("http://127.0.0.1:")[1].split()[0])

        with Api(port) as api:
            api.ready()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"POSTRIDER_API_KEY": "short"}, "POSTRIDER_API_KEY: must have at least 24 characters"),
        ({"POSTRIDER_SECRET_KEYS": "nonsense"}, "POSTRIDER_SECRET_KEYS"),
        ({"POSTRIDER_ALLOWED_NETWORKS": "10.0.0.0/99"}, "10.0.0.0/99"),
        ({"POSTRIDER_RETENTION_DAYS": "0"}, "POSTRIDER_RETENTION_DAYS"),
        ({"POSTRIDER_DATABASE_URL": "postgresql+psycopg://127.0.0.1:1/none"}, "the database does not answer"),
        ({"POSTRIDER_DATABASE_URL": "nonsense"}, "POSTRIDER_DATABASE_URL: it is not a URL"),
        ({"POSTRIDER_DATABASE_URL": "mysql://host/db"}, "'mysql' is not supported"),
    ],
)
def test_a_wrong_setting_is_said_in_one_sentence(
    tmp_path: Path, port: int, environment: dict[str, str], words: str
) -> None:
    """The name of the variable and what is wrong with it, and no traceback."""
    with up(port, tmp_path, **environment) as process:
        assert process.process.wait(60) == 1

        assert words in process.text()
        assert "Traceback" not in process.text()


@pytest.mark.parametrize("command", ["web", "worker", "migrate"])
def test_without_settings_a_command_says_what_is_missing(command: str, tmp_path: Path) -> None:
    """Nothing is guessed outside `up`."""
    with Running([command], environment={}, folder=tmp_path) as process:
        assert process.process.wait(60) != 0

        assert "POSTRIDER_DATABASE_URL is not set" in process.text()
        assert "Traceback" not in process.text()


def test_help_is_there() -> None:
    """Every command explains itself."""
    said = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=True).stdout

    assert all(name in said for name in ("up", "web", "worker", "migrate", "bench", "tenants", "keys", "listen"))


def test_another_key_in_the_environment_ends_the_old_one(tmp_path: Path, port: int) -> None:
    """Who changes POSTRIDER_API_KEY locks out whoever has the old one, and what each did is told of it."""
    other = API_KEY[:-1] + "1"
    with up(port, tmp_path) as first, Api(port).ready() as api:
        api.post("/v2/event-types", {"name": "order.own"}, status=201)
        first.terminate()

    with up(port, tmp_path, POSTRIDER_API_KEY=other), Api(port, other).ready() as api:
        old = httpx.get(f"{api.base}/v2/events", headers={"Authorization": f"Bearer {API_KEY}"}, trust_env=False)
        log = api.get("/v2/audit-log")["data"]

    assert old.status_code == 401
    assert [(entry["actor"]["kind"], entry["action"]) for entry in log] == [
        ("command-line", "api-key.created"),
        ("command-line", "api-key.changed"),
        ("operator-key", "event-type.added"),
        ("command-line", "api-key.created"),
        ("command-line", "tenant.created"),
    ]
