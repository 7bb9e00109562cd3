"""Who wants to hear of a task by webhook; changes that plugins signal are noted too."""

from __future__ import annotations

from contextlib import ExitStack

from flask import Flask, has_app_context

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskUpdateSubscription
from app_runner.tasks import deliveries
from app_runner.tasks.deliveries import NOTED
from app_runner.tasks.signals import (
    TASK_DETAILS_CHANGED,
    TASK_STATUS_CHANGED,
    TASK_STEPS_CHANGED,
)


def subscribe(task: ProcessingTask, hook: str, task_href: str, event: str | None) -> None:
    """Tell ``hook`` of an event (None: all); of a task that has ended at once."""
    known = TaskUpdateSubscription.of_task(task.id)
    if not any(s.webhook_href == hook and s.event_type == event for s in known):
        DB.session.add(TaskUpdateSubscription(task, hook, task_href, event))
        DB.session.flush()
    # Waits for whoever ends the task right now; who ends it later sees the subscription.
    DB.session.refresh(task, with_for_update=True)
    if task.is_finished and event in (None, "status"):
        facts = {"status": task.status, "state": task.state}
        deliveries.add(hook, task_href, "status", task.id, **facts)
    DB.session.commit()


def unsubscribe(task: ProcessingTask, hook: str, event: str | None) -> None:
    """Tell ``hook`` no longer of an event (None: of any)."""
    for subscription in TaskUpdateSubscription.of_task(task.id):
        if subscription.webhook_href == hook and event in (None, subscription.event_type):
            DB.session.delete(subscription)
    deliveries.call_off(task.id, hook, event)
    DB.session.commit()


def _tell(app: Flask, task_id: int | str, event: str) -> None:
    """Note what a plugin signals; our own changes have been noted when they were made."""
    if NOTED.get():
        return
    with ExitStack() as stack:
        if not has_app_context():
            stack.enter_context(app.app_context())
        DB.session.flush()
        if deliveries.note(int(task_id), (event,), again=False):
            DB.session.commit()


@TASK_STATUS_CHANGED.connect
def _status_changed(app: Flask, task_id: int | str) -> None:
    _tell(app, task_id, "status")


@TASK_STEPS_CHANGED.connect
def _steps_changed(app: Flask, task_id: int | str) -> None:
    _tell(app, task_id, "steps")


@TASK_DETAILS_CHANGED.connect
def _details_changed(app: Flask, task_id: int | str) -> None:
    _tell(app, task_id, "details")
