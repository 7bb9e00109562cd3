"""The part ``execution`` of a task's document: what lies behind its status."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from app_runner.api.kept_parameters import SEALED, UPLOADED
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskAttempt
from app_runner.tasks.handle import HIDDEN

#: Tasks before this one that are counted at most.
MOST_COUNTED = 1000
#: Names of parameters that are taken for secrets, also where no field says so.
SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase|code)|secret|token|api[_-]?key|credentials?)$", re.IGNORECASE
)
LOGIN_IN_URL = re.compile(r"(?<=://)[^\s/@]+(?=@)")


def execution(task: ProcessingTask) -> dict[str, Any]:
    """Write it down."""
    origin = task.origin or {}
    newest = task.attempts[-1] if task.attempts else None
    running = newest is not None and newest.finished_at is None and not task.is_finished
    return {
        "name": task.task_name,
        "plugin": task.plugin,
        "pluginName": origin.get("name"),
        "pluginVersion": origin.get("version"),
        "pluginCommit": origin.get("commit"),
        "parameters": shown_parameters(task),
        "state": ended_state(task.state, task.is_finished, task.task_status),
        "queuePosition": queue_position(task) if is_queued(task) else None,
        "attempt": task.attempt,
        "maxAttempts": task.max_attempts,
        "worker": newest.worker if newest else None,
        "startedAt": time_text(task.started_at),
        "runningSince": time_text(newest.started_at) if newest and running else None,
        "finishedAt": time_text(task.finished_at),
        "attempts": [_attempt(attempt) for attempt in task.attempts],
    }


def is_queued(task: ProcessingTask) -> bool:
    """Tell whether the task waits for a worker."""
    return task.state == "queued" and not task.is_finished


def queue_position(task: Any) -> int:
    """Give the place of a queued task: 1 is next; counting ends at `MOST_COUNTED`."""
    queued, id_ = ProcessingTask.state == "queued", ProcessingTask.id
    before = select(id_).where(queued, id_ < task.id).limit(MOST_COUNTED - 1).subquery()
    return 1 + int(DB.session.scalar(select(func.count()).select_from(before)) or 0)


def ended_state(state: str, is_finished: bool, status: str | None) -> str:
    """Give the state; of a task that a plugin ended itself, what its status means."""
    if not is_finished or state in ("succeeded", "failed", "cancelled"):
        return state
    return "succeeded" if status == "SUCCESS" else "failed"


def shown_parameters(task: ProcessingTask) -> Any:
    """Give parameters as they may be shown: no passwords, and only if they are JSON."""
    origin = task.origin or {}
    return masked(parameters_of(task), set(origin.get("secrets", ())))


def parameters_of(task: ProcessingTask) -> Any:
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


def _attempt(attempt: TaskAttempt) -> dict[str, Any]:
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
