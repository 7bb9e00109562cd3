"""The statements that change tasks, written once and run below the ORM."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam, case, select, update

from app_runner.db.models import Step, TaskAttempt, TaskFile
from app_runner.db.models.tasks import SUCCESS
from app_runner.tasks.leases import TASK, is_free

#: State of a task whose end is wished while a job still holds it.
CANCELLING = "cancelling"

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
    TASK.c.state != "waiting",
    TASK.c.state != CANCELLING,
    is_free(TASK.c.lease_key, TASK.c.lease_expires_at),
).values(
    attempt=TASK.c.attempt + 1,
    state="running",
    lease_key=bindparam("new_key"),
    lease_expires_at=bindparam("until"),
)
_OF_CLAIM = (
    *(TASK.c.attempt, TASK.c.max_attempts, TASK.c.parameters, TASK.c.multi_step),
    *(TASK.c.finished_at, TASK.c.current_step, TASK.c.state, TASK.c.data),
    *(TASK.c.lease_key, TASK.c.lease_expires_at),
)
SEEN_BY_CLAIM = select(*_OF_CLAIM).where(TASK.c.id == bindparam("task_id"))
#: Both at once, for databases that can do so.
CLAIM_AND_SEE = CLAIM.returning(*_OF_CLAIM)
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
    .where(
        ATTEMPT.c.task_id == bindparam("of_task"),
        ATTEMPT.c.lease_key == bindparam("held_by"),
    )
    .values(finished_at=bindparam("ended_at"), outcome=bindparam("new_state"))
)
RELEASE = HELD_TASK.where(TASK.c.lease_expires_at < bindparam("before")).values(
    state=case((TASK.c.state == CANCELLING, CANCELLING), else_="queued"),
    lease_key=None,
    lease_expires_at=bindparam("until"),
    max_attempts=case(
        (bindparam("again") > 0, TASK.c.max_attempts + bindparam("more")),
        else_=TASK.c.attempt,
    ),
)
CLEAR_STEPS = (
    update(STEP)
    .where(STEP.c.task_id == bindparam("of_task"), STEP.c.cleared.is_(False))
    .values(cleared=True)
)


def claimed(connection: Connection, values: dict[str, Any]) -> tuple[Any, bool]:
    """Compare and set; give the row as it is then, and whether it was changed."""
    taken = False
    if connection.dialect.update_returning:
        row = connection.execute(CLAIM_AND_SEE, values).first()
        if row is not None:
            return row, True
    else:
        taken = connection.execute(CLAIM, values).rowcount == 1
    return (
        connection.execute(SEEN_BY_CLAIM, {"task_id": values["task_id"]}).first(),
        taken,
    )
