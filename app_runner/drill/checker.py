"""Checks what must hold of every task, from the event log and the database.

No accepted task is lost; each has exactly one final state, which does not change any
more; a task that succeeded has exactly one accepted result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Engine, Table, select

from app_runner.db.models import Message, ProcessingTask, TaskAttempt, TaskFile

from .clients import Accepted

TASK = cast(Table, ProcessingTask.__table__)
ATTEMPT = cast(Table, TaskAttempt.__table__)
FILE = cast(Table, TaskFile.__table__)
MESSAGE = cast(Table, Message.__table__)
FINAL = {"succeeded": "SUCCESS", "failed": "FAILURE", "cancelled": "FAILURE"}
#: Ids in one query.
BATCH = 500


@dataclass(frozen=True)
class State:
    """What the database knows of a task."""

    id: int
    name: str
    state: str
    status: str | None
    finished_at: datetime | None
    attempt: int
    log: str


def states(engine: Engine, tasks: Iterable[Accepted]) -> dict[int, State]:
    """Give the states of tasks by their ids; lost ones are not there."""
    columns = (
        *(TASK.c.id, TASK.c.task_name, TASK.c.state, TASK.c.task_status),
        *(TASK.c.finished_at, TASK.c.attempt, TASK.c.task_log),
    )
    found: dict[int, State] = {}
    with engine.connect() as connection:
        for ids in _batches([task.id for task in tasks]):
            for row in connection.execute(select(*columns).where(TASK.c.id.in_(ids))):
                found[row.id] = State(*row)
    return found


def outcomes(engine: Engine, task: Accepted) -> list[str | None]:
    """Give how the attempts at a task ended, oldest first."""
    of_task = select(ATTEMPT.c.outcome).where(ATTEMPT.c.task_id == task.id)
    with engine.connect() as connection:
        return list(connection.scalars(of_task.order_by(ATTEMPT.c.number)))


def _batches(ids: list[int]) -> Iterable[list[int]]:
    for begin in range(0, len(ids), BATCH):
        yield ids[begin : begin + BATCH]


def unfinished(engine: Engine) -> set[int]:
    """Give the ids of tasks that have not ended, accepted or not."""
    with engine.connect() as connection:
        query = select(TASK.c.id).where(TASK.c.finished_at.is_(None))
        return set(connection.scalars(query))


def messages_left(engine: Engine) -> list[str]:
    """Give the messages of ended tasks that the journal still keeps."""
    ended = select(TASK.c.id).where(TASK.c.finished_at.is_not(None))
    query = select(MESSAGE.c.name, MESSAGE.c.task_id, MESSAGE.c.state)
    with engine.connect() as connection:
        found = connection.execute(query.where(MESSAGE.c.task_id.in_(ended))).all()
    return [f"the journal keeps {r.name} ({r.state}) of task {r.task_id}" for r in found]


def violations(engine: Engine, tasks: list[Accepted]) -> list[str]:
    """Give a sentence for every task that breaks what must hold."""
    found = states(engine, tasks)
    wrong = [f"task {task.id} is lost" for task in tasks if task.id not in found]
    for state in found.values():
        wrong += _wrong_end(state)
    with engine.connect() as connection:
        for ids in _batches([s.id for s in found.values() if s.state == "succeeded"]):
            wrong += _wrong_results(connection, ids, found)
    return wrong


def _wrong_end(state: State) -> list[str]:
    if state.finished_at is None:
        return [f"task {state.id} has not ended ({state.state})"]
    if FINAL.get(state.state) != state.status:
        return [f"task {state.id} is {state.state} and {state.status}"]
    return []


def _wrong_results(
    connection: Connection, ids: list[int], found: dict[int, State]
) -> Iterable[str]:
    """A processor's task has one attempt that succeeded, and the one file of that."""
    won = select(ATTEMPT.c.task_id, ATTEMPT.c.number).where(
        ATTEMPT.c.task_id.in_(ids), ATTEMPT.c.outcome == "succeeded"
    )
    saved = select(FILE.c.task_id, FILE.c.attempt).where(FILE.c.task_id.in_(ids))
    winners: dict[int, list[Any]] = {id_: [] for id_ in ids}
    files: dict[int, list[Any]] = {id_: [] for id_ in ids}
    for task_id, number in connection.execute(won):
        winners[task_id].append(number)
    for task_id, number in connection.execute(saved):
        files[task_id].append(number)
    for id_ in ids:
        if not found[id_].name.startswith("drill"):
            continue  # chains keep no files, and what they count as attempts is theirs
        if len(winners[id_]) != 1:
            yield f"task {id_} has accepted results of attempts {winners[id_]}"
        elif files[id_] != winners[id_]:
            yield f"task {id_} has files of attempts {files[id_]}, not {winners[id_]}"


def changed_ends(seen: Iterable[dict[str, Any]]) -> list[str]:
    """Give the tasks that clients saw end in two ways, or live again after their end."""
    ends: dict[int, str] = {}
    wrong = []
    for event in seen:
        task, status = event["task"], event["status"]
        before = ends.get(task)
        if before is not None and status != before:
            wrong.append(f"task {task} was seen as {before}, then as {status}")
        elif status != "PENDING":
            ends[task] = status
    return wrong
