"""RabbitMQ as Debian packages it, with its STOMP plugin, apart from any other RabbitMQ of the machine."""

import os
import shutil
import signal
from pathlib import Path

from servers.process import Process, accepts_connections, free_port
from servers.server import Server

PACKAGE = "rabbitmq-server"
# Not /usr/sbin/rabbitmq-server: that one changes the user and loses the environment.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def available() -> bool:
    """Tell whether the server and the port mapper that it needs are installed."""
    return _PROGRAM.exists() and shutil.which("epmd") is not None


class RabbitMqServer(Server):
    """One node with its own port mapper, data, logs and plugins; user and password are `guest`."""

    user = "guest"
    password = "guest"

    def __init__(self) -> None:
        super().__init__("rabbitmq")
        self.port = free_port()
        self.stomp_port = free_port()
        self._distribution_port = free_port()
        self._mapper_port = free_port()
        environment = self._environment()
        self._mapper = Process(
            ["epmd", "-port", str(self._mapper_port), "-address", self.host],
            folder=self._folder,
            environment=environment,
        )
        self._process = Process([_PROGRAM], folder=self._folder, environment=environment)

    @property
    def pids(self) -> list[int]:
        return [self._process.pid, self._mapper.pid]

    @property
    def url(self) -> str:
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}//"

    def start(self) -> None:
        """Start the node; returns when it listens for AMQP and STOMP. Durable queues come back with it."""
        self._mapper.start(ready=lambda: accepts_connections(self._mapper_port))
        try:
            self._process.start(ready=self._listens, seconds=90)
        except BaseException:
            self._mapper.stop()
            raise

    def stop(self) -> None:
        self._process.stop(patience=30)
        self._mapper.stop()

    def kill(self) -> None:
        """End the node without a word; `start` brings it back with what is durable."""
        self._process.stop(signal.SIGKILL)
        self._mapper.stop()

    def _listens(self) -> bool:
        return accepts_connections(self.stomp_port) and accepts_connections(self.port)

    def prepare(self) -> None:
        (self._folder / "rabbitmq.conf").write_text(
            f"stomp.listeners.tcp.1 = {self.host}:{self.stomp_port}\ndisk_free_limit.absolute = 50MB\n"
        )
        (self._folder / "enabled_plugins").write_text("[rabbitmq_stomp].\n")

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            # The Erlang cookie is kept in the home folder.
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": self.host,
            "ERL_CRASH_DUMP": str(folder / "crash.dump"),
            "RABBITMQ_NODENAME": f"postrider{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": self.host,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(folder / "node.pid"),
            # Makes the script become the node, so that the process we know is the one that must end.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
