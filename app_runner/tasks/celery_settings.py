"""Celery's settings out of ours: how long it waits for a broker, and what it keeps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from amqp.exceptions import AMQPError
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app_runner.config import Settings
from app_runner.db.engine import database_url
from app_runner.tasks.queues import REDIS_CLASSES

LOG = logging.getLogger(__name__)

#: Seconds; a message must be out (or refused) within twice this time.
PUBLISH_TIMEOUT = 0.9
#: kombu's words for trying to connect once, without waiting in between.
ONE_TRY: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
#: Seconds between two tries of a worker to reach the broker again.
RECONNECT: dict[str, Any] = {"interval_start": 1, "interval_step": 1, "interval_max": 4}
CANNOT_PUBLISH = (OperationalError, RedisError, AMQPError, OSError)


def if_it_can(store: Callable[..., Any]) -> Callable[..., Any]:
    """Let a job not suffer from a result backend that is away: the row is the truth."""

    def store_result(task_id: str, result: Any, *args: Any, **options: Any) -> Any:
        try:
            return store(task_id, result, *args, **options)
        except (*CANNOT_PUBLISH, SQLAlchemyError) as error:
            LOG.warning("The result of job %s is not kept: %s", task_id, error)
            return result

    return store_result


def result_backend(settings: Settings) -> str:
    """Give the setting, or the broker when it is Redis, else the database."""
    if settings["RESULT_BACKEND"]:
        return str(settings["RESULT_BACKEND"])
    broker = str(settings["BROKER_URL"])
    return broker if broker.startswith("redis") else f"db+{database_url(settings)}"


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Give Celery's settings; the reasons stand in docs/adr (durable work)."""
    broker = str(settings["BROKER_URL"])
    return {
        "broker_url": broker,
        "result_backend": result_backend(settings),
        "broker_transport_options": transport_options(settings, bounded=True),
        "broker_connection_timeout": PUBLISH_TIMEOUT,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "result_backend_transport_options": {"retry_policy": {"max_retries": 3}},
        "redis_socket_timeout": 10.0,
        "redis_socket_connect_timeout": 2.0,
        "task_default_queue": settings["CELERY_QUEUE"],
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_acks_late": True,
        "task_store_errors_even_if_ignored": True,  # errbacks read them
        "task_publish_retry": False,
        "worker_prefetch_multiplier": 1,
        "worker_concurrency": settings["CONCURRENCY"],
        "worker_pool": settings["CELERY_WORKER_POOL"],
        "worker_proc_alive_timeout": 60.0,  # a loaded machine is slow
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
    }


def transport_options(settings: Settings, bounded: bool) -> dict[str, Any]:
    """Give kombu's options; ``bounded`` (not for consumers) limits every wait."""
    broker = str(settings["BROKER_URL"])
    if broker.startswith("redis"):
        options: dict[str, Any] = {
            "visibility_timeout": settings["VISIBILITY_TIMEOUT"],
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "priority_steps": REDIS_CLASSES,
        }
        if bounded:
            options |= {
                "socket_connect_timeout": PUBLISH_TIMEOUT,
                "socket_timeout": PUBLISH_TIMEOUT,
                "retry_on_timeout": False,
                "max_retries": 0,
            }
        return options
    if broker.startswith(("amqp", "pyamqp")):
        options = {"confirm_publish": True}
        if bounded:
            timeouts = {"read_timeout": PUBLISH_TIMEOUT, "write_timeout": PUBLISH_TIMEOUT}
            options |= {**timeouts, **ONE_TRY}
        return options
    return {}
