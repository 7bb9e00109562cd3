"""The records of tasks: start, claim, report, succeed, fail.

The database is the truth; whoever changes the state of a task does it here, and the
signals tell the rest. An attempt's words count only while it holds the task: every change
that it makes is a compare-and-set on its lease key. The statements are written once and
run below the ORM, because every task passes through them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from flask import Flask, current_app
from sqlalchemy import Table, bindparam, case, insert, select, update

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, Step, TaskAttempt, TaskFile
from app_runner.db.models.tasks import FAILURE, SUCCESS
from app_runner.db.types import now
from app_runner.errors import LeaseLost, TaskFinished, TaskNotFound
from app_runner.tasks import capture, deliveries
from app_runner.tasks.signals import (
    EVENTS,
    TASK_CANCELLED,
    TASK_DETAILS_CHANGED,
    TASK_STATUS_CHANGED,
    TASK_STEPS_CHANGED,
)

#: How long an attempt holds a task without a sign of life.
LEASE = timedelta(minutes=30)
#: What receivers of webhooks are told of when a task without steps ends.
ENDED = ("status", "details")
LOG_LIMIT = 1_000_000  # characters that are added to a log at once
#: State of a task whose end is wished while a job still holds it.
CANCELLING = "cancelling"

TASK = cast(Table, ProcessingTask.__table__)
STEP = cast(Table, Step.__table__)
ATTEMPT = cast(Table, TaskAttempt.__table__)
FILE = cast(Table, TaskFile.__table__)

OPEN_TASK = (
    update(TASK)
    .where(TASK.c.id == bindparam("task_id"), TASK.c.finished_at.is_(None))
    .values(revision=TASK.c.revision + 1)
)
HELD_TASK = OPEN_TASK.where(TASK.c.lease_key == bindparam("held_by"))
CLAIM = OPEN_TASK.where(
    TASK.c.attempt < TASK.c.max_attempts,
    TASK.c.current_step == bindparam("after_step"),
    TASK.c.state.not_in(("waiting", CANCELLING)),
).values(
    attempt=TASK.c.attempt + 1,
    state="running",
    lease_key=bindparam("new_key"),
    lease_expires_at=bindparam("until"),
)
SEEN_BY_CLAIM = select(
    TASK.c.attempt,
    TASK.c.max_attempts,
    TASK.c.parameters,
    TASK.c.multi_step,
    TASK.c.finished_at,
    TASK.c.current_step,
    TASK.c.state,
    TASK.c.data,
).where(TASK.c.id == bindparam("task_id"))
LOG_WITH_MORE = case(
    (bindparam("more") == "", TASK.c.task_log),
    (TASK.c.task_log == "", bindparam("more")),
    else_=TASK.c.task_log.concat("\n").concat(bindparam("more")),
)
ENDING: dict[str, Any] = {
    "task_status": bindparam("status"),
    "state": bindparam("new_state"),
    "finished_at": bindparam("ended_at"),
    "lease_key": None,
    "lease_expires_at": None,
    "task_log": LOG_WITH_MORE,
    "progress_value": case(
        (bindparam("status") != SUCCESS, TASK.c.progress_value),
        (TASK.c.progress_value.is_(None), None),
        else_=TASK.c.progress_target,
    ),
}
END, END_HELD = OPEN_TASK.values(ENDING), HELD_TASK.values(ENDING)
#: Ends a task that no job holds.
END_IDLE = END.where(TASK.c.lease_key.is_(None))
CLOSE_ATTEMPT = (
    update(ATTEMPT)
    .where(ATTEMPT.c.lease_key == bindparam("held_by"))
    .values(finished_at=bindparam("ended_at"), outcome=bindparam("new_state"))
)
CLEAR_STEPS = (
    update(STEP)
    .where(STEP.c.task_id == bindparam("of_task"), STEP.c.cleared.is_(False))
    .values(cleared=True)
)


@dataclass(frozen=True)
class Attempt:
    """The right to speak for a task: attempt ``number`` of ``allowed``."""

    task_id: int
    number: int
    allowed: int
    lease_key: str
    parameters: str
    multi_step: bool
    data: Any = None

    @property
    def number_in_part(self) -> int:
        """Give the number of this attempt at the part of the task that runs, from 1."""
        return self.number - attempts_before(self.data)


def attempts_before(data: Any) -> int:
    """Give how many attempts went before the part that ``data`` of a task tells of."""
    part = data.get("part") if isinstance(data, dict) else None
    return int(part["attempts_before"]) if part else 0


def start(task_name: str, *, plugin: str | None = None, parameters: str = "") -> int:
    """Write and commit the row of a new task, and give its id."""
    task = ProcessingTask(task_name, plugin=plugin, parameters=parameters)
    DB.session.add(task)
    DB.session.flush()
    task_id = task.id
    DB.session.commit()
    return task_id


def get(task_id: int | str) -> ProcessingTask:
    """Give the task; raises `TaskNotFound`."""
    task = ProcessingTask.get_by_id(task_id)
    if task is None:
        raise TaskNotFound(f"there is no task {task_id}")
    return task


def claim(
    task_id: int, *, worker: str, publication_key: str | None, after_step: int = -1
) -> Attempt | None:
    """Begin an attempt, which from now on is the only one that counts.

    ``after_step`` is the number of the step that started the part to work on; -1 is the
    first part. Gives None when there is nothing to do: the task has ended, the part is
    done (the message came twice), or its attempts are used up, in which case the task
    ends now.
    """
    lease_key = secrets.token_hex(16)
    wanted = {"task_id": task_id, "after_step": after_step}
    taken = _changed(CLAIM, **wanted, new_key=lease_key, until=now() + LEASE)
    connection = DB.session.connection()
    row = connection.execute(SEEN_BY_CLAIM, {"task_id": task_id}).first()
    if row is None or not taken:
        DB.session.rollback()
        if row is not None and row.state == CANCELLING:  # its job died meanwhile
            cancel(task_id)
        elif row is not None and _is_used_up(row, after_step):
            number = row.max_attempts - attempts_before(row.data)
            fail(task_id, f"The worker was lost in each of {number} attempts.")
        return None
    attempt = Attempt(
        task_id,
        row.attempt,
        row.max_attempts,
        lease_key,
        row.parameters,
        row.multi_step,
        row.data,
    )
    columns = {"task_id": task_id, "number": attempt.number, "lease_key": lease_key}
    history = {"publication_key": publication_key, "worker": worker, "started_at": now()}
    connection.execute(insert(ATTEMPT), {**columns, **history})
    DB.session.commit()
    return attempt


def _is_used_up(row: Any, after_step: int) -> bool:
    return (
        row.finished_at is None
        and row.attempt >= row.max_attempts
        and row.current_step == after_step
        and row.state != "waiting"
    )


def report(attempt: Attempt, more_log: str = "", **columns: Any) -> None:
    """Write columns of the task and add to its log; raises `LeaseLost`."""
    statement = HELD_TASK.values(task_log=LOG_WITH_MORE, **columns)
    values = {"task_id": attempt.task_id, "held_by": attempt.lease_key, "more": more_log}
    if not _changed(statement, **values):
        DB.session.rollback()
        raise LeaseLost(
            f"attempt {attempt.number} no longer holds task {attempt.task_id}"
        )
    DB.session.commit()


def succeed(
    task_id: int,
    log: str = "",
    attempt: Attempt | None = None,
    files: list[dict[str, Any]] | None = None,
) -> None:
    """End a task well, with the rows of its result files.

    Raises `LeaseLost` when ``attempt`` no longer holds the task, `TaskFinished` when it
    had ended before, `TaskNotFound`.
    """
    _end(task_id, attempt, SUCCESS, "succeeded", log, files)


def fail(
    task_id: int, log: str, attempt: Attempt | None = None, *, idle: bool = False
) -> None:
    """End a task with a reason that a person understands; raises as `succeed`.

    With ``idle`` only when no job holds it, else `TaskFinished`.
    """
    _end(task_id, attempt, FAILURE, "failed", log, end=END_IDLE if idle else END)


def cancel(
    task_id: int, log: str = "", attempt: Attempt | None = None, *, idle: bool = False
) -> None:
    """End a task because somebody wished it; raises as `succeed`.

    With ``idle`` only when no job holds it, else `TaskFinished`.
    """
    text = "\n".join(part for part in (log, _("The task was cancelled.")) if part)
    _end(task_id, attempt, FAILURE, "cancelled", text, end=END_IDLE if idle else END)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    TASK_CANCELLED.send(app, task_id=task_id)


def _end(
    task_id: int,
    attempt: Attempt | None,
    status: str,
    state: str,
    log: str,
    files: list[dict[str, Any]] | None = None,
    end: Any = END,
) -> None:
    times = {"status": status, "new_state": state, "ended_at": now()}
    values = {"task_id": task_id, "more": log[-LOG_LIMIT:], **times}
    if attempt is None:
        ended = _changed(end, **values)
    else:
        ended = _changed(END_HELD, held_by=attempt.lease_key, **values)
    if not ended:
        DB.session.rollback()
        raise _refusal(task_id, attempt)
    connection = DB.session.connection()
    capture.end_part(connection)
    if files:
        connection.execute(insert(FILE), [{**file, "task_id": task_id} for file in files])
    if attempt is not None:
        closing = {"held_by": attempt.lease_key, "ended_at": values["ended_at"]}
        connection.execute(CLOSE_ATTEMPT, {**closing, "new_state": state})
    stepped = attempt is None or attempt.multi_step
    cleared = (
        stepped and connection.execute(CLEAR_STEPS, {"of_task": task_id}).rowcount > 0
    )
    deliveries.note(task_id, EVENTS if cleared else ENDED)
    DB.session.commit()
    tell(task_id, steps=cleared)


def _refusal(task_id: int, attempt: Attempt | None) -> Exception:
    if attempt is not None:
        return LeaseLost(f"attempt {attempt.number} no longer holds task {task_id}")
    if ProcessingTask.get_by_id(task_id) is None:
        return TaskNotFound(f"there is no task {task_id}")
    return TaskFinished(f"task {task_id} has ended before")


def _changed(statement: Any, **values: Any) -> bool:
    """Compare and set; tells whether the row was as the statement asks."""
    DB.session.flush()
    return DB.session.connection().execute(statement, values).rowcount == 1


def tell(task_id: int, *, status: bool = True, steps: bool = False) -> None:
    """Send the signals: the status and details of the task (and its steps) changed.

    Webhooks are not sent by them: deliveries are noted in the transaction of the change.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    with deliveries.already_noted():
        if status:
            TASK_STATUS_CHANGED.send(app, task_id=task_id)
            TASK_DETAILS_CHANGED.send(app, task_id=task_id)
        if steps:
            TASK_STEPS_CHANGED.send(app, task_id=task_id)
