"""The document of a task as it goes over the wire, built once per revision of its row.

Clients poll it, so the common case is one small query: when the revision is the one that
the document was built for, it is sent again as it is.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

from flask import Flask, current_app, url_for
from sqlalchemy import Table, bindparam, select

from app_runner.api.documents import Document
from app_runner.api.file_links import FileUrls
from app_runner.api.task_execution import execution, is_queued
from app_runner.application import base_url
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, Step, TaskFile
from app_runner.db.models.files import SCRATCH
from app_runner.errors import TaskNotFound
from app_runner.state import current_runner, state_of

CACHE = "task_documents"
CACHED_TASKS = 512
#: Seconds for which the place of a task in the queue is told again.
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
    revision = revision_of(task_id)
    found = cache.get(key)
    if found and found.revision == revision and found.until > time.monotonic():
        return found
    DB.session.expire_all()
    task = DB.session.get(ProcessingTask, task_id)
    if task is None:
        raise TaskNotFound(f"there is no task {task_id}")
    document = Document.of_json(app.json.dumps(describe(task)).encode())
    lasts = PLACE_SECONDS if is_queued(task) else _links_last()
    built = cache[key] = Built(document, task.revision, time.monotonic() + lasts)
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
        "outputs": outputs_of(task.id),
        "execution": execution(task),
    }
    document["links"] += [{"type": link.type, "href": link.href} for link in task.links]
    if task.steps:
        document["steps"] = [_step(step) for step in task.steps]
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
    .where(FILE.c.task_id == bindparam("task_id"), FILE.c.file_type != SCRATCH)
    .order_by(FILE.c.id)
)


def outputs_of(task_id: int) -> list[dict[str, Any]]:
    """Describe the result files of a task."""
    rows = DB.session.execute(OUTPUTS, {"task_id": task_id}).all()
    urls = FileUrls() if rows else None
    stores = current_runner.stores
    ours = {name for name in stores if stores[name].holds_bytes}
    return [
        {
            "href": (store not in ours and _link(store, key))
            or (urls and urls.of(id_, tag)),
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
    query = select(Step).filter_by(task_id=task_id).order_by(Step.number)
    return [_step(step) for step in DB.session.scalars(query)]


def _step(step: Step) -> dict[str, Any]:
    return {
        "href": step.href,
        "uiHref": step.ui_href,
        "stepId": step.step_id,
        "cleared": step.cleared,
    }


def init_app(app: Flask) -> None:
    """Begin with nothing cached."""
    state_of(app).caches[CACHE] = OrderedDict()
