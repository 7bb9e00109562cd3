"""How many bytes a task and a user may keep; asks only where a bound is set."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, cast

from sqlalchemy import func

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskFile, Upload
from app_runner.errors import UserError
from app_runner.state import current_runner


class QuotaExceeded(UserError):
    """There is no room left for this file."""


class Limited:
    """A source of at most ``limit`` bytes; then it raises what ``refusal`` gives."""

    def __init__(
        self, source: BinaryIO, limit: int, refusal: Callable[[], Exception]
    ) -> None:
        """Take the source, bytes, and what makes the exception."""
        self._source, self._left, self._refusal = source, limit, refusal

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes; raises the refusal."""
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise self._refusal()
        return data


def for_task(task_id: int, source: BinaryIO, unsaved: int) -> BinaryIO:
    """Bound a source by what the task, and the user it belongs to, may still keep.

    ``unsaved`` are bytes of files of the task that have no row yet.
    """
    of_task = current_runner.settings["TASK_FILE_QUOTA"]
    if of_task:
        query = DB.select(func.sum(TaskFile.size)).where(TaskFile.task_id == task_id)
        left = of_task - unsaved - (DB.session.scalar(query) or 0)
        source = cast(BinaryIO, Limited(source, int(left), task_is_full))
    if current_runner.settings["USER_FILE_QUOTA"]:
        owner = DB.session.scalar(DB.select(ProcessingTask.owner).filter_by(id=task_id))
        left = left_for_user(owner) - unsaved
        source = cast(BinaryIO, Limited(source, left, user_is_full))
    return source


def check_user(owner: str | None, more: int) -> None:
    """Raise `QuotaExceeded` when the user may not keep ``more`` bytes."""
    if current_runner.settings["USER_FILE_QUOTA"] and left_for_user(owner) < more:
        raise user_is_full()


def left_for_user(owner: str | None) -> int:
    """Give the bytes that a user may still keep; all that nobody owns counts as one."""
    files = DB.select(func.sum(TaskFile.size)).join(TaskFile.task)
    uploads = DB.select(func.sum(Upload.received)).where(Upload.owner == owner)
    used = DB.session.scalar(files.where(ProcessingTask.owner == owner)) or 0
    used += DB.session.scalar(uploads) or 0
    return int(current_runner.settings["USER_FILE_QUOTA"] - used)


def task_is_full() -> QuotaExceeded:
    """Say what the bound of a task is."""
    text = _(
        "The files of one task may have %(count)s bytes together (setting "
        "TASK_FILE_QUOTA).",
        count=current_runner.settings["TASK_FILE_QUOTA"],
    )
    return QuotaExceeded(text)


def user_is_full() -> QuotaExceeded:
    """Say what the bound of a user is."""
    text = _(
        "The files of one user may have %(count)s bytes together (setting "
        "USER_FILE_QUOTA). Delete some tasks or uploads.",
        count=current_runner.settings["USER_FILE_QUOTA"],
    )
    return QuotaExceeded(text)
