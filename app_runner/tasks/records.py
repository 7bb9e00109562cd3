"""The records of tasks: start, claim, report, succeed, fail.

The database is the truth; whoever changes the state of a task does it here, and the
signals tell the rest. An attempt's words count only while it holds the task: every change
that it makes is a compare-and-set on its lease key. It is done below the ORM, because
every task passes here.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Flask, current_app
from sqlalchemy import Connection, insert, select

from app_runner.application import base_url
from app_runner.babel import gettext as _
from app_runner.crash_points import crash_point
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask
from app_runner.db.models.tasks import FAILURE, SUCCESS
from app_runner.db.types import now
from app_runner.errors import LeaseLost, TaskFinished, TaskNotFound
from app_runner.state import REQUEST_ID
from app_runner.tasks import admission, capture, deliveries, journal, leases, statements
from app_runner.tasks.leases import TRUST, Lease
from app_runner.tasks.losses import HANDED_BACK, NO_SIGN, told
from app_runner.tasks.signals import (
    EVENTS,
    TASK_CANCELLED,
    TASK_DETAILS_CHANGED,
    TASK_STATUS_CHANGED,
    TASK_STEPS_CHANGED,
)
from app_runner.tasks.statements import (
    ATTEMPT,
    CLEAR_STEPS,
    END,
    END_HELD,
    END_IDLE,
    RELEASE,
    SEEN_BY_CLAIM,
    claimed,
)
from app_runner.tasks.statements import CANCELLING as CANCELLING
from app_runner.tasks.statements import CLOSE_ATTEMPT as CLOSE_ATTEMPT
from app_runner.tasks.statements import FILE as FILE
from app_runner.tasks.statements import HELD_TASK as HELD_TASK
from app_runner.tasks.statements import LOG_WITH_MORE as LOG_WITH_MORE

ADD_TASK, ADD_ATTEMPT = insert(leases.TASK), insert(ATTEMPT)
#: What receivers of webhooks are told of when a task without steps ends.
ENDED = ("status", "details")
#: For those who change tasks in a way of their own.
TASK, OPEN_TASK = leases.TASK, statements.OPEN_TASK
#: Where a session keeps the ids of tasks whose first message has not been sent.
CREATED = "created_tasks"
LOG_LIMIT = 1_000_000  # characters that are added to a log at once


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


def journaled() -> dict[str, Any]:
    """Give the columns that make the row of a new task the journal of its message."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    request_id = REQUEST_ID.get()
    sent = {"base_url": base_url(app), "request_id": request_id}
    return {"message": json.dumps(sent), "lease_expires_at": now() + TRUST}


def headers_of(message: str) -> dict[str, Any]:
    """Give the headers that `journaled` has written down."""
    found: dict[str, Any] = json.loads(message)
    return found


def start(task_name: str, *, plugin: str | None = None, parameters: str = "") -> int:
    """Write and commit the row of a new task, and give its id.

    Its message is journaled with it: whoever dies now, the job named ``task_name`` runs.
    Every submit passes here, therefore the row is written below the ORM.
    """
    columns = {"plugin": plugin, "parameters": parameters, **journaled()}
    row = ProcessingTask.columns_of(task_name, **columns)
    admission.admit(row["plugin"], row["owner"])
    session = DB.session()
    session.flush()
    written: Any = session.connection().execute(ADD_TASK, row)
    task_id: int = written.inserted_primary_key[0]
    session.info.setdefault(CREATED, []).append(task_id)
    crash_point("submit-before-commit")
    session.commit()
    return task_id


def get(task_id: int | str) -> ProcessingTask:
    """Give the task; raises `TaskNotFound`."""
    task = ProcessingTask.get_by_id(task_id)
    if task is None:
        raise TaskNotFound(f"there is no task {task_id}")
    return task


def claim(
    task_id: int,
    *,
    worker: str,
    publication_key: str | None,
    after_step: int = -1,
    lease: Lease | None = None,
) -> Attempt | None:
    """Begin an attempt, which from now on is the only one that counts.

    ``after_step`` is the number of the step that started the part to work on; -1 is the
    first part. Gives None when there is nothing to do: the task has ended, the part is
    done (the message came twice), another attempt holds the task, or its attempts are
    used up, in which case the task ends now.
    """
    lease = lease or Lease.of()
    lease_key = lease.key
    wanted = {"task_id": task_id, "after_step": after_step}
    session = DB.session()
    session.flush()
    connection = session.connection()
    row, taken = claimed(connection, {**wanted, **lease.as_values})
    if row is None or not taken:
        session.rollback()
        if row is not None and row.state == CANCELLING:  # its job may have died meanwhile
            with suppress(TaskFinished):
                cancel(task_id, idle=True)
        elif row is not None and _is_used_up(row, after_step):
            fail(task_id, told(_outcomes(task_id, attempts_before(row.data))))
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
    connection.execute(ADD_ATTEMPT, {**columns, **history})
    crash_point("claim-before-commit")
    session.commit()
    crash_point("claim-after-commit")
    return attempt


