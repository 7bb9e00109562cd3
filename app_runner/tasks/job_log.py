"""The log of a job: what it prints, logs and tells its task, line by line.

Lines go to the database in chunks while the job runs, so that they can be read as they
come, and also when its process was killed. Each attempt keeps its newest lines.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import cast

from flask import Flask
from sqlalchemy import Connection, Table, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskLogChunk
from app_runner.db.types import now
from app_runner.errors import without_paths
from app_runner.state import state_of
from app_runner.tasks.batch import Batch

#: Characters of the newest lines that an attempt keeps, and that may wait to be written.
MOST_KEPT = 1_000_000
#: Characters of one line; the rest of it is left out.
LONGEST_LINE = 10_000
#: Characters that a chunk counts for besides its lines.
CHUNK_COST = 100
#: Seconds that the end of a job waits for the thread that writes.
PATIENCE = 0.2
CHUNK = cast(Table, TaskLogChunk.__table__)
LINES_BEFORE = select(func.max(CHUNK.c.first_line + CHUNK.c.line_count))


class JobLog:
    """The lines of one execution of a job."""

    def __init__(self, app: Flask, task_id: int) -> None:
        """Take the task; the attempt is the newest of it until `of_attempt` tells."""
        self._task_id = task_id
        self._attempt: int | None = None
        self._hide: Callable[[str], str] = str
        self._keeps_paths = state_of(app).settings["EXPOSURE"] == "local"
        self._lines: deque[str] = deque()
        self._size = 0  # characters that wait
        self._first: int | None = None  # number of the first line that waits …
        self._left_out = 0  # … without those that were never written
        self._chunks: deque[tuple[int, int]] = deque()  # written ones: id and size
        self._kept = 0  # size of all of them
        self._guard = threading.Lock()
        self._batch = Batch(app, self._write)

    def of_attempt(self, number: int, hide: Callable[[str], str]) -> None:
        """Tell the number of the attempt, and what takes passwords out of a text."""
        self._attempt, self._hide = number, hide

    def add(self, text: str) -> None:
        """Add whole lines; those of a process that the job has forked are left out."""
        if self._batch.is_forked:
            return
        with self._guard:
            for line in text.splitlines() or [""]:
                cut = line[:LONGEST_LINE]
                self._lines.append(cut)
                self._size += len(cut) + 1
            while self._size > MOST_KEPT:  # faster than it can be written
                self._size -= len(self._lines.popleft()) + 1
                self._left_out += 1
        if not self._batch.waits:
            self._batch.begin()

    def flush(self) -> None:
        """Write what waits, in a transaction of its own."""
        if self._lines:
            self._batch.flush()

    def flush_with(self, connection: Connection) -> None:
        """Write what waits in the transaction that ends the job's part.

        While the thread writes, `flush` has to do it behind that transaction.
        """
        if self._lines:
            with self._batch.alone(PATIENCE) as is_alone:
                if is_alone:
                    self._store(connection)

    def _write(self) -> None:
        if not self._lines:
            return
        with DB.engine.begin() as connection:
            self._store(connection)

    def _store(self, connection: Connection) -> None:
        with self._guard:
            lines = list(self._lines)
            self._lines.clear()
            self._size = 0
        try:
            self._add_chunk(connection, lines)
        except SQLAlchemyError:
            with self._guard:
                self._lines.extendleft(reversed(lines))
                self._size += sum(len(line) + 1 for line in lines)
            raise

    def _add_chunk(self, connection: Connection, lines: list[str]) -> None:
        if self._first is None:
            self._first = self._find_place(connection)
        content = self._hide("\n".join(lines))
        if not self._keeps_paths:
            content = without_paths(content)
        place = {"task_id": self._task_id, "attempt": self._attempt}
        span = {"first_line": self._first + self._left_out, "line_count": len(lines)}
        row = {**place, **span, "content": content, "written_at": now()}
        key = connection.execute(insert(CHUNK), row).inserted_primary_key
        self._first += len(lines)
        self._chunks.append((key[0] if key else 0, len(content) + CHUNK_COST))
        self._kept += self._chunks[-1][1]
        self._forget_oldest(connection)

    def _find_place(self, connection: Connection) -> int:
        """Give the number of the line behind those of earlier jobs of the attempt."""
        if self._attempt is None:
            task = select(ProcessingTask.attempt)
            number = connection.scalar(task.where(ProcessingTask.id == self._task_id))
            self._attempt = number or 0
        own = CHUNK.c.task_id == self._task_id, CHUNK.c.attempt == self._attempt
        return connection.scalar(LINES_BEFORE.where(*own)) or 0

    def _forget_oldest(self, connection: Connection) -> None:
        old = []
        while self._kept > MOST_KEPT and len(self._chunks) > 1:
            chunk_id, size = self._chunks.popleft()
            old.append(chunk_id)
            self._kept -= size
        if old:
            connection.execute(delete(CHUNK).where(CHUNK.c.id.in_(old)))
