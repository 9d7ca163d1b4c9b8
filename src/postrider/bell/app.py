"""The Celery app: a doorbell. Its messages say where to look and may be lost or doubled without harm."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from . import in_memory

Bell = Celery
"""The app, by the name that other rooms know it by."""

FAN_OUT_TASK = "postrider.fan_out"
DELIVER_TASK = "postrider.deliver"

QUEUE_LENGTH = 10_000
"""A stopped worker must not fill RabbitMQ."""


def make_app(broker_url: str, *, prefix: str = "postrider") -> Bell:
    """Make the app for a broker; `prefix` begins the names of its two queues."""
    in_process = broker_url.startswith("memory")
    # As a URL it would name kombu's own transport.
    app = Celery("postrider", broker="localhost" if in_process else broker_url, set_as_current=False)
    app.conf.update(_settings(broker_url))
    if in_process:
        app.conf.broker_transport = f"{in_memory.__name__}:{in_memory.Transport.__name__}"
    app.conf.task_queues = [_queue(f"{prefix}.fan_out", broker_url), _queue(f"{prefix}.deliver", broker_url)]
    app.conf.task_routes = {
        FAN_OUT_TASK: {"queue": f"{prefix}.fan_out"},
        DELIVER_TASK: {"queue": f"{prefix}.deliver"},
    }
    app.conf.task_default_queue = f"{prefix}.deliver"
    return app


def _queue(name: str, broker_url: str) -> Queue:
    arguments: dict[str, Any] | None = None
    if broker_url.startswith("amqp"):
        # A quorum queue survives a broker node; the oldest rings are the ones to lose.
        arguments = {"x-queue-type": "quorum", "x-max-length": QUEUE_LENGTH, "x-overflow": "drop-head"}
    # Keeping books about what is not acknowledged yet costs kombu more than all the rest of a ring in Redis, and a
    # ring that was lost costs a second.
    no_ack = not broker_url.startswith("amqp")
    return Queue(
        name, Exchange(name, type="direct"), routing_key=name, queue_arguments=arguments, durable=True, no_ack=no_ack
    )


def _settings(broker_url: str) -> dict[str, Any]:
    return {
        "task_acks_late": False,
        "task_ignore_result": True,
        "result_backend": None,
        "task_publish_retry": False,
        "broker_pool_limit": 2,
        "broker_pool_acquire_timeout": 2,
        "broker_connection_timeout": 2,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A Redis that is full, or cannot save, refuses commands: a worker that ends for that would leave what it sent.
        "broker_channel_error_retry": True,
        "worker_pool": "threads",
        "worker_concurrency": 2,
        "worker_prefetch_multiplier": 16,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "worker_enable_remote_control": False,
        # Quorum queues take a prefetch limit for each consumer only: under one for the channel nobody may consume.
        "worker_detect_quorum_queues": True,
        "broker_native_delayed_delivery_queue_type": "classic",
        "task_create_missing_queues": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "broker_transport_options": _transport_options(broker_url),
    }


def _transport_options(broker_url: str) -> dict[str, Any]:
    if broker_url.startswith("memory"):
        return {}
    if broker_url.startswith("amqp"):
        return {"confirm_publish": True, "read_timeout": 2, "write_timeout": 2}
    return {
        "visibility_timeout": 120,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }
