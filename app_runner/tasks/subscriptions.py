"""Webhooks: who wants to hear of a task, and telling them."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import Any, cast
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Flask, has_app_context
from requests.exceptions import RequestException
from sqlalchemy import Table, bindparam, select

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskUpdateSubscription
from app_runner.errors import UnavailableError
from app_runner.state import current_runner
from app_runner.tasks.jobs import CORE
from app_runner.tasks.publication import WEBHOOK
from app_runner.tasks.signals import (
    TASK_DETAILS_CHANGED,
    TASK_STATUS_CHANGED,
    TASK_STEPS_CHANGED,
)

LOG = logging.getLogger(__name__)
TIMEOUT = 10.0  # seconds for one delivery
ANSWER_BYTES = 2**16  # of the answer, which nobody reads
RETRIES, FIRST_DELAY = 8, 2  # delays double: 2 s, 4 s, … about 8 minutes in all
TABLE = cast(Table, TaskUpdateSubscription.__table__)
#: Run at every end of a task, therefore below the ORM.
HOOKS = select(TABLE.c.webhook_href, TABLE.c.task_href, TABLE.c.event_type).where(
    TABLE.c.task_id == bindparam("of_task")
)


def subscribe(task: ProcessingTask, hook: str, task_href: str, event: str | None) -> None:
    """Tell ``hook`` of an event (None: all); of a task that has ended at once."""
    known = TaskUpdateSubscription.of_task(task.id)
    if not any(s.webhook_href == hook and s.event_type == event for s in known):
        subscription = TaskUpdateSubscription(task, hook, task_href, event)
        DB.session.add(subscription)
        DB.session.commit()
    if task.is_finished and event in (None, "status"):
        _publish(hook, task_href, "status")


def unsubscribe(task: ProcessingTask, hook: str, event: str | None) -> None:
    """Tell ``hook`` no longer of an event (None: of any)."""
    for subscription in TaskUpdateSubscription.of_task(task.id):
        if subscription.webhook_href == hook and event in (None, subscription.event_type):
            DB.session.delete(subscription)
    DB.session.commit()


def _publish(hook: str, task_href: str, event: str) -> None:
    deliver_webhook.apply_async(
        kwargs={"hook": hook, "source": task_href, "event": event}
    )


def webhook_url(hook: str, source: str, event: str) -> str:
    """Give the receiver's URL with the query that tells task and event."""
    parts = urlsplit(hook)
    told = urlencode({"source": source, "event": event})
    query = f"{parts.query}&{told}" if parts.query else told
    return urlunsplit(parts._replace(query=query))


@CORE.task(name=WEBHOOK, bind=True, ignore_result=True, max_retries=RETRIES)
def deliver_webhook(self: Any, hook: str, source: str, event: str) -> None:
    """POST to the receiver through the guarded door; tries again with growing delays."""
    try:
        url = webhook_url(hook, source, event)
        with current_runner.fetcher.open(
            url,
            method="POST",
            timeout=TIMEOUT,
            max_seconds=TIMEOUT,
            max_bytes=ANSWER_BYTES,
        ):
            LOG.info("Webhook %s told of %s", hook, event)
    except RequestException as error:
        if self.request.retries >= RETRIES:
            LOG.warning("Webhook %s was never reached: %s", hook, error)
            return
        raise self.retry(
            exc=error, countdown=FIRST_DELAY * 2**self.request.retries
        ) from None


def _tell(app: Flask, task_id: int | str, event: str) -> None:
    with ExitStack() as stack:
        if not has_app_context():
            stack.enter_context(app.app_context())
        found = DB.session.connection().execute(HOOKS, {"of_task": int(task_id)}).all()
        for hook, task_href, wanted in found:
            if wanted in (None, event):
                _publish_if_possible(hook, task_href, event)


def _publish_if_possible(hook: str, task_href: str, event: str) -> None:
    try:
        _publish(hook, task_href, event)
    except UnavailableError as error:  # the task itself must not suffer
        LOG.warning("Webhook %s not told: %s", hook, error)


@TASK_STATUS_CHANGED.connect
def _status_changed(app: Flask, task_id: int | str) -> None:
    _tell(app, task_id, "status")


@TASK_STEPS_CHANGED.connect
def _steps_changed(app: Flask, task_id: int | str) -> None:
    _tell(app, task_id, "steps")


@TASK_DETAILS_CHANGED.connect
def _details_changed(app: Flask, task_id: int | str) -> None:
    _tell(app, task_id, "details")
