"""The broker of one process: what is put is heard at once, and who listens can be told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from uuid import uuid4

from postrider.bell.app import FAN_OUT_TASK, make_app
from postrider.bell.hear import BellThread, bind
from postrider.bell.in_memory import News


def test_what_comes_between_a_look_and_the_wait_is_not_missed() -> None:
    """Who saw nothing and then waits does not wait when something came meanwhile."""
    news = News()
    seen = news.seen()

    news.tell()

    assert ends_soon(lambda: news.wait(seen, None))


def test_a_stop_of_the_bell_waited_for_two_seconds() -> None:
    """A ring is heard by the thread that listens though it looks for none, and so is its end."""
    heard = threading.Event()

    def fan_out() -> None:
        heard.set()

    def deliver(integration_ids: Iterable[str]) -> None:
        raise AssertionError(integration_ids)

    app = make_app("memory://", prefix=uuid4().hex)
    bind(app, fan_out=fan_out, deliver=deliver)
    listening = BellThread(app)
    listening.start()
    app.send_task(FAN_OUT_TASK, ignore_result=True)

    assert heard.wait(20)
    assert ends_soon(listening.stop)


def ends_soon(work: Callable[[], None]) -> bool:
    """Tell whether it ends well before anything that looks each second or two would let it."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(1.0)
    return not thread.is_alive()
