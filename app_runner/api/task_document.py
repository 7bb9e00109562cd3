"""The document of a task as it goes over the wire, built once per revision of its row.

Clients poll it, so the common case is one small query: when the revision is the one that
the document was built for, it is sent again as it is.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from math import isfinite
from typing import Any, cast

from flask import Flask, current_app, url_for
from sqlalchemy import Table, bindparam, select

from app_runner.api.documents import Document
from app_runner.application import base_url
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, Step, TaskAttempt, TaskFile
from app_runner.errors import TaskNotFound
from app_runner.state import current_runner, state_of

CACHE = "task_documents"
CACHED_TASKS = 512
Key = tuple[int, str]


def task_document(task_id: int) -> Document:
    """Give the document of the task; raises `TaskNotFound`."""
    cache: OrderedDict[Key, tuple[int, Document]] = current_runner.caches[CACHE]
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    key = (task_id, base_url(app) or "")
    revision = _revision(task_id)
    found = cache.get(key)
    if found is not None and found[0] == revision:
        return found[1]
    DB.session.expire_all()
    task = DB.session.get(ProcessingTask, task_id)
    if task is None:
        raise TaskNotFound(f"there is no task {task_id}")
    built = task.revision, Document.of_json(app.json.dumps(describe(task)).encode())
    cache[key] = built
    while len(cache) > CACHED_TASKS:
        cache.popitem(last=False)
    return built[1]


TASK = cast(Table, ProcessingTask.__table__)
#: Run at every poll, therefore written once and run below the ORM.
REVISION = select(TASK.c.revision).where(TASK.c.id == bindparam("task_id"))


def _revision(task_id: int) -> int:
    with DB.engine.connect() as connection:
        row = connection.execute(REVISION, {"task_id": task_id}).first()
    if row is None:
        raise TaskNotFound(f"there is no task {task_id}")
    return int(row[0])


def describe(task: ProcessingTask) -> dict[str, Any]:
    """Write the task down; ``steps`` and ``progress`` only when there are any."""
    document: dict[str, Any] = {
        "status": task.status,
        "log": task.task_log,
        "links": [{"type": "subscribe", "href": task_url(task.id)}],
        "outputs": [_output(file) for file in task.outputs],
        "execution": _execution(task),
    }
    document["links"] += [{"type": link.type, "href": link.href} for link in task.links]
    if task.steps:
        document["steps"] = [_step(step) for step in task.steps]
    if (progress := _progress(task)) is not None:
        document["progress"] = progress
    return document


def task_url(task_id: int) -> str:
    """Give the absolute URL of a task."""
    return url_for("tasks-api.TaskView", task_id=task_id, _external=True)


def file_url(file: TaskFile) -> str:
    """Give the absolute URL of a file's bytes, which is also the right to read them.

    For a link it is the URL that the link leads to.
    """
    return link_of(file) or url_for(
        "files-api.FileView",
        file_id=file.id,
        **{"file-id": file.security_tag},
        _external=True,
    )


def link_of(file: TaskFile) -> str | None:
    """Give the URL elsewhere when the file is only a link, else None."""
    stores, name = current_runner.stores, file.storage_provider
    if name not in stores or stores[name].holds_bytes:
        return None
    return stores[name].url(file.file_storage_data)


def _output(file: TaskFile) -> dict[str, Any]:
    return {
        "href": file_url(file),
        "dataType": file.file_type,
        "contentType": file.mimetype,
        "name": file.file_name,
    }


def _progress(task: ProcessingTask) -> dict[str, Any] | None:
    """Give the progress, unless it is unknown or no number that JSON can say."""
    numbers = {
        "start": task.progress_start,
        "target": task.progress_target,
        "value": task.progress_value,
    }
    if not all(number is not None and isfinite(number) for number in numbers.values()):
        return None
    return {**numbers, "unit": task.progress_unit}


def _step(step: Step) -> dict[str, Any]:
    return {
        "href": step.href,
        "uiHref": step.ui_href,
        "stepId": step.step_id,
        "cleared": step.cleared,
    }


def _execution(task: ProcessingTask) -> dict[str, Any]:
    return {
        "name": task.task_name,
        "plugin": task.plugin,
        "state": task.state if not task.is_finished else _ended(task),
        "attempt": task.attempt,
        "maxAttempts": task.max_attempts,
        "startedAt": _time(task.started_at),
        "finishedAt": _time(task.finished_at),
        "attempts": [_attempt(attempt) for attempt in task.attempts],
    }


def _ended(task: ProcessingTask) -> str:
    if task.state in ("succeeded", "failed", "cancelled"):
        return task.state
    return "succeeded" if task.is_ok else "failed"  # set by a plugin, not by the records


def _attempt(attempt: TaskAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "startedAt": _time(attempt.started_at),
        "finishedAt": _time(attempt.finished_at),
        "outcome": attempt.outcome,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def init_app(app: Flask) -> None:
    """Begin with nothing cached."""
    state_of(app).caches[CACHE] = OrderedDict()
