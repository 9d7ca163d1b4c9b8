"""`postrider up --demo`: something to look at, and something to mend."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flows.installed import API_KEY, Api, Running
from servers.process import free_port, wait_until


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def demo(port: int, tmp_path: Path) -> Iterator[Running]:
    with started(port, tmp_path) as process:
        yield process


def started(port: int, folder: Path) -> Running:
    command = ["up", "--port", str(port), "--data-dir", "data", "--demo"]
    return Running(command, environment={"POSTRIDER_API_KEY": API_KEY}, folder=folder)


def integrations(api: Api) -> dict[str, Any]:
    return {one["name"]: one for one in api.get("/v2/integrations")["data"]}


def of(api: Api, integration: dict[str, Any], status: str) -> list[dict[str, Any]]:
    """List some deliveries of an integration that have a status."""
    found: list[dict[str, Any]] = api.get(
        "/v2/deliveries", integration_id=integration["id"], status=status, **{"page[limit]": 100}
    )["data"]
    return found


def test_a_person_finds_out_why_mends_it_and_redrives_all(demo: Running, port: int) -> None:
    """The healthy and the slow receiver get their orders; the failing one's are dead with the reason.

    Its answers say where it has moved to; with that address, and a redrive of all, everything arrives.
    """
    with Api(port).ready() as api:
        made = integrations(api)
        failing = made["Accounting"]
        wait_until(lambda: len(of(api, failing, "dead")) >= 2, "there are dead letters", seconds=30)
        letter = api.get(f"/v2/deliveries/{of(api, failing, 'dead')[0]['id']}")["data"]
        answer = letter["attempts"][-1]
        healthy_url = re.search(r"http://[\w.:]+/orders", json.loads(answer["response_body"])["message"])
        assert healthy_url

        assert (answer["status_code"], letter["error"]) == (500, "http_500")
        assert of(api, made["Warehouse"], "delivered")
        slow = api.get(f"/v2/deliveries/{of(api, made['Analytics'], 'delivered')[0]['id']}")["data"]
        assert slow["attempts"][-1]["duration_ms"] >= 1_000
        assert made["Warehouse"]["configuration"]["url"] == healthy_url[0]

        mended = {**failing["configuration"], "url": healthy_url[0]}
        api.change(f"/v2/integrations/{failing['id']}", {"type": "integration", "configuration": mended})
        dead = {one["id"] for one in of(api, failing, "dead")}
        api.post("/v2/dead-letters/redrive", {"filter": {"integration_id": failing["id"]}}, status=202)

        wait_until(
            lambda: dead <= {one["id"] for one in of(api, failing, "delivered")} and not of(api, failing, "dead"),
            "all of it is delivered",
            seconds=20,
        )


def test_the_greeting_stays_in_sight(demo: Running, port: int) -> None:
    """It tells what there is to do, and what goes well does not push it away."""
    demo.wait_for("Accounting does not get its own")
    with Api(port).ready() as api:
        wait_until(lambda: of(api, integrations(api)["Warehouse"], "delivered"), "orders arrive", seconds=20)

    assert "attempt.finished" not in demo.text()


@pytest.mark.long
def test_a_second_start_finds_what_the_first_has_made(tmp_path: Path, port: int) -> None:
    """The same three integrations and ports; what was mended stays so, what was deleted is there again."""
    with started(port, tmp_path) as process, Api(port).ready() as api:
        process.wait_for("Demo:")
        first = integrations(api)
        healthy = first["Warehouse"]["configuration"]["url"]
        mended = {**first["Accounting"]["configuration"], "url": healthy}
        api.change(f"/v2/integrations/{first['Accounting']['id']}", {"type": "integration", "configuration": mended})
        assert process.terminate() == 0
        assert not answers(healthy)

    with started(port, tmp_path) as process, Api(port).ready() as api:
        process.wait_for("Demo:")
        second = integrations(api)

        assert {name: one["id"] for name, one in second.items()} == {name: one["id"] for name, one in first.items()}
        assert second["Warehouse"]["configuration"]["url"] == healthy
        assert second["Accounting"]["configuration"]["url"] == healthy


@pytest.mark.long
def test_a_port_that_is_taken_is_replaced(tmp_path: Path, port: int) -> None:
    """The receiver goes to another one, and the integrations that lead to it follow."""
    with started(port, tmp_path) as process, Api(port).ready() as api:
        process.wait_for("Demo:")
        first = integrations(api)
        assert process.terminate() == 0
    taken = port_of(first["Warehouse"]["configuration"]["url"])

    with socket.create_server(("127.0.0.1", taken)), started(port, tmp_path) as process, Api(port).ready() as api:
        process.wait_for("Demo:")
        second = integrations(api)
        begun = time.monotonic()
        wait_until(lambda: of(api, second["Warehouse"], "delivered"), "orders arrive again", seconds=20)

    assert time.monotonic() - begun < 20
    assert second["Warehouse"]["id"] == first["Warehouse"]["id"]
    assert port_of(second["Warehouse"]["configuration"]["url"]) != taken
    assert second["Analytics"]["configuration"]["url"] == first["Analytics"]["configuration"]["url"]


@pytest.mark.long
def test_a_file_that_cannot_be_read_is_made_anew(tmp_path: Path, port: int) -> None:
    """It is the demo's own; a broken one must not keep `up` from starting."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo.json").write_text('{"ports": []}')

    with started(port, tmp_path), Api(port).ready() as api:
        assert set(integrations(api)) == {"Warehouse", "Analytics", "Accounting"}


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def answers(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port_of(url)), timeout=1).close()
    except OSError:
        return False
    return True
