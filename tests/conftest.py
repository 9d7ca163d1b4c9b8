"""The servers that tests ask for, and the rule that nothing is skipped where everything is installed."""

import os
from collections.abc import Generator, Iterator
from typing import TypeVar

import pytest
from servers import activemq, rabbitmq
from servers.activemq import ActiveMqServer
from servers.aws import AwsServer
from servers.postgres import PostgresServer
from servers.rabbitmq import RabbitMqServer
from servers.receiver import Receiver
from servers.redis import RedisServer
from servers.stomp_broker import StompBroker

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


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
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


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
