"""Works off the messages of an app in this process, as a worker does in its own.

The messages take the same way as always (publication, broker in memory, tracing), so
chains, errbacks, retries and steps behave as on a worker; only waiting is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from celery import Celery
from celery.app.trace import build_tracer
from flask import Flask

from app_runner.state import state_of

#: A job that publishes itself again and again must not hang a test.
MOST = 1000


def run_jobs(app: Flask) -> int:
    """Run all jobs that wait, also those that they start; gives how many there were.

    Jobs that were put off (retries, countdowns) run at once. Raises ``AssertionError``
    when there is no end of them.
    """
    celery = state_of(app).celery
    with celery.connection_for_read() as connection:
        declared: Any = celery.amqp.queues
        names = state_of(app).queues.names
        queues = [declared[name](connection.default_channel) for name in names]
        for queue in queues:
            queue.declare()
        for number in range(MOST):
            message = next(_waiting(queues), None)
            if message is None:
                return number
            _run(celery, message)
    raise AssertionError(f"{MOST} jobs ran and there are still more")


def _waiting(queues: Iterable[Any]) -> Iterator[Any]:
    messages = (queue.get(no_ack=True) for queue in queues)
    return (message for message in messages if message is not None)


def _run(celery: Celery, message: Any) -> None:
    arguments, keywords, embedded = message.payload
    headers = message.headers
    task = celery.tasks[headers["task"]]
    request = {
        **headers,
        **embedded,
        "hostname": "test@localhost",
        "delivery_info": message.delivery_info,
        "correlation_id": message.properties.get("correlation_id"),
    }
    trace: Any = build_tracer(task.name, task, app=celery)
    trace(headers["id"], arguments, keywords, request)
