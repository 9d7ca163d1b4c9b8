"""The documents about other systems tell the truth: the example of each is run as it stands."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flows.installed import Api, Running
from servers.process import free_port, wait_until

DOCS = Path(__file__).parents[1] / "docs"
SYSTEMS = ("cxengage", "integration-points", "integrator-io", "ocamba-hood")


@dataclass(frozen=True)
class Scene:
    """A server and a receiver as the documents ask for them."""

    folder: Path
    ports: dict[str, str]
    receiver: Running
    api: Api

    def run(self, block: str) -> str:
        """Run a block of a document, with only the ports changed."""
        script = re.sub("8080|9000", lambda found: self.ports[found[0]], block)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return done.stdout


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Start both; each document has addresses and integrations of its own."""
    folder, port, receiver_port = tmp_path_factory.mktemp("documents"), free_port(), free_port()
    listening = ["listen", "--port", str(receiver_port)]
    with (
        Running(["up", "--port", str(port)], environment={}, folder=folder) as up,
        Running(listening, environment={}, folder=folder) as receiver,
    ):
        up.wait_for("API key:")
        receiver.wait_for("listening on")
        key = (folder / ".postrider" / "api.key").read_text().strip()
        with Api(port, key) as api:
            yield Scene(folder, {"8080": str(port), "9000": str(receiver_port)}, receiver, api)


def blocks(system: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (DOCS / f"{system}.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_example_brings_an_event_to_its_receiver(scene: Scene, system: str) -> None:
    """What it makes is one more integration of Elastic Path's API, and what it publishes arrives."""
    (example,) = blocks(system)
    (path,) = set(re.findall(r"127\.0\.0\.1:9000(/[\w/-]+)", example))
    before = len(scene.api.get("/v2/integrations")["data"])

    said = scene.run(example)

    assert '"error' not in said
    scene.receiver.wait_for(f"POST {path}", seconds=20)
    assert len(scene.api.get("/v2/integrations")["data"]) == before + 1
    wait_until(lambda: set(scene.api.statuses()) == {"delivered"}, "all is delivered", seconds=10)


def test_each_document_is_named_in_the_readme() -> None:
    """Nobody finds what nothing leads to."""
    readme = (DOCS.parent / "README.md").read_text()

    assert [path.name for path in sorted(DOCS.glob("*.md")) if f"docs/{path.name}" not in readme] == []
