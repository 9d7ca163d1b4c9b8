"""The suite itself: it leaves nothing running, and in CI it leaves nothing out."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from servers import rabbitmq
from servers.process import wait_until

_TEST_THAT_DIES = """
import signal
from pathlib import Path

def test_dies({fixtures}):
    pids = [pid for server in ({fixtures},) for pid in server.pids]
    Path("pids").write_text(" ".join(map(str, pids)))
    # A run that was started in the background ignores Ctrl-C, and hands that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.{signal})
    signal.pause()
"""

_TESTS_THAT_ARE_LEFT_OUT = {
    "test_skipped.py": "import pytest\ndef test_it(): pytest.skip('no broker')\n",
    "test_skipped_file.py": "import pytest\npytest.importorskip('no_such_library')\n",
    "test_expected.py": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert 0\n",
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that the user who runs PostgreSQL may enter, with the suite's conftest in it."""
    path = Path(tempfile.mkdtemp(prefix="postrider-suite-"))
    path.chmod(0o755)
    shutil.copy(Path(__file__).with_name("conftest.py"), path)
    yield path
    shutil.rmtree(path)


def test_ctrl_c_ends_the_servers(folder: Path) -> None:
    """Ctrl-C in the middle of a test leaves no server behind, nor its folder."""
    fixtures = ["redis_server", "stomp_broker", "postgres_server"]

    pids = _start_servers_and_die(folder, "SIGINT", fixtures)

    assert len(pids) == 3
    assert not any(_runs(pid) for pid in pids)
    assert not list(folder.glob("postrider-*"))


@pytest.mark.rabbitmq
@pytest.mark.skipif(not rabbitmq.available(), reason="needs RabbitMQ: apt-get install rabbitmq-server")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv: apt-get install util-linux")
def test_the_end_of_the_run_ends_the_servers(folder: Path) -> None:
    """A test run that was killed leaves no server behind."""
    fixtures = ["redis_server", "stomp_broker", "postgres_server", "rabbitmq_server"]

    pids = _start_servers_and_die(folder, "SIGKILL", fixtures)

    assert len(pids) == 5
    wait_until(lambda: not any(_runs(pid) for pid in pids), f"the servers {pids} to end")


def test_skips_fail_in_ci(folder: Path) -> None:
    """Where CI is set a skipped test or file fails and says why; an expected failure is no skip."""
    output = _run_tests(folder, _TESTS_THAT_ARE_LEFT_OUT, ci="true")

    assert "1 failed, 1 xfailed, 1 error" in output
    assert "CI does not allow: Skipped: no broker" in output
    assert "CI does not allow: Skipped: could not import 'no_such_library'" in output


def test_skips_are_skips_elsewhere(folder: Path) -> None:
    """A developer's machine need not have every server."""
    output = _run_tests(folder, _TESTS_THAT_ARE_LEFT_OUT, ci="")

    assert "2 skipped, 1 xfailed" in output


def _start_servers_and_die(folder: Path, signal: str, fixtures: list[str]) -> list[int]:
    """Run a test that asks for the servers and then sends itself the signal; return the servers' ids."""
    _run_tests(folder, {"test_it.py": _TEST_THAT_DIES.format(signal=signal, fixtures=", ".join(fixtures))}, ci="true")
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def _run_tests(folder: Path, files: dict[str, str], *, ci: str) -> str:
    """Run these test files under the suite's conftest; return what pytest printed."""
    for name, content in files.items():
        (folder / name).write_text(content)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider"),
            *("--continue-on-collection-errors", "--rootdir", str(folder), *files),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "CI": ci, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return run.stdout + run.stderr


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