def _outcomes(task_id: int, after: int) -> list[str]:
    """Give how the attempts at the running part of a task ended."""
    ended = select(ATTEMPT.c.outcome).where(
        ATTEMPT.c.task_id == task_id, ATTEMPT.c.number > after
    )
    found = DB.session.connection().scalars(ended.order_by(ATTEMPT.c.number))
    return [one or NO_SIGN for one in found]


def _is_used_up(row: Any, after_step: int) -> bool:
    return (
        row.finished_at is None
        and (row.lease_key is None or row.lease_expires_at < now())
        and row.attempt >= row.max_attempts
        and row.current_step == after_step
        and row.state != "waiting"
    )


def release(
    task_id: int,
    lease_key: str,
    outcome: str,
    *,
    before: datetime,
    repeatable: bool = True,
) -> bool:
    """Let go of a task whose attempt was lost, if its lease ends ``before``.

    Gives False when the attempt no longer holds it. The next claim begins a new attempt,
    or ends the task; one that was handed back is not counted.
    """
    more = int(outcome == HANDED_BACK)
    values = {"task_id": task_id, "held_by": lease_key, "before": before, "more": more}
    again = {"again": int(repeatable), "until": now() + TRUST}
    if (connection := _changed(RELEASE, **values, **again)) is None:
        DB.session.rollback()
        return False
    closing = {"of_task": task_id, "held_by": lease_key, "new_state": outcome}
    connection.execute(CLOSE_ATTEMPT, {**closing, "ended_at": now()})
    row = connection.execute(SEEN_BY_CLAIM, {"task_id": task_id}).one()
    DB.session.commit()
    if row.state == CANCELLING:
        with suppress(TaskFinished):
            cancel(task_id, idle=True)
    return True


def report(attempt: Attempt, more_log: str = "", **columns: Any) -> None:
    """Write columns of the task and add to its log; raises `LeaseLost`."""
    statement = HELD_TASK.values(task_log=LOG_WITH_MORE, **columns)
    values = {"task_id": attempt.task_id, "held_by": attempt.lease_key, "more": more_log}
    if _changed(statement, **values) is None:
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
    journal.forget(task_id)
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
        connection = _changed(end, **values)
    else:
        connection = _changed(END_HELD, held_by=attempt.lease_key, **values)
    if connection is None:
        DB.session.rollback()
        raise _refusal(task_id, attempt)
    capture.end_part(connection)
    if files:
        connection.execute(insert(FILE), [{**file, "task_id": task_id} for file in files])
    if attempt is not None:
        closing = {"held_by": attempt.lease_key, "ended_at": values["ended_at"]}
        closing |= {"of_task": task_id, "new_state": state}
        connection.execute(CLOSE_ATTEMPT, closing)
    stepped = attempt is None or attempt.multi_step
    cleared = (
        stepped and connection.execute(CLEAR_STEPS, {"of_task": task_id}).rowcount > 0
    )
    deliveries.note(task_id, EVENTS if cleared else ENDED)
    crash_point("result-before-commit")
    DB.session.commit()
    crash_point("result-after-commit")
    tell(task_id, steps=cleared)


def was_accepted(attempt: Attempt) -> bool:
    """Tell whether what an attempt made is written, although nobody heard of it."""
    of_us = (ATTEMPT.c.task_id == attempt.task_id, ATTEMPT.c.number == attempt.number)
    outcome = DB.session.connection().scalar(select(ATTEMPT.c.outcome).where(*of_us))
    return outcome in ("succeeded", "asked")


def _refusal(task_id: int, attempt: Attempt | None) -> Exception:
    if attempt is not None:
        return LeaseLost(f"attempt {attempt.number} no longer holds task {task_id}")
    if ProcessingTask.get_by_id(task_id) is None:
        return TaskNotFound(f"there is no task {task_id}")
    return TaskFinished(f"task {task_id} has ended before")


def _changed(statement: Any, **values: Any) -> Connection | None:
    """Compare and set; give the connection, or None if the row was not as asked."""
    session = DB.session()
    session.flush()
    connection = session.connection()
    return connection if connection.execute(statement, values).rowcount == 1 else None


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
