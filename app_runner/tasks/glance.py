"""The state of a task at a glance: what changes often, in one small query."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from app_runner.db.models import ProcessingTask as Task
from app_runner.db.models import TaskAttempt, TaskLogChunk
from app_runner.errors import TaskNotFound

LAST_CHUNK = (
    select(func.max(TaskLogChunk.id))
    .where(TaskLogChunk.task_id == Task.id)
    .scalar_subquery()
)
WORKER = (
    select(TaskAttempt.worker)
    .where(TaskAttempt.task_id == Task.id)
    .order_by(TaskAttempt.number.desc())
    .limit(1)
    .scalar_subquery()
)
#: Run for each event, therefore written once.
GLANCE = select(
    *(Task.id, Task.revision, Task.state, Task.task_status, Task.finished_at),
    *(Task.attempt, Task.max_attempts, Task.multi_step),
    *(Task.progress_value, Task.progress_start, Task.progress_target),
    Task.progress_unit,
    Task.message.is_(None).label("has_no_message"),
    LAST_CHUNK.label("last_chunk"),
    WORKER.label("worker"),
).where(Task.id == bindparam("task_id"))


def at(connection: Connection, task_id: int) -> Any:
    """Look at a task; raises `TaskNotFound`."""
    row = connection.execute(GLANCE, {"task_id": task_id}).first()
    if row is None:
        raise TaskNotFound(f"there is no task {task_id}")
    return row
