"""What the journal still has to see done: statements that find it, and how much it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, exists, func, or_, select, update

from app_runner.tasks.leases import MESSAGE, TASK
from app_runner.tasks.statements import CANCELLING

AT_ONCE = 200  # rows that one round takes
NEVER_SENT = "held"
SILENT_TASKS = (
    select(TASK.c.id, TASK.c.task_name, TASK.c.lease_key)
    .where(
        TASK.c.state.in_(("running", CANCELLING)),
        TASK.c.lease_key.is_not(None),
        TASK.c.lease_expires_at < bindparam("time"),
    )
    .limit(AT_ONCE)
)
SILENT_MESSAGES = (
    select(MESSAGE.c.publication_key, MESSAGE.c.name, MESSAGE.c.lease_key)
    .where(MESSAGE.c.state == "running", MESSAGE.c.due_at < bindparam("time"))
    .limit(AT_ONCE)
)
QUEUED_TASKS = (
    TASK.c.state == "queued",
    TASK.c.message.is_not(None),
    TASK.c.finished_at.is_(None),
)


def _counts(name: Any, due_at: Any, *where: ColumnElement[bool]) -> Any:
    """Give the statement for how many entries there are by name, and how many are due."""
    is_due = func.sum(case((due_at < bindparam("time"), 1), else_=0))
    fresh = due_at < bindparam("fresh")
    found = select(name.label("name"), func.count().label("total"), is_due.label("due"))
    return found.where(*where, fresh).group_by(name)


COUNT_TASKS = _counts(TASK.c.task_name, TASK.c.lease_expires_at, *QUEUED_TASKS)
IS_KNOWN = MESSAGE.c.name.in_(bindparam("names", expanding=True))
COUNT_MESSAGES = _counts(
    MESSAGE.c.queue, MESSAGE.c.due_at, MESSAGE.c.state == "queued", IS_KNOWN
)
UNKNOWN_MESSAGES = (
    select(MESSAGE.c.publication_key, MESSAGE.c.name, MESSAGE.c.task_id)
    .where(MESSAGE.c.state == "queued", MESSAGE.c.due_at < bindparam("since"), ~IS_KNOWN)
    .limit(AT_ONCE)
)
UNKNOWN_TASKS = (
    select(TASK.c.id, TASK.c.task_name.label("name"))
    .where(
        *QUEUED_TASKS,
        TASK.c.lease_expires_at < bindparam("since"),
        TASK.c.task_name.not_in(bindparam("names", expanding=True)),
    )
    .limit(AT_ONCE)
)
#: Tasks that nobody works on any more: a job of theirs that is still to come, or that
#: runs, would be in the journal. Nobody has said of the oldest how long that may be.
LEFT_TASKS = (
    select(TASK.c.id, TASK.c.revision)
    .where(
        TASK.c.state == "queued",
        TASK.c.message.is_(None),
        TASK.c.finished_at.is_(None),
        TASK.c.lease_key.is_(None),
        or_(
            TASK.c.lease_expires_at < bindparam("time"),
            TASK.c.lease_expires_at.is_(None) & (TASK.c.started_at < bindparam("since")),
        ),
        ~exists().where(MESSAGE.c.task_id == TASK.c.id),
    )
    .limit(AT_ONCE)
)
#: Times further away than any that is written here: a clock was wrong when they were.
FAR_TASKS = (
    TASK.c.state.in_(("queued", "running", CANCELLING)),
    or_(TASK.c.lease_key.is_not(None), TASK.c.message.is_not(None)),
    TASK.c.lease_expires_at > bindparam("latest"),
)
FAR_MESSAGES = (
    MESSAGE.c.state.in_(("queued", "running")),
    MESSAGE.c.due_at > bindparam("latest"),
)
#: A look whether there are some, which locks nothing, and what brings them nearer.
NEARER = (
    (
        select(TASK.c.id).where(*FAR_TASKS).limit(1),
        update(TASK).where(*FAR_TASKS).values(lease_expires_at=bindparam("latest")),
    ),
    (
        select(MESSAGE.c.id).where(*FAR_MESSAGES).limit(1),
        update(MESSAGE).where(*FAR_MESSAGES).values(due_at=bindparam("latest")),
    ),
)
DUE_TASKS = (
    select(
        TASK.c.id,
        TASK.c.task_name,
        TASK.c.current_step,
        TASK.c.owner,
        TASK.c.message,
        TASK.c.lease_expires_at.label("due_at"),
    )
    .where(
        *QUEUED_TASKS,
        TASK.c.lease_expires_at < bindparam("time"),
        TASK.c.task_name.in_(bindparam("names", expanding=True)),
    )
    .order_by(TASK.c.lease_expires_at)
)
DUE_MESSAGES = select(
    MESSAGE.c.id, MESSAGE.c.name, MESSAGE.c.content, MESSAGE.c.due_at
).order_by(MESSAGE.c.due_at)
LATER_TASK = (
    update(TASK)
    .where(TASK.c.id == bindparam("of_id"), TASK.c.state == "queued")
    .where(TASK.c.lease_expires_at == bindparam("seen"))
    .values(lease_expires_at=bindparam("later"))
)
LATER_MESSAGE = (
    update(MESSAGE)
    .where(MESSAGE.c.id == bindparam("of_id"), MESSAGE.c.state != "running")
    .where(MESSAGE.c.due_at == bindparam("seen"))
    .values(due_at=bindparam("later"), state="queued")
)


@dataclass
class Backlog:
    """What the journal says about one queue."""

    total: int = 0
    due: int = 0
    names: list[str] = field(default_factory=list)  # of processors' jobs

    def add(self, row: Any) -> None:
        """Count some entries."""
        self.total += row.total
        self.due += row.due
