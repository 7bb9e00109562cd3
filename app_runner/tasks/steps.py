"""The records of steps: a part of a task that asks, and the answer that starts the next.

Both are compare-and-set on the row of the task, so that a step is asked once and answered
once, whoever else tries at the same time.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Table, bindparam, insert

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask
from app_runner.db.types import now
from app_runner.errors import LeaseLost, StepError
from app_runner.state import current_runner
from app_runner.tasks import capture, deliveries, records
from app_runner.tasks.asking import Question
from app_runner.tasks.leases import TRUST
from app_runner.tasks.records import Attempt

#: Executions that each part of a task may take.
ATTEMPTS_PER_PART = 3
#: Name of the job that calls another plugin, and asks how far its task is.
CALL = "app-runner.call-plugin"
TASK = cast(Table, ProcessingTask.__table__)

WAIT = records.HELD_TASK.where(TASK.c.state != records.CANCELLING).values(
    state="waiting", lease_key=None, lease_expires_at=None, task_log=records.LOG_WITH_MORE
)
ANSWER = records.OPEN_TASK.where(
    TASK.c.state == "waiting", TASK.c.current_step == bindparam("number")
).values(state="queued", lease_expires_at=bindparam("until"))


def wait(
    attempt: Attempt,
    question: Question,
    urls: tuple[str, str],
    log: str,
    files: list[dict[str, Any]],
) -> None:
    """End the part with a step at ``urls`` (API, form); raises `LeaseLost`.

    Files of the part become visible. All of it is one transaction.
    """
    task = _leave(attempt, question, log, files)
    name = question.then.rpartition(":")[2]
    task.add_next_step(*urls, step_id=f"{len(task.steps)}-{name}")
    DB.session.flush()
    deliveries.note(task.id, ("steps",))
    DB.session.commit()
    records.tell(task.id, status=False, steps=True)


def wait_for_call(
    attempt: Attempt, question: Question, log: str, files: list[dict[str, Any]]
) -> None:
    """End the part with a call of another plugin; raises `LeaseLost`.

    Publishing the message that makes the call commits all of it.
    """
    task = _leave(attempt, question, log, files)
    task.current_step, task.multi_step = next_number(task.id), True
    kwargs = {"db_id": task.id, "number": task.current_step}
    current_runner.celery.send_task(CALL, kwargs=kwargs)
    records.tell(attempt.task_id)


def _leave(
    attempt: Attempt, question: Question, log: str, files: list[dict[str, Any]]
) -> ProcessingTask:
    """Let the task wait, with what the part leaves; nothing is committed."""
    task_id, connection = attempt.task_id, DB.session.connection()
    held = {"task_id": task_id, "held_by": attempt.lease_key}
    values = {**held, "more": log[-records.LOG_LIMIT :]}
    if connection.execute(WAIT, values).rowcount != 1:
        DB.session.rollback()
        raise LeaseLost(f"attempt {attempt.number} no longer holds task {task_id}")
    capture.end_part(connection)
    if files:
        rows = [{**file, "task_id": task_id} for file in files]
        connection.execute(insert(records.FILE), rows)
    closing = {"of_task": task_id, "held_by": attempt.lease_key, "ended_at": now()}
    connection.execute(records.CLOSE_ATTEMPT, {**closing, "new_state": "asked"})
    DB.session.expire_all()
    task = records.get(task_id)
    task.data = {**task.data, "asked": question.as_json}
    return task


def next_number(task_id: int) -> int:
    """Give the number that the next step or call of a task will have."""
    return records.get(task_id).current_step + 1


def waiting_question(task: ProcessingTask, number: int) -> Question:
    """Give what step ``number`` asks for; raises `StepError` unless it waits."""
    if task.is_finished:
        raise StepError(_("The task has ended; it takes no more answers."))
    asked = (task.data or {}).get("asked")
    if number != task.current_step or not task.has_uncleared_step or not asked:
        raise StepError(_("This step was answered before; the task has gone on."))
    return Question(**asked)


def answer(task: ProcessingTask, number: int, kept: str) -> None:
    """Take the answer (parameters as text) of step ``number``; nothing is committed.

    Publishing the message of the next part commits it, or lets the step wait again.
    Raises `StepError` when the step does not wait (any more).
    """
    _go_on(task, number, waiting_question(task, number), kept)
    task.clear_previous_step()
    DB.session.flush()
    deliveries.note(task.id, ("steps",))


def waiting_call(task: ProcessingTask, number: int) -> Question | None:
    """Give the call that a task waits for; None when it does not (any more)."""
    asked = (task.data or {}).get("asked")
    if task.is_finished or task.state != "waiting" or number != task.current_step:
        return None
    question = Question(**asked) if asked else None
    return question if question and question.is_call else None


def take_result(task: ProcessingTask, number: int, question: Question, kept: str) -> None:
    """Take what call ``number`` has led to, as `answer` takes that of a user."""
    _go_on(task, number, question, kept)
    DB.session.flush()


def _go_on(task: ProcessingTask, number: int, question: Question, kept: str) -> None:
    DB.session.flush()
    values = {"task_id": task.id, "number": number, "until": now() + TRUST}
    if DB.session.connection().execute(ANSWER, values).rowcount != 1:
        DB.session.rollback()
        raise StepError(_("This step was answered before; the task has gone on."))
    DB.session.expire(task)
    part = {
        "question": question.as_json,
        "answer": kept,
        "attempts_before": task.attempt,
    }
    task.data = {**task.data, "part": part}
    task.max_attempts = task.attempt + ATTEMPTS_PER_PART


def part_of(attempt: Attempt) -> tuple[Question, str] | None:
    """Give the question that was answered and the answer; None in the first part."""
    part = (attempt.data or {}).get("part")
    return None if part is None else (Question(**part["question"]), part["answer"])
