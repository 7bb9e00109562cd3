"""Lists of tasks, page by page from the newest: each page is one range of an index.

A page ends with a cursor (time and id of its last task) and not with a number of tasks
to skip, so tasks that are started meanwhile move nothing, and the millionth page costs
what the first one does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, or_, select

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask
from app_runner.db.models.tasks import PENDING

CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
COLUMNS = (
    *(ProcessingTask.id, ProcessingTask.task_name, ProcessingTask.plugin),
    *(ProcessingTask.origin, ProcessingTask.owner, ProcessingTask.state),
    *(ProcessingTask.task_status, ProcessingTask.attempt, ProcessingTask.max_attempts),
    *(ProcessingTask.started_at, ProcessingTask.finished_at),
    ProcessingTask.message.is_(None).label("has_no_message"),
)


@dataclass(frozen=True)
class Cursor:
    """The place behind a task, in the order of lists."""

    started_at: datetime
    task_id: int

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read what ``str`` gave; raises ``ValueError``."""
        if (match := CURSOR.fullmatch(text)) is None:
            raise ValueError("this is no cursor")
        return cls(EPOCH + int(match[1]) * MICROSECOND, int(match[2]))

    def __str__(self) -> str:
        return f"{(self.started_at - EPOCH) // MICROSECOND}-{self.task_id}"


@dataclass(frozen=True)
class Wanted:
    """What tasks a list shall have; None does not narrow it."""

    plugin: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: Cursor | None = None

    def narrow(self, query: Select[Any]) -> Select[Any]:
        """Narrow a query to these tasks."""
        task = ProcessingTask
        if self.plugin is not None:
            query = query.where(task.plugin == self.plugin)
        if self.status == PENDING:
            query = query.where(task.finished_at.is_(None))
        elif self.status is not None:
            query = query.where(task.task_status == self.status)
        if self.since is not None:
            query = query.where(task.started_at >= self.since)
        if self.until is not None:
            query = query.where(task.started_at < self.until)
        return query if self.after is None else query.where(_behind(self.after))


def _behind(cursor: Cursor) -> Any:
    at, task = cursor.started_at, ProcessingTask
    same_time = or_(task.started_at < at, task.id < cursor.task_id)
    return and_(task.started_at <= at, same_time)


def page(
    wanted: Wanted, limit: int, narrow: Callable[[Select[Any]], Select[Any]]
) -> tuple[Sequence[Row[Any]], Cursor | None]:
    """Give a page of at most ``limit`` tasks, and where the next one begins.

    ``narrow`` leaves in the query what the caller may see.
    """
    newest = (ProcessingTask.started_at.desc(), ProcessingTask.id.desc())
    query = narrow(wanted.narrow(select(*COLUMNS))).order_by(*newest).limit(limit + 1)
    rows = DB.session.execute(query).all()
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], Cursor(last.started_at, last.id)
