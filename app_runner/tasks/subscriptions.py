"""Who wants to hear of a task by webhook; changes that plugins signal are noted too."""

from __future__ import annotations

from contextlib import ExitStack

from flask import Flask, has_app_context

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskUpdateSubscription
from app_runner.errors import UserError
from app_runner.state import acting_user
from app_runner.tasks import deliveries, neighbours
from app_runner.tasks.deliveries import AS_OWNER, NOTED
from app_runner.tasks.signals import (
    TASK_DETAILS_CHANGED,
    TASK_STATUS_CHANGED,
    TASK_STEPS_CHANGED,
)

#: Subscriptions of one task.
MOST = 100


def subscribe(task: ProcessingTask, hook: str, task_href: str, event: str | None) -> None:
    """Tell ``hook`` of an event (None: all); of a task that has ended at once.

    Raises `UserError` when the task has as many subscriptions as a task may have: who
    knows its URL can subscribe, and could else let one change be told to thousands.
    """
    known = TaskUpdateSubscription.of_task(task.id)
    hook = receiver(task, hook)
    if not any(s.webhook_href == hook and s.event_type == event for s in known):
        if len(known) >= MOST:
            raise UserError(_("A task has at most %(count)s subscriptions.", count=MOST))
        DB.session.add(TaskUpdateSubscription(task, hook, task_href, event))
        DB.session.flush()
    # Waits for whoever ends the task right now; who ends it later sees the subscription.
    DB.session.refresh(task, with_for_update=True)
    if task.is_finished and event in (None, "status"):
        facts = {"status": task.status, "state": task.state}
        deliveries.add(hook, task_href, "status", task.id, **facts)
    DB.session.commit()


def receiver(task: ProcessingTask, hook: str) -> str:
    """Give what is noted as the receiver when ``hook`` is to be told of ``task``.

    A plugin of ours is told in the name of the task's owner when the owner asks for it,
    or a job or plugin that works for them; never when anybody else does.
    """
    user = acting_user()
    is_owner = user is not None and user == task.owner
    return AS_OWNER + hook if is_owner and neighbours.is_plugin(hook) else hook


def unsubscribe(task: ProcessingTask, hook: str, event: str | None) -> None:
    """Tell ``hook`` no longer of an event (None: of any)."""
    for subscription in TaskUpdateSubscription.of_task(task.id):
        same = subscription.webhook_href in (hook, AS_OWNER + hook)
        if same and event in (None, subscription.event_type):
            DB.session.delete(subscription)
    for noted in (hook, AS_OWNER + hook):
        deliveries.call_off(task.id, noted, event)
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
