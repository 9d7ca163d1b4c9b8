"""Moto's server in the place of AWS: a process that notes what is put into its queues, and keeps none of it.

Moto walks through a queue with every call, so one that fills up makes it slower and slower: what is sent would wait
for its answer until its deadline. What is noted here has been through all of moto's own checks.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from moto.server import main
from moto.sqs.models import Message, Queue

from .arrivals import Arrivals
from .measured import answer_commands


def noting(arrivals: Arrivals) -> Callable[[Queue, Message], None]:
    """Make what stands in for moto's putting a message into a queue; its server calls it from many threads."""
    lock = threading.Lock()

    def note(_: Queue, message: Message) -> None:
        with lock:
            arrivals.add(message.message_attributes["webhook-id"]["StringValue"].encode())

    return note


if __name__ == "__main__":
    came, port = Arrivals(), sys.argv[1]
    Queue.add_message = noting(came)  # type: ignore[method-assign, assignment]
    answer_commands({"port": lambda: {"port": int(port)}, **came.commands()})
    main(["--host", "127.0.0.1", "--port", port])
