"""The document of a task as it goes over the wire, built once per revision of its row.

Clients poll it, so the common case is one small query: when the revision is the one that
the document was built for, it is sent again as it is.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

from flask import Flask, current_app, url_for
from sqlalchemy import Connection, Label, Select, Table, bindparam, exists, select

from app_runner.api.documents import Document
from app_runner.api.file_links import FileUrls
from app_runner.api.running_jobs import running_job, waits
from app_runner.api.task_execution import execution, queue_position
from app_runner.application import base_url
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, Step, TaskAttempt, TaskFile, TaskLink
from app_runner.db.models.base import Row
from app_runner.db.models.files import SCRATCH
from app_runner.db.models.tasks import FAILURE, PENDING
from app_runner.errors import TaskNotFound
from app_runner.state import current_runner, state_of

CACHE = "task_documents"
CACHED_TASKS = 512
#: Seconds for which the place of a task in the queue is told again, or that it has left
#: the queue, if only the journal knows that.
PLACE_SECONDS = 1.0
Key = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Built:
    """A document, the revision that it is of, and up to when it is true."""

    document: Document
    revision: int
    until: float


def task_document(task_id: int) -> Document:
    """Give the document of the task; raises `TaskNotFound`."""
    return built_document(task_id).document


def built_document(task_id: int) -> Built:
    """Give the document with its revision; raises `TaskNotFound`."""
    cache: OrderedDict[Key, Built] = current_runner.caches[CACHE]
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    key = (task_id, base_url(app) or "")
    with DB.engine.connect() as connection:
        revision = _revision(connection, task_id)
        found = cache.get(key)
        if found and found.revision == revision and found.until > time.monotonic():
            return found
        seen = connection.execute(SHOWN, {"of_task": task_id}).one()
        described = describe(connection, seen)
    document = Document.of_json(app.json.dumps(described).encode())
    lasts = PLACE_SECONDS if waits(seen) else _links_last()
    built = cache[key] = Built(document, seen.revision, time.monotonic() + lasts)
    while len(cache) > CACHED_TASKS:
        cache.popitem(last=False)
    return built


def _links_last() -> float:
    """Give the seconds after which the links to files have to be made anew."""
    return current_runner.settings["FILE_URL_SECONDS"] or float("inf")


TASK = cast(Table, ProcessingTask.__table__)
#: Run at every poll, therefore written once and run below the ORM.
REVISION = select(TASK.c.revision).where(TASK.c.id == bindparam("task_id"))


def revision_of(task_id: int) -> int:
    """Give the revision of a task as stored; raises `TaskNotFound`."""
    with DB.engine.connect() as connection:
        return _revision(connection, task_id)


def _revision(connection: Connection, task_id: int) -> int:
    row = connection.execute(REVISION, {"task_id": task_id}).first()
    if row is None:
        raise TaskNotFound(f"there is no task {task_id}")
    return int(row[0])


def describe(connection: Connection, task: Any) -> dict[str, Any]:
    """Write a row of `SHOWN` down; ``steps`` and ``progress`` only when there are any."""

    def rows(query: Select[Any], are_any: bool = True) -> Sequence[Any]:
        return connection.execute(query, {"of_task": task.id}).all() if are_any else ()

    job = running_job(connection, task)
    is_queued = waits(task) and job is None
    document: dict[str, Any] = {
        "status": status_of(task),
        "log": task.task_log,
        "links": [{"type": "subscribe", "href": task_url(task.id)}],
        "outputs": _outputs(rows(OUTPUTS, task.has_files)),
        "execution": execution(
            task,
            rows(ATTEMPTS, task.attempt > 0),
            queue_position(connection, task.id) if is_queued else None,
            job,
        ),
    }
    links = rows(LINKS, task.has_links)
    document["links"] += [{"type": link.type, "href": link.href} for link in links]
    if steps := rows(STEPS, task.has_steps):
        document["steps"] = [_step(step) for step in steps]
    if (progress := progress_of(task)) is not None:
        document["progress"] = progress
    return document


def task_url(task_id: int) -> str:
    """Give the absolute URL of a task."""
    return url_for("tasks-api.TaskView", task_id=task_id, _external=True)


def file_url(file: TaskFile) -> str:
    """Give the absolute URL of a file's bytes, which is also the right to read them.

    For a link it is the URL that the link leads to.
    """
    return link_of(file) or FileUrls().of(file.id, file.security_tag)


def link_of(file: TaskFile) -> str | None:
    """Give the URL elsewhere when the file is only a link, else None."""
    return _link(file.storage_provider, file.file_storage_data)


def _link(store: str, key: str) -> str | None:
    stores = current_runner.stores
    if store not in stores or stores[store].holds_bytes:
        return None
    return stores[store].url(key)


def status_of(task: Any) -> str:
    """Give the word on the wire: PENDING, SUCCESS or FAILURE."""
    return PENDING if task.finished_at is None else task.task_status or FAILURE


def _of_task(model: type[Row], *columns: Any) -> Select[Any]:
    table = cast(Table, model.__table__)
    return select(*columns).where(table.c.task_id == bindparam("of_task"))


def _exists(model: type[Row], name: str) -> Label[bool]:
    table = cast(Table, model.__table__)
    return exists().where(table.c.task_id == TASK.c.id).label(name)


#: What the document of a task needs of its row, and what else there is to ask for. Run at
#: every change that somebody waits for, therefore below the ORM.
SHOWN = select(
    *(TASK.c.id, TASK.c.revision, TASK.c.task_name, TASK.c.plugin, TASK.c.origin),
    *(TASK.c.state, TASK.c.task_status, TASK.c.task_log, TASK.c.parameters),
    *(TASK.c.started_at, TASK.c.finished_at, TASK.c.attempt, TASK.c.max_attempts),
    *(TASK.c.progress_value, TASK.c.progress_start, TASK.c.progress_target),
    TASK.c.progress_unit,
    TASK.c.message.is_(None).label("has_no_message"),
    _exists(TaskFile, "has_files"),
    _exists(TaskLink, "has_links"),
    _exists(Step, "has_steps"),
).where(TASK.c.id == bindparam("of_task"))
ATTEMPTS = _of_task(
    TaskAttempt,
    *(TaskAttempt.number, TaskAttempt.worker, TaskAttempt.started_at),
    *(TaskAttempt.finished_at, TaskAttempt.outcome),
).order_by(TaskAttempt.number)
LINKS = _of_task(TaskLink, TaskLink.type, TaskLink.href).order_by(TaskLink.id)
STEPS = _of_task(Step, Step.href, Step.ui_href, Step.step_id, Step.cleared).order_by(
    Step.number
)
FILE = cast(Table, TaskFile.__table__)
#: A task may have very many results, of which no object is needed.
OUTPUTS = (
    select(
        FILE.c.id,
        FILE.c.security_tag,
        FILE.c.storage_provider,
        FILE.c.file_storage_data,
        FILE.c.file_type,
        FILE.c.mimetype,
        FILE.c.file_name,
    )
    .where(FILE.c.task_id == bindparam("of_task"), FILE.c.file_type != SCRATCH)
    .order_by(FILE.c.id)
)


def _outputs(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Describe result files, rows of `OUTPUTS`."""
    if not rows:
        return []
    urls = FileUrls()
    stores = current_runner.stores
    ours = {name for name in stores if stores[name].holds_bytes}
    return [
        {
            "href": (store not in ours and _link(store, key)) or urls.of(id_, tag),
            "dataType": file_type,
            "contentType": mimetype,
            "name": name,
        }
        for id_, tag, store, key, file_type, mimetype, name in rows
    ]


def progress_of(task: Any) -> dict[str, Any] | None:
    """Give the progress, unless it is unknown or no number that JSON can say."""
    numbers = {
        "start": task.progress_start,
        "target": task.progress_target,
        "value": task.progress_value,
    }
    if not all(number is not None and isfinite(number) for number in numbers.values()):
        return None
    return {**numbers, "unit": task.progress_unit}


def steps_of(task_id: int) -> list[dict[str, Any]]:
    """Write the steps of a task down."""
    found = DB.session.execute(STEPS, {"of_task": task_id})
    return [_step(step) for step in found]


def _step(step: Any) -> dict[str, Any]:
    return {
        "href": step.href,
        "uiHref": step.ui_href,
        "stepId": step.step_id,
        "cleared": step.cleared,
    }


def init_app(app: Flask) -> None:
    """Begin with nothing cached."""
    state_of(app).caches[CACHE] = OrderedDict()
