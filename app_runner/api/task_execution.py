"""The part ``execution`` of a task's document: what lies behind its status."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from app_runner.api.kept_parameters import SEALED, UPLOADED
from app_runner.api.running_jobs import TASKS_THAT_RUN
from app_runner.db.models import ProcessingTask
from app_runner.tasks.handle import HIDDEN

#: Tasks before this one that are counted at most.
MOST_COUNTED = 1000
#: Names of parameters that are taken for secrets, also where no field says so.
SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase|code)|secret|token|api[_-]?key|credentials?)$", re.IGNORECASE
)
LOGIN_IN_URL = re.compile(r"(?<=://)[^\s/@]+(?=@)")


def execution(
    task: Any, attempts: Sequence[Any], position: int | None, job: Any = None
) -> dict[str, Any]:
    """Write it down, of the row of a task and those of its attempts, oldest first.

    ``position`` is the task's place in the queue, and ``job`` one of its plugin's own
    that runs.
    """
    origin = task.origin or {}
    newest = attempts[-1] if attempts else None
    ended = task.finished_at is not None
    running = newest is not None and newest.finished_at is None and not ended
    written = {
        "name": task.task_name,
        "plugin": task.plugin,
        "pluginName": origin.get("name"),
        "pluginVersion": origin.get("version"),
        "pluginCommit": origin.get("commit"),
        "parameters": shown_parameters(task),
        "state": ended_state(task.state, ended, task.task_status),
        "queuePosition": position,
        "attempt": task.attempt,
        "maxAttempts": task.max_attempts,
        "worker": newest.worker if newest else None,
        "startedAt": time_text(task.started_at),
        "runningSince": time_text(newest.started_at) if newest and running else None,
        "finishedAt": time_text(task.finished_at),
        "attempts": [_attempt(attempt) for attempt in attempts],
    }
    if job is not None:
        written |= job_state(job)
        written["worker"] = job.worker
        written["runningSince"] = time_text(job.begun_at)
    return written


def job_state(job: Any) -> dict[str, Any]:
    """Give what a running job of its plugin's own says of the state of a task."""
    return {
        "state": "running",
        "attempt": job.attempt,
        "maxAttempts": job.max_attempts,
    }


QUEUED_BEFORE = (
    select(ProcessingTask.id)
    .where(
        ProcessingTask.state == "queued",
        ProcessingTask.id < bindparam("of_task"),
        ProcessingTask.id.not_in(TASKS_THAT_RUN),
    )
    .limit(MOST_COUNTED - 1)
)
COUNT_BEFORE = select(func.count()).select_from(QUEUED_BEFORE.subquery())


def queue_position(connection: Connection, task_id: int) -> int:
    """Give the place of a queued task: 1 is next; counting ends at `MOST_COUNTED`."""
    return 1 + int(connection.scalar(COUNT_BEFORE, {"of_task": task_id}) or 0)


def ended_state(state: str, is_finished: bool, status: str | None) -> str:
    """Give the state; of a task that a plugin ended itself, what its status means."""
    if not is_finished or state in ("succeeded", "failed", "cancelled"):
        return state
    return "succeeded" if status == "SUCCESS" else "failed"


def shown_parameters(task: Any) -> Any:
    """Give parameters as they may be shown: no passwords, and only if they are JSON."""
    origin = task.origin or {}
    return masked(parameters_of(task), set(origin.get("secrets", ())))


def parameters_of(task: Any) -> Any:
    """Give the parameters by their names on the wire; None when they are not known.

    Secrets in them are sealed where the plugin did not write them down itself.
    """
    if (sent := (task.origin or {}).get("sent")) is not None:
        return sent
    try:
        return json.loads(task.parameters)
    except (ValueError, RecursionError):
        return None


def masked(value: Any, secret_names: Collection[str] = ()) -> Any:
    """Give a copy of ``value`` without secrets."""
    if isinstance(value, dict):
        if set(value) == {SEALED}:
            return HIDDEN
        if set(value) == {UPLOADED}:
            return {UPLOADED: True}
        return {
            name: HIDDEN if is_secret(name, v, secret_names) else masked(v, secret_names)
            for name, v in value.items()
        }
    if isinstance(value, list):
        return [masked(inner, secret_names) for inner in value]
    return LOGIN_IN_URL.sub(HIDDEN, value) if isinstance(value, str) else value


def is_secret(name: str, value: Any, secret_names: Collection[str]) -> bool:
    """Tell whether the value of a parameter is a text that nobody may see."""
    if not value or not isinstance(value, str):
        return False
    return name in secret_names or SECRET_NAME.search(name) is not None


def _attempt(attempt: Any) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "startedAt": time_text(attempt.started_at),
        "finishedAt": time_text(attempt.finished_at),
        "outcome": attempt.outcome,
    }


def time_text(moment: datetime | None) -> str | None:
    """Write a time in UTC (RFC 3339); None stays."""
    return None if moment is None else moment.isoformat()
