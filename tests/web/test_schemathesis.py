"""Nobody's request breaks the API, and its answers are those of its document: schemathesis tries, in all its phases.

The suite tries a few requests of each kind. For a long search set how many, for each operation and phase:
`POSTRIDER_TEST_EXAMPLES=500 pytest tests/web/test_schemathesis.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from api import Api

from postrider.domain.delivery import DeliveryStatus

EXAMPLES = int(os.environ.get("POSTRIDER_TEST_EXAMPLES", "4"))
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
PHASES = ("Examples", "Coverage", "Fuzzing", "Stateful")


@pytest.mark.long
@pytest.mark.timeout(120 if EXAMPLES <= 8 else 7_200)
def test_the_api_is_as_its_document_says(api: Api, tmp_path: Path) -> None:
    """No request of any phase is answered with a 5xx, or otherwise than the document says."""
    for status in (DeliveryStatus.PENDING, DeliveryStatus.DEAD, DeliveryStatus.DISCARDED, DeliveryStatus.DELIVERED):
        api.deliver_to_nobody(status, reason="seeded")
    configuration = tmp_path / "schemathesis.toml"
    # A scenario is short work beside all that is tried of one operation.
    stateful = f"[phases.stateful.generation]\nmax-examples = {3 * EXAMPLES}\n"
    configuration.write_text(CONFIGURATION.read_text() + stateful)

    run = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", configuration),
            *("run", f"http://127.0.0.1:{api.port}/openapi.json"),
            *("--header", f"Authorization: Bearer {api.key}"),
            *("--max-examples", str(EXAMPLES), "--seed", "1", "--continue-on-failure", "--request-timeout", "30"),
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert all(f"✅ {phase}" in run.stdout for phase in PHASES), run.stdout
    assert api.get("/v2/events").status_code == 200, "the key was revoked on the way: the run did not get far"
