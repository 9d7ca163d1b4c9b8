"""ActiveMQ as Debian packages it, with a STOMP connector and a folder of its own."""

import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path

from servers.process import Process, free_port
from servers.server import Server

PACKAGE = "activemq"
_HOME = Path("/usr/share/activemq")
_JAR = _HOME / "bin" / "activemq.jar"

_CONFIGURATION = """\
<beans xmlns="http://www.springframework.org/schema/beans"
       xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
       xsi:schemaLocation="
         http://www.springframework.org/schema/beans http://www.springframework.org/schema/beans/spring-beans.xsd
         http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="postrider" dataDirectory="{folder}/data"
          persistent="false" useJmx="false" schedulerSupport="false">
    {plugins}
    <transportConnectors>
      <transportConnector name="stomp" uri="stomp://{host}:{port}"/>
    </transportConnectors>
  </broker>
</beans>
"""

_LOGIN = """\
<plugins>
      <simpleAuthenticationPlugin anonymousAccessAllowed="false">
        <users>
          <authenticationUser username="{user}" password="{password}" groups="users"/>
        </users>
      </simpleAuthenticationPlugin>
    </plugins>
"""


def available() -> bool:
    """Tell whether the broker and a Java to run it are installed."""
    return _JAR.exists() and shutil.which("java") is not None


class ActiveMqServer(Server):
    """One broker that keeps its queues in memory; with `login` it lets in only `user` with `password`."""

    user = "courier"
    password = "a-password-for-tests"

    def __init__(self, *, login: bool = False) -> None:
        super().__init__("activemq")
        self.port = free_port()
        self._login = login
        self._process = Process(
            [
                *("java", "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                *(
                    f"-Dactivemq.home={_HOME}",
                    f"-Dactivemq.base={self._folder}",
                    f"-Djava.io.tmpdir={self._folder}",
                ),
                *("-jar", _JAR, "start", f"xbean:file:{self._folder / 'activemq.xml'}"),
            ],
            folder=self._folder,
            environment={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self._folder)},
        )

    def start(self) -> None:
        """Start the broker, with empty queues; returns when it lets `user` in over STOMP."""
        self._process.start(ready=self._lets_in, seconds=90)

    def _lets_in(self) -> bool:
        # An open port is not enough: it may be another server's, or the broker's before it knows its users.
        hello = f"CONNECT\naccept-version:1.1\nhost:{self.host}\nlogin:{self.user}\npasscode:{self.password}\n\n\0"
        with suppress(OSError), socket.create_connection((self.host, self.port), timeout=5) as line:
            line.sendall(hello.encode())
            return line.recv(100).startswith(b"CONNECTED")
        return False

    def prepare(self) -> None:
        plugins = _LOGIN.format(user=self.user, password=self.password) if self._login else ""
        text = _CONFIGURATION.format(folder=self._folder, host=self.host, port=self.port, plugins=plugins)
        (self._folder / "activemq.xml").write_text(text)
