"""Calls ``on_cancel`` of a processor when a task that had begun was cancelled.

It is a job of its own, so that it runs however the cancelled one ended: by listening, by
a signal, with its worker, or while the task waited for input.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask

from app_runner.errors import TaskNotFound, UnavailableError
from app_runner.state import current_runner, state_of
from app_runner.tasks import records
from app_runner.tasks.asking import Question
from app_runner.tasks.exits import exits_as_errors
from app_runner.tasks.handle import Task
from app_runner.tasks.jobs import CORE
from app_runner.tasks.records import Attempt
from app_runner.tasks.signals import TASK_CANCELLED

LOG = logging.getLogger(__name__)


class EndedTask(Task):
    """A task that has ended: its id, state, scratch files and log are there."""

    def write(self) -> None:
        """Add the lines that wait to the log."""
        if lines := self.take_log():
            records.get(self.id).add_task_log_entry(lines, commit=True)


@CORE.task(name="app-runner.on-cancel", ignore_result=True)
def clean_up(of_task: int) -> None:
    """Call ``on_cancel``; may come twice."""
    try:
        row = records.get(of_task)
    except TaskNotFound:  # deleted meanwhile
        return
    if (hook := _hook(current_runner.celery, row.task_name)) is None:
        return
    data = row.data if isinstance(row.data, dict) else {}
    attempt = Attempt(row.id, row.attempt, row.max_attempts, "", "", False, data)
    task = EndedTask(attempt)
    if asked := data.get("asked"):
        task.state, secrets = Question(**asked).read()
        task.hide(secrets)
    try:
        with exits_as_errors():
            hook(task)
    finally:
        task.write()


def _hook(celery: Any, job_name: str) -> Any:
    return getattr(celery.tasks.get(job_name), "on_cancel", None)


@TASK_CANCELLED.connect
def _cancelled(app: Flask, task_id: int) -> None:
    task = records.get(task_id)
    if not task.attempt or _hook(state_of(app).celery, task.task_name) is None:
        return
    try:
        clean_up.apply_async(kwargs={"of_task": task_id})
    except UnavailableError as error:  # the task has ended all the same
        LOG.warning("on_cancel of task %s is not called: %s", task_id, error)
