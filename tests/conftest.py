"""The servers that tests ask for, and the rule that nothing is skipped where everything is installed."""

import gc
import os
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

import boto3
import databases
import pytest
import structlog
from databases import CleanPostgresql
from house import House, build_house
from hypothesis import settings
from mypy_boto3_sqs import SQSClient
from quiet import ALONE, QUIET, Room, RunsOfFiles, in_good_order
from servers import activemq, rabbitmq
from servers.activemq import ActiveMqServer
from servers.aws import AwsServer
from servers.postgres import PostgresServer
from servers.rabbitmq import RabbitMqServer
from servers.receiver import Receiver
from servers.redis import RedisServer
from servers.stomp_broker import StompBroker

from postrider.store.engine import Database

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
# `--hypothesis-profile=deep`: for an hour's search instead of the suite's seconds; the tests say how much that is.
settings.register_profile("deep", settings.get_profile("default"), print_blob=True, deadline=None)

ROOM = pytest.StashKey[Room]()

# Many tests start processes of ours: each would compile every library again if it may not keep what it compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A logged error is told without every local variable of every frame: to draw those takes seconds.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def stomp_broker() -> Iterator[StompBroker]:
    with StompBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitMqServer]:
    _skip_without(rabbitmq.PACKAGE, installed=rabbitmq.available())
    with RabbitMqServer() as server:
        yield server


@pytest.fixture(scope="session")
def activemq_server() -> Iterator[ActiveMqServer]:
    """Run an ActiveMQ that lets everybody in."""
    _skip_without(activemq.PACKAGE, installed=activemq.available())
    with ActiveMqServer() as server:
        yield server


@pytest.fixture(scope="session")
def activemq_server_with_login() -> Iterator[ActiveMqServer]:
    """Run an ActiveMQ that wants its `user` and `password`."""
    _skip_without(activemq.PACKAGE, installed=activemq.available())
    with ActiveMqServer(login=True) as server:
        yield server


@pytest.fixture(scope="session")
def aws_server() -> Iterator[AwsServer]:
    with AwsServer() as server:
        yield server


@pytest.fixture
def sqs(aws_server: AwsServer) -> Iterator[SQSClient]:
    """Give an administrator's way into an SQS that knows no queue yet."""
    aws_server.reset()
    client: SQSClient = boto3.client(
        "sqs",
        endpoint_url=aws_server.endpoint_url,
        region_name=aws_server.region,
        aws_access_key_id="admin",
        aws_secret_access_key="admin",
    )
    yield client
    client.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture(scope="session")
def clean_postgresql(postgres_server: PostgresServer) -> CleanPostgresql:
    return CleanPostgresql(postgres_server, databases.migrated_postgresql(postgres_server))


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return databases.migrated_sqlite(tmp_path_factory.mktemp("template"))


@pytest.fixture
def sqlite(migrated_sqlite_file: Path, tmp_path: Path) -> Iterator[Database]:
    with databases.sqlite_database(migrated_sqlite_file, tmp_path) as database:
        yield database


@pytest.fixture
def postgresql(clean_postgresql: CleanPostgresql) -> Iterator[Database]:
    with clean_postgresql.lent() as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Give a fresh database; the test runs once for each kind."""
    opened: Database = request.getfixturevalue(request.param)
    return opened


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    with build_house(database) as built:
        yield built


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{ALONE}: measures time, so nothing else runs beside it")
    config.addinivalue_line("markers", f"{QUIET}: waits for a time, so only others of its kind run beside it")
    if run := getattr(config, "workerinput", {}).get("testrunuid"):
        config.stash[ROOM] = Room(run)


def pytest_unconfigure(config: pytest.Config) -> None:
    if room := config.stash.get(ROOM, None):
        room.close()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = in_good_order(items, frozenset({"bench", "browser", "demo", "flows", "machine"}))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of each search for garbage: to walk it takes a sixth of the time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> RunsOfFiles:
    return RunsOfFiles(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep tests that measure time from those that cost it; one process alone needs no room."""
    room = item.config.stash.get(ROOM, None)
    with room.entered(item) if room else nullcontext():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that was skipped, where CI says that everything it needs is there."""
    report = yield
    return _failed_if_skipped_in_ci(report)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a file that was skipped as a whole."""
    report = yield
    return _failed_if_skipped_in_ci(report)


def _failed_if_skipped_in_ci(report: Report) -> Report:
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if os.environ.get("CI") and skipped and isinstance(report.longrepr, tuple):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr[2]}"
    return report


def _skip_without(package: str, *, installed: bool) -> None:
    if not installed:
        pytest.skip(f"needs the server of the Debian package {package}: apt-get install {package}")
