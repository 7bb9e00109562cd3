"""Bytes in a store that no row speaks of, such as those of attempts that were killed.

A key that a row names in another store is not lost: files are being moved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskFile, Upload, UploadPart
from app_runner.files.contract import FileStore

AT_ONCE = 500  # keys that are looked for in one query
#: Seconds between the end of a write and its row, generously.
ROW_FOLLOWS = 2.0


def orphans(store: FileStore, wait: Callable[[float], None] = time.sleep) -> list[str]:
    """Give the keys that no row names and no task that still runs has written."""
    found = [key for keys in _batches(store.keys()) for key in _unnamed(keys)]
    if found:  # some of them may have been written a moment ago
        wait(ROW_FOLLOWS)
        found = [key for keys in _batches(found) for key in _unnamed(keys)]
    return found


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for key in keys:
        batch.append(key)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _unnamed(keys: list[str]) -> list[str]:
    named: set[str] = set()
    for kind in (TaskFile, Upload, UploadPart):
        query = DB.select(kind.file_storage_data).where(kind.file_storage_data.in_(keys))
        named.update(DB.session.scalars(query))
    left = [key for key in keys if key not in named]
    tasks = {task for key in left if (task := _task_of(key)) is not None}
    query = DB.select(ProcessingTask.id).where(
        ProcessingTask.id.in_(tasks), ProcessingTask.finished_at.is_(None)
    )
    running = set(DB.session.scalars(query))
    DB.session.rollback()
    return [key for key in left if _task_of(key) not in running]


def _task_of(key: str) -> int | None:
    """Give the task that wrote the key (see `results.write`)."""
    first = key.partition("/")[0]
    return int(first) if first.isdigit() and len(first) < 19 else None
