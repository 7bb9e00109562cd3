"""Jobs that plugins start themselves, as far as the journal knows that they run.

A claim of such a job changes its message and not the row of its task, which therefore
says queued all the time. Who shows such a task looks here too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, bindparam, select

from app_runner.tasks.leases import MESSAGE

#: A task whose job is a processor's is the journal of it, and needs no look.
JOBS = (
    select(
        *(MESSAGE.c.task_id, MESSAGE.c.attempt, MESSAGE.c.max_attempts),
        *(MESSAGE.c.worker, MESSAGE.c.begun_at),
    )
    .where(
        MESSAGE.c.task_id.in_(bindparam("task_ids", expanding=True)),
        MESSAGE.c.state == "running",
    )
    .order_by(MESSAGE.c.id)
)
#: Few, however many tasks wait: there is at most one for each job that a worker runs.
TASKS_THAT_RUN = select(MESSAGE.c.task_id).where(
    MESSAGE.c.state == "running", MESSAGE.c.task_id.is_not(None)
)


def waits(task: Any) -> bool:
    """Tell whether the row of a task says that it is queued."""
    return task.state == "queued" and task.finished_at is None


def may_run(task: Any) -> bool:
    """Tell whether a job of the task may run that its row does not know of."""
    return waits(task) and bool(task.has_no_message)


def running_jobs(connection: Connection, task_ids: Collection[int]) -> dict[int, Any]:
    """Give the newest running job of each of these tasks that has one."""
    if not task_ids:
        return {}
    rows = connection.execute(JOBS, {"task_ids": list(task_ids)})
    return {row.task_id: row for row in rows}


def running_job(connection: Connection, task: Any) -> Any:
    """Give the newest running job of a task; None when there is none to look for."""
    return running_jobs(connection, [task.id] if may_run(task) else []).get(task.id)
