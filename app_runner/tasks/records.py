"""The records of tasks: start, claim, progress, steps, finish, fail.

The database is the truth; whoever changes the state of a task does it here, and the
signals tell the rest. An attempt's words count only while it holds the task: every
change that it makes is a compare-and-set on its lease key.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import CursorResult, insert, update

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskAttempt
from app_runner.db.models.tasks import FAILURE, SUCCESS
from app_runner.db.types import now
from app_runner.errors import LeaseLost, TaskFinished, TaskNotFound
from app_runner.tasks.signals import (
    TASK_DETAILS_CHANGED,
    TASK_STATUS_CHANGED,
    TASK_STEPS_CHANGED,
)

#: How long an attempt holds a task without a sign of life.
LEASE = timedelta(minutes=30)
LOG_LIMIT = 1_000_000  # characters of a task's log that are kept


@dataclass(frozen=True)
class Attempt:
    """The right to speak for a task: attempt ``number`` of ``allowed``."""

    task_id: int
    number: int
    allowed: int
    lease_key: str
    parameters: str


def start(task_name: str, *, plugin: str | None = None, parameters: str = "") -> int:
    """Write the row of a new task and give its id; it is committed before anyone hears of it."""
    task = ProcessingTask(task_name, plugin=plugin, parameters=parameters)
    DB.session.add(task)
    DB.session.commit()
    return task.id


def get(task_id: int | str) -> ProcessingTask:
    """Give the task; raises `TaskNotFound`."""
    task = ProcessingTask.get_by_id(task_id)
    if task is None:
        raise TaskNotFound(f"there is no task {task_id}")
    return task


def claim(task_id: int, *, worker: str, publication_key: str | None) -> Attempt | None:
    """Begin an attempt, which from now on is the only one that counts.

    Gives None when there is nothing to do: the task has ended, or its attempts are used
    up, in which case it ends now.
    """
    task = DB.session.get(ProcessingTask, task_id)
    if task is None or task.is_finished:
        return None
    number, allowed = task.attempt + 1, task.max_attempts
    if number > allowed:
        fail(task_id, f"The worker was lost in each of {allowed} attempts.")
        return None
    attempt = Attempt(task_id, number, allowed, secrets.token_hex(16), task.parameters)
    taken = _change(
        task_id,
        ProcessingTask.attempt == number - 1,
        attempt=number,
        state="running",
        lease_key=attempt.lease_key,
        lease_expires_at=now() + LEASE,
    )
    if not taken:
        DB.session.rollback()
        return None
    row = {"publication_key": publication_key, "worker": worker, "started_at": now()}
    columns = {
        "task_id": task_id,
        "number": number,
        "lease_key": attempt.lease_key,
        **row,
    }
    DB.session.execute(insert(TaskAttempt).values(columns))
    DB.session.commit()
    return attempt


def report(attempt: Attempt, **columns: Any) -> None:
    """Write columns of the task (progress, log); raises `LeaseLost`."""
    if not _change(
        attempt.task_id, ProcessingTask.lease_key == attempt.lease_key, **columns
    ):
        DB.session.rollback()
        raise LeaseLost(
            f"attempt {attempt.number} no longer holds task {attempt.task_id}"
        )
    DB.session.commit()


def succeed(task_id: int, log: str = "", attempt: Attempt | None = None) -> None:
    """End a task well; raises `LeaseLost` when ``attempt`` no longer holds it.

    Files that were added in the session are committed with it.
    """
    _end(task_id, attempt, SUCCESS, "succeeded", log)


def fail(task_id: int, log: str, attempt: Attempt | None = None) -> None:
    """End a task with a reason that a person understands; an ended task stays as it is."""
    _end(task_id, attempt, FAILURE, "failed", log)


def _end(
    task_id: int, attempt: Attempt | None, status: str, state: str, log: str
) -> None:
    task = get(task_id)
    if task.is_finished and attempt is None:
        raise TaskFinished(f"task {task_id} has ended before")
    had_progress = task.progress_value is not None
    had_step = task.multi_step and task.has_uncleared_step
    columns: dict[str, Any] = {"task_log": _appended(task.task_log, log)}
    if status == SUCCESS and had_progress:
        columns["progress_value"] = task.progress_target
    if had_step:
        task.steps[-1].cleared = True
    mine = [ProcessingTask.lease_key == attempt.lease_key] if attempt else []
    times = {"finished_at": now(), "lease_key": None, "lease_expires_at": None}
    ended = _change(task_id, *mine, task_status=status, state=state, **times, **columns)
    if not ended:
        DB.session.rollback()
        raise LeaseLost(f"task {task_id} was ended by somebody else")
    if attempt is not None:
        _close(attempt, state)
    DB.session.commit()
    tell(task_id, steps=had_step)


def appended_log(task_id: int, lines: str) -> str:
    """Give the log of a task with ``lines`` at its end."""
    return _appended(get(task_id).task_log, lines)


def _appended(before: str, log: str) -> str:
    joined = "\n".join(part for part in (before, log) if part)
    return joined[-LOG_LIMIT:]


def _close(attempt: Attempt, outcome: str) -> None:
    DB.session.execute(
        update(TaskAttempt)
        .where(TaskAttempt.lease_key == attempt.lease_key)
        .values(finished_at=now(), outcome=outcome)
    )


def _change(task_id: int, *conditions: Any, **columns: Any) -> bool:
    """Compare and set: change an unfinished task for which the conditions hold."""
    result = DB.session.execute(
        update(ProcessingTask)
        .where(
            ProcessingTask.id == task_id,
            ProcessingTask.finished_at.is_(None),
            *conditions,
        )
        .values(revision=ProcessingTask.revision + 1, **columns)
    )
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def tell(task_id: int, *, status: bool = True, steps: bool = False) -> None:
    """Send the signals: the status and details of the task (and its steps) changed."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if status:
        TASK_STATUS_CHANGED.send(app, task_id=task_id)
        TASK_DETAILS_CHANGED.send(app, task_id=task_id)
    if steps:
        TASK_STEPS_CHANGED.send(app, task_id=task_id)
