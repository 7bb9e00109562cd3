"""Deletes finished tasks with their files, in small transactions.

Bytes go first, then the rows: who is interrupted finds the same tasks again. Files that a
task reads that has not ended are left alone, and so is the task that they belong to.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import cast

from sqlalchemy import ColumnElement, Table, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, Retention, TaskFile
from app_runner.errors import RunnerError
from app_runner.state import current_runner
from app_runner.tasks.records import FILE, TASK

LOG = logging.getLogger(__name__)
MARK = cast(Table, Retention.__table__)
#: Signed ids of files in URLs, also in those that are quoted.
FILE_IN_URL = re.compile(r"(?:/|%2F)files(?:/|%2F)([1-9][0-9]{0,18}-[a-z2-7]{26})\b")
#: Values in one statement.
MANY = 500


class InUse(RunnerError):
    """The files of a task are read by one that has not ended."""


class Pins:
    """The tasks whose files are read by tasks that have not ended."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.tasks: set[int] = set()
        self._seen = 0

    def look(self) -> set[int]:
        """Give them; looks only at tasks that are newer than those it has seen."""
        query = (
            select(TASK.c.id, TASK.c.parameters, TASK.c.data)
            .where(TASK.c.finished_at.is_(None), TASK.c.id > self._seen)
            .order_by(TASK.c.id)
        )
        files: set[int] = set()
        with DB.engine.connect() as connection:
            for row in connection.execute(query):
                files |= files_named(f"{row.parameters} {row.data}")
                self._seen = row.id
            for part in _parts(sorted(files)):
                owners = select(FILE.c.task_id).where(FILE.c.id.in_(part)).distinct()
                self.tasks |= set(connection.scalars(owners))
        return self.tasks


def files_named(text: str) -> set[int]:
    """Give the ids of our files whose URLs stand in a text."""
    found = {
        current_runner.ids.verify("file", signed) for signed in FILE_IN_URL.findall(text)
    }
    return {number for number in found if number is not None}


def delete_task(task: ProcessingTask) -> None:
    """Delete one task that has ended; raises `InUse`, `StoreError`."""
    if task.id in Pins().look():
        raise InUse(f"the files of task {task.id} are in use")
    task_id = task.id
    DB.session.rollback()
    for _done in deleted([task_id]):
        pass


def deleted(task_ids: Sequence[int]) -> Iterator[int]:
    """Delete tasks that have ended, with their files; gives the bytes of each file.

    Raises `StoreError` when a store does not do it; the rows stay then.
    """
    ensure_row()
    files: list[int] = []
    query = select(FILE).where(FILE.c.task_id.in_(task_ids))
    with DB.engine.connect() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        if row.storage_provider in current_runner.stores:
            current_runner.stores[row.storage_provider].delete(row.file_storage_data)
        files.append(row.id)
        yield row.size or 0
    marks = {
        "deleted_task_id": _higher(MARK.c.deleted_task_id, max(task_ids, default=0)),
        "deleted_file_id": _higher(MARK.c.deleted_file_id, max(files, default=0)),
    }
    with DB.engine.begin() as connection:
        ended = TASK.c.finished_at.is_not(None)
        connection.execute(delete(TASK).where(TASK.c.id.in_(task_ids), ended))
        connection.execute(update(MARK).values(marks))


def _higher(column: ColumnElement[int], value: int) -> ColumnElement[int]:
    return case((column < value, value), else_=column)


def ensure_row() -> None:
    """Make the row that remembers, if there is none."""
    with DB.engine.connect() as connection:
        if connection.scalar(select(MARK.c.id)) is not None:
            return
    with suppress(IntegrityError), DB.engine.begin() as connection:
        connection.execute(insert(MARK).values(id=1))


def was_deleted(model: type[ProcessingTask] | type[TaskFile], number: int) -> bool:
    """Tell whether there was a row of this id; it is signed, so we have given it."""
    is_task = model is ProcessingTask
    table = TASK if is_task else FILE
    deleted_id = MARK.c.deleted_task_id if is_task else MARK.c.deleted_file_id
    with DB.engine.connect() as connection:
        if connection.scalar(select(table.c.id).where(table.c.id == number)):
            return False
        highest = connection.scalar(select(func.max(table.c.id))) or 0
        return number <= max(highest, connection.scalar(select(deleted_id)) or 0)


def _parts(values: Sequence[int]) -> Iterable[Sequence[int]]:
    return (values[start : start + MANY] for start in range(0, len(values), MANY))
