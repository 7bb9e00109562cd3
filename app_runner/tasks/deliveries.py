"""Deliveries of webhooks: noted in the transaction of the change that they tell of.

From then on they are in the database alone: no broker is needed to send them, and none of
them is lost when a process is. `app_runner.tasks.webhooks` sends them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast
from urllib.parse import urlencode, urlsplit, urlunsplit

from sqlalchemy import Table, bindparam, delete, insert, select, update

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskUpdateSubscription, WebhookDelivery
from app_runner.db.models.tasks import FAILURE, PENDING
from app_runner.db.types import now

DELIVERY = cast(Table, WebhookDelivery.__table__)
HOOK = cast(Table, TaskUpdateSubscription.__table__)
TASK = cast(Table, ProcessingTask.__table__)
#: Run at every end of a task, therefore below the ORM.
SUBSCRIBERS = (
    select(
        HOOK.c.webhook_href,
        HOOK.c.task_href,
        HOOK.c.event_type,
        TASK.c.finished_at,
        TASK.c.task_status,
        TASK.c.state,
    )
    .join(TASK, TASK.c.id == HOOK.c.task_id)
    .where(HOOK.c.task_id == bindparam("of_task"))
)
#: Begins the receiver that is a task of ours which waits for the task it has called.
OUR_CALL = "app-runner:call/"
#: Begins the URL of a receiver that is a plugin of ours, which the owner of the task has
#: subscribed: it is told in their name. No client can write such a URL.
AS_OWNER = "app-runner:as-owner/"
#: True while signals are sent for a change whose deliveries are noted already.
NOTED: ContextVar[bool] = ContextVar("app_runner_deliveries_noted", default=False)


def note(task_id: int, events: Iterable[str], again: bool = True) -> int:
    """Write a delivery for each event and subscriber, and give how many there are.

    It is part of the transaction of the session; nothing is committed. Without ``again``
    what waits for its first try is not written once more: it is news enough.
    """
    connection = DB.session.connection()
    found = connection.execute(SUBSCRIBERS, {"of_task": task_id}).all()
    waiting = set() if again or not found else _untried(task_id)
    rows = [
        _columns(hook.webhook_href, hook.task_href, event, task_id, **_state(hook))
        for hook in found
        for event in events
        if hook.event_type in (None, event) and (hook.webhook_href, event) not in waiting
    ]
    if rows:
        connection.execute(insert(DELIVERY), rows)
    return len(rows)


def _untried(task_id: int) -> set[tuple[str, str]]:
    untried = select(DELIVERY.c.webhook_href, DELIVERY.c.event_type).where(
        DELIVERY.c.task_id == task_id,
        DELIVERY.c.begun == 0,
        DELIVERY.c.due_at.is_not(None),
    )
    return {(row[0], row[1]) for row in DB.session.connection().execute(untried)}


def _state(row: Any) -> dict[str, str]:
    if row.finished_at is None:
        return {"status": PENDING, "state": row.state}
    return {"status": row.task_status or FAILURE, "state": row.state}


def _columns(
    hook: str, source: str, event: str, task_id: int | None, **facts: str
) -> dict[str, Any]:
    """Give the columns of a delivery that is due at once.

    ``facts`` go into the body, as `Standard Webhooks`_ puts it.

    .. _Standard Webhooks: https://www.standardwebhooks.com
    """
    moment = now()
    body = {
        "type": f"task.{event}",
        "timestamp": moment.isoformat(),
        "data": {"source": source, "event": event, **facts},
    }
    return {
        "task_id": task_id,
        "message_id": f"msg_{secrets.token_hex(16)}",
        "webhook_href": hook,
        "task_href": source,
        "event_type": event,
        "body": json.dumps(body),
        "receiver": urlsplit(hook.removeprefix(AS_OWNER)).netloc.rpartition("@")[2][:255],
        "created_at": moment,
        "due_at": moment,
        "begun": 0,
        "tries": [],
    }


def add(
    hook: str, source: str, event: str, task_id: int | None = None, **facts: str
) -> None:
    """Write a delivery to one receiver; nothing is committed.

    Without ``task_id`` it tells of a task elsewhere.
    """
    row = _columns(hook, source, event, task_id, **facts)
    DB.session.connection().execute(insert(DELIVERY), row)


@contextmanager
def already_noted() -> Iterator[None]:
    """Send signals in here that must not lead to deliveries once more."""
    token = NOTED.set(True)
    try:
        yield
    finally:
        NOTED.reset(token)


def of_task(task_id: int) -> list[WebhookDelivery]:
    """Give the deliveries of a task, oldest first."""
    found = DB.session.scalars(
        select(WebhookDelivery).filter_by(task_id=task_id).order_by(WebhookDelivery.id)
    )
    return list(found)


def call_off(task_id: int | None, hook: str, event: str | None = None) -> None:
    """Let a receiver not hear what it was still to be told; nothing is committed."""
    wanted = [
        DELIVERY.c.task_id == task_id,
        DELIVERY.c.webhook_href == hook,
        DELIVERY.c.due_at.is_not(None),
    ]
    if event is not None:
        wanted.append(DELIVERY.c.event_type == event)
    ended = {"due_at": None, "outcome": "unsubscribed", "finished_at": now()}
    DB.session.connection().execute(update(DELIVERY).where(*wanted).values(ended))


def forget(task_id: int | None, hook: str) -> None:
    """Unsubscribe a receiver that answered that it is gone; nothing is committed."""
    call_off(task_id, hook)
    gone = delete(HOOK).where(HOOK.c.task_id == task_id, HOOK.c.webhook_href == hook)
    DB.session.connection().execute(gone)


def webhook_url(hook: str, source: str, event: str) -> str:
    """Give the receiver's URL with the query that tells task and event."""
    parts = urlsplit(hook)
    told = urlencode({"source": source, "event": event})
    query = f"{parts.query}&{told}" if parts.query else told
    return urlunsplit(parts._replace(query=query))
