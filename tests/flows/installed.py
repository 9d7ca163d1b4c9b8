"""Postrider as users run it: processes of their own, reached over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
from servers.process import ends_with_its_parent, free_port, wait_until

API_KEY = "pr_test_0000000000000000000000000000"
COMMAND = str(Path(sys.executable).parent / "postrider")


class Running:
    """A command of ours that runs until it is ended, or until the test run that started it is gone."""

    def __init__(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, program: str = COMMAND
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTRIDER_")}
        self.log = folder / f"{'-'.join(arguments[:1])}-{free_port()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*ends_with_its_parent(), program, *arguments],
                env={**kept, **environment},
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, words: str, *, seconds: float = 60) -> None:
        """Wait until the words stand in its output."""
        wait_until(
            lambda: words in self.text() or self.process.poll() is not None, f"{words!r} is said", seconds=seconds
        )
        assert words in self.text(), f"it ended with {self.process.poll()}: {self.text()}"

    def terminate(self, *, seconds: float = 30) -> int:
        """Ask it to stop, as a supervisor does, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it at once, with all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Api:
    """A client of the API."""

    def __init__(self, port: int, key: str = API_KEY) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(
            base_url=self.base, headers={"authorization": f"Bearer {key}"}, timeout=20, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ready(self, *, seconds: float = 60) -> Self:
        """Wait until it answers."""
        wait_until(self._is_ready, "the API is ready", seconds=seconds)
        return self

    def _is_ready(self) -> bool:
        try:
            return self._client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str, **query: Any) -> Any:
        answer = self._client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, data: Any, *, status: int = 200) -> Any:
        answer = self._client.post(path, json={"data": data})
        assert answer.status_code == status, answer.text
        return answer.json()["data"]

    def send(self, path: str, data: Any) -> httpx.Response:
        """Post, whatever the answer is."""
        return self._client.post(path, json={"data": data})

    def look(self, path: str) -> httpx.Response:
        """Get, whatever the answer is."""
        return self._client.get(path)

    def change(self, path: str, data: Any) -> Any:
        """Put."""
        answer = self._client.put(path, json={"data": data})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def integrate(self, url: str, *observes: str, **changes: Any) -> Any:
        """Create an enabled webhook integration that retries every second."""
        data = {
            "type": "integration",
            "name": "hook",
            "enabled": True,
            "integration_type": "webhook",
            "observes": list(observes) or ["order.paid"],
            "configuration": {"url": url, "secret_key": "s3cret-key"},
            "delivery": {"retry_waits": [1] * 30},
        }
        return self.post("/v2/integrations", {**data, **changes})

    def publish(self, count: int = 1, event_type: str = "order.paid") -> list[str]:
        """Publish events one by one; gives their ids."""
        event = {"type": "event", "event_type": event_type, "payload": {"data": {"type": "order", "id": "1"}}}
        return [self.post("/v2/events", event, status=202)["id"] for _ in range(count)]

    def statuses(self) -> dict[str, int]:
        """Count all deliveries by status."""
        counts: dict[str, int] = {}
        path: str | None = "/v2/deliveries?page[limit]=100"
        while path:
            answer = self._client.get(path)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            for delivery in page["data"]:
                counts[delivery["status"]] = counts.get(delivery["status"], 0) + 1
            path = page.get("links", {}).get("next")
        return counts
