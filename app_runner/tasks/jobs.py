"""The runner's own Celery tasks: they end a chain, record its error, add a step."""

from __future__ import annotations

import logging
from typing import Any

from celery.result import AsyncResult

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.tasks import deliveries, records, working
from app_runner.tasks.processing import explain
from app_runner.tasks.recorder import UNTIL_DATABASE_ANSWERS, RecordedTask, TaskRecorder

LOG = logging.getLogger(__name__)
CORE_TASKS: list[RecordedTask] = []
CORE = TaskRecorder(CORE_TASKS)


#: Options of jobs that do nothing but end their task.
ENDING: dict[str, Any] = {
    "ignore_result": True,
    "ends_task": True,
    **UNTIL_DATABASE_ANSWERS,
}


@CORE.task(name=working.SAVE_RESULT, **ENDING)
def save_task_result(task_log: str | None, db_id: int) -> None:
    """End task ``db_id`` with SUCCESS; last link of a chain, takes what the job returned.

    Raises ``TypeError`` when that is neither text nor None.
    """
    if task_log is not None and not isinstance(task_log, str):
        raise TypeError(f"a job must return text or None, not {type(task_log).__name__}")
    working.end_once(records.succeed, db_id, task_log or "")


@CORE.task(name="app-runner.save-error", bind=True, **ENDING)
def save_task_error(self: Any, failing_task_id: str, db_id: int) -> None:
    """End task ``db_id`` with FAILURE; errback, gets the id of the failed job."""
    if told := self.request.get("failure"):
        working.end_once(records.fail, db_id, told)
        return
    result: AsyncResult = self.app.AsyncResult(failing_task_id)  # type: ignore[type-arg]
    error: Any = result.result
    trace = None if result.traceback is None else str(result.traceback)
    LOG.error("Job %s of task %s failed: %r\n%s", failing_task_id, db_id, error, trace)
    text = explain(error, trace) if error else _("The job failed and its error was lost.")
    working.end_once(records.fail, db_id, text)


@CORE.task(name="app-runner.add-step", ignore_result=True, **UNTIL_DATABASE_ANSWERS)
def add_step(
    task_log: str | None,
    db_id: int,
    step_id: str,
    href: str,
    ui_href: str,
    prog_value: int | None = None,
    prog_start: int = 0,
    prog_target: int = 100,
    prog_unit: str = "%",
) -> None:
    """Let task ``db_id`` wait for input at ``href`` (form at ``ui_href``).

    Without ``prog_value`` the progress counts steps. Raises `StepError` when the step
    before still waits, which ends the task.
    """
    task = records.get(db_id)
    if task.is_finished:
        LOG.warning("Task %s has ended; step %s is not added", db_id, step_id)
        return
    if task_log:
        task.add_task_log_entry(task_log)
    task.add_next_step(href, ui_href, step_id)
    if prog_value is None:
        prog_value, prog_target, prog_unit = len(task.steps), len(task.steps) + 1, ""
    task.progress_value, task.progress_start = prog_value, prog_start
    task.progress_target, task.progress_unit = prog_target, prog_unit
    DB.session.flush()
    deliveries.note(db_id, ("steps",))
    DB.session.commit()
    records.tell(db_id, status=False, steps=True)
