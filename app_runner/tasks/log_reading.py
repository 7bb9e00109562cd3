"""Reads the log lines of a task's attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from app_runner.db.engine import DB
from app_runner.db.models import TaskLogChunk as Chunk


@dataclass(frozen=True)
class Lines:
    """Lines of one attempt: ``first`` is the number of the first of them, from 0."""

    attempt: int
    first: int
    lines: Sequence[str]

    @property
    def following(self) -> int:
        """Give the number of the line behind them."""
        return self.first + len(self.lines)


def attempts_with_lines(task_id: int) -> list[int]:
    """Give the numbers of the attempts that have said something."""
    query = select(Chunk.attempt).filter_by(task_id=task_id).distinct()
    return sorted(DB.session.scalars(query))


def read(task_id: int, attempt: int, offset: int, most: int) -> Lines:
    """Give at most ``most`` lines from line ``offset`` on.

    They begin later when the oldest lines were dropped, and end where some are missing.
    """
    query = select(Chunk).filter_by(task_id=task_id, attempt=attempt)
    behind = Chunk.first_line + Chunk.line_count > offset
    lines: list[str] = []
    first = offset
    chunks = DB.session.scalars(query.where(behind).order_by(Chunk.first_line))
    for chunk in chunks:
        if not lines:
            first = max(offset, chunk.first_line)
        elif chunk.first_line > first + len(lines):
            break
        lines += chunk.content.split("\n")[first + len(lines) - chunk.first_line :]
        if len(lines) >= most:
            break
    return Lines(attempt, first, lines[:most])


def newer(task_id: int, after_id: int, most: int = 100) -> list[tuple[int, Lines]]:
    """Give chunks with an id above ``after_id``, each with that id, oldest first."""
    query = select(Chunk).filter_by(task_id=task_id).where(Chunk.id > after_id)
    found = DB.session.scalars(query.order_by(Chunk.id).limit(most))
    return [
        (chunk.id, Lines(chunk.attempt, chunk.first_line, chunk.content.split("\n")))
        for chunk in found
    ]
