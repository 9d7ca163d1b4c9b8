"""The README tells the truth: its table of settings, its commands and its requests are tried."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from click import Group
from flows.installed import Api, Running
from servers.process import free_port, wait_until

from postrider.cli import cli
from postrider.settings import Settings
from postrider.web.app import ROUTERS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def settings_table() -> str:
    """Write the settings as the README shows them."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        shown = "" if field.default in ((), None) or "SecretStr" in repr(field.default) else f"`{field.default}`"
        rows.append(f"| `POSTRIDER_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows)


def test_every_setting_is_told_of() -> None:
    """The table is the one that the settings' own declarations make."""
    told = re.search(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", README, re.DOTALL)

    assert told is not None
    assert told[1] == settings_table()


def test_every_command_is_told_of() -> None:
    """A command that nobody is told of is not there."""
    commands = {name for name in cli.commands if not isinstance(cli.commands[name], Group)}

    assert {name for name in commands if f"postrider {name}" not in README} == set()


def test_every_route_is_told_of() -> None:
    """Each path of the API stands in the README, by its full name or as a step behind one."""
    told = README.replace("{id}", "{}")
    routes = [route.path for router in ROUTERS for route in router.routes]  # type: ignore[attr-defined]
    paths = {re.sub(r"{[^}]*}", "{}", path) for path in routes}

    missing = {path for path in paths if path not in told and f"`/{path.rsplit('/', 1)[1]}`" not in told}

    assert missing == set()


def first_delivery() -> list[str]:
    """Give the shell blocks of the first delivery."""
    section = README.split("## Your first delivery")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def test_the_first_delivery_works_word_for_word(tmp_path: Path) -> None:
    """The README's own lines, with only the ports changed, bring an event to the receiver."""
    port, receiver_port = free_port(), free_port()
    listen, make, look = first_delivery()
    local = {"8080": str(port), "9000": str(receiver_port)}

    def lines(block: str) -> str:
        return re.sub("8080|9000", lambda found: local[found[0]], block)

    listening = shlex.split(lines(listen).replace("uv run postrider ", ""))
    with (
        Running(["up", "--port", str(port)], environment={}, folder=tmp_path) as up,
        Running(listening, environment={}, folder=tmp_path) as receiver,
    ):
        up.wait_for("API key:")
        receiver.wait_for("listening on")
        said = run(lines(make), tmp_path)
        receiver.wait_for("POST /orders", seconds=20)
        key = (tmp_path / ".postrider" / "api.key").read_text().strip()
        with Api(port, key) as api:
            wait_until(lambda: api.statuses() == {"delivered": 1}, "it is delivered", seconds=10)
        seen = run(lines(look) if "KEY=" in look else f"KEY={key}\n{lines(look)}", tmp_path)

    assert '"errors"' not in said + seen
    assert '"total": 1.10' in receiver.text()
    assert '"status":"delivered"' in seen.replace(": ", ":")


def run(script: str, folder: Path) -> str:
    return subprocess.run(
        ["bash", "-euc", script], cwd=folder, capture_output=True, text=True, check=True, timeout=30
    ).stdout


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:src|tests|deploy)/[\w./-]+)`", README))))
def test_files_that_are_named_are_there(path: str) -> None:
    """A path in the README leads somewhere."""
    assert (ROOT / path).exists()
