"""Ending tasks on request.

The wish is written to the row of the task, so it holds whatever is restarted: a task that
no job holds ends at once, and a job that holds one is told, then ended.
"""

from __future__ import annotations

import time
from contextlib import suppress

from billiard.exceptions import SoftTimeLimitExceeded
from billiard.process import current_process
from sqlalchemy import bindparam, select

from app_runner.db.engine import DB
from app_runner.db.types import now
from app_runner.errors import LeaseLost, TaskFinished
from app_runner.tasks import records
from app_runner.tasks.patience import DATABASE_AWAY
from app_runner.tasks.records import CANCELLING, TASK, Attempt

#: Seconds between two looks at the row; a processor may ask in its innermost loop.
LOOK_EVERY = 0.5
WISH = records.OPEN_TASK.values(
    cancel_requested_at=bindparam("wished_at"), state=CANCELLING
)
STATE = select(TASK.c.state).where(TASK.c.id == bindparam("task_id"))


class TaskCancelled(BaseException):
    """Ends the job of a task that was cancelled; no ``except Exception`` stops it."""


def cancel(task_id: int) -> None:
    """Wish the end of a task; a second time changes nothing.

    Raises `TaskFinished` when it has ended in another way before, `TaskNotFound`.
    """
    task = records.get(task_id)
    if task.is_finished:
        if task.state == "cancelled":
            return
        raise TaskFinished(f"task {task_id} has ended before")
    if task.state != CANCELLING:
        wish = {"task_id": task_id, "wished_at": now()}
        DB.session.connection().execute(WISH, wish)
        DB.session.commit()  # nothing can be claimed from here on
    try:
        records.cancel(task_id, idle=True)
    except TaskFinished:  # or a job holds it, which is now told
        records.tell(task_id)


def settle(attempt: Attempt) -> None:
    """End a task whose job has ended without a result while its end was wished."""
    if not is_wished(attempt.task_id):
        return
    with suppress(LeaseLost):  # then somebody else ended it
        records.cancel(attempt.task_id, attempt=attempt)


def is_wished(task_id: int) -> bool:
    """Tell whether the end of a task is wished, in a transaction of its own."""
    with DB.engine.connect() as connection:
        return connection.scalar(STATE, {"task_id": task_id}) == CANCELLING


class CancellationToken:
    """Tells a job whether the end of its task is wished."""

    def __init__(self, task_id: int, soft_time: float | None = None) -> None:
        """Take the id of the task, and the seconds that its job may take from now."""
        self._task_id = task_id
        self._until = None
        if soft_time and current_process().name == "MainProcess":  # else by signal
            self._until = time.monotonic() + soft_time
        self._looked_at = time.monotonic()
        self._is_set = self._told = False

    def is_set(self) -> bool:
        """Tell whether the end is wished; once it is, it stays so."""
        if not self._is_set and time.monotonic() - self._looked_at >= LOOK_EVERY:
            with suppress(*DATABASE_AWAY):  # the work goes on, and looks again later
                self._is_set = is_wished(self._task_id)
            self._looked_at = time.monotonic()
        return self._is_set

    def check(self) -> None:
        """Raise `TaskCancelled` when the end is wished; once.

        Where jobs share a process, also ``SoftTimeLimitExceeded``, when it is time.
        """
        if self.is_set() and not self._told:
            self._told = True
            raise TaskCancelled
        if self._until is not None and time.monotonic() > self._until:
            self._until = None
            raise SoftTimeLimitExceeded
