"""An app whose plugin does what tests need, and a way to run its jobs here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app_runner.db import DB
from app_runner.db.models import ProcessingTask
from app_runner.db.types import now
from app_runner.state import state_of
from app_runner.tasks import records
from app_runner.tasks.records import Attempt
from tests.conftest import PluginFolder
from tests.plugins.conftest import app_with

WORKS = """
    import sys
    from pathlib import Path
    from tempfile import SpooledTemporaryFile

    from app_runner.plugin_api import Output, Plugin, Task, UserError
    from app_runner.tasks.cancelling import cancel as stop

    works = Plugin("works", "1")

    @works.processor(outputs=[Output("out.txt"), Output("extra.json", required=False)])
    def work(task: Task, do: str) -> str:
        return ACTIONS[do](task)

    def good(task: Task):
        task.progress(1, 4, "rounds")
        task.log("one line")
        task.save("out.txt", "hello")
        return "done"

    def user_error(task):
        task.save("out.txt", "x")
        raise UserError("Choose a smaller number.")

    def error(task):
        open("/secret/place/file.txt")

    def missing(task):
        return "forgot the file"

    def exits(task):
        sys.exit("no licence")

    def numbers(task):
        task.progress(float("nan"), float("inf"))
        task.save("out.txt", b"")
        return 42

    def odd_text(task):
        task.log("a \\0 and half a \\ud800 pair")
        raise UserError("\\0\\ud800")

    def cancelled(task):
        task.save("out.txt", "half")
        stop(task.id)
        task._token._looked_at = 0
        try:
            task.log("still there")
        finally:
            task.log("cleaning up")

    def cancelled_late(task):
        stop(task.id)
        task.save("out.txt", "whole")
        return "was faster"

    def asks_cancelled(task):
        stop(task.id)
        task.ask(then=good)

    def kinds(task):
        with SpooledTemporaryFile(mode="w") as file:
            file.write("spooled")
            task.save("out.txt", file)
        task.save("extra.json", {"a": [1, "ä"]})
        task.save("/etc/passwd", b"bytes", "secret", "x/y")
        task.save("self.py", Path(__file__))

    def unsavable(task):
        task.save("out.txt", object())

    ACTIONS = {name: value for name, value in globals().items() if callable(value)}
"""

Run = Callable[..., int]


@pytest.fixture(scope="package")
def works_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = PluginFolder(tmp_path_factory.mktemp("plugins"))
    folder.add("works.py", WORKS)
    instance = tmp_path_factory.mktemp("instance")
    settings = {"BROKER_URL": "memory://", "EXPOSURE": "public", "LOGIN_REQUIRED": False}
    with app_with([str(folder)], instance, **settings) as app:
        assert state_of(app).registry.problems == []
        yield app


@pytest.fixture
def app(works_app: Flask) -> Iterator[Flask]:
    """Give that app inside the context of a request."""
    with works_app.test_request_context():
        yield works_app


@pytest.fixture
def run(app: Flask) -> Run:
    """Run the job of a new task that does ``action``, and give the task's id."""

    def start_and_run(action: str) -> int:
        parameters = f'{{"do": "{action}"}}'
        task_id = records.start("works@1.work", parameters=parameters)
        state_of(app).celery.tasks["works@1.work"](db_id=task_id)
        return task_id

    return start_and_run


def claim(task_id: int) -> Attempt:
    """Claim a task that can be claimed: nobody holds it, or the lease is over."""
    DB.session.execute(
        update(ProcessingTask)
        .where(ProcessingTask.id == task_id)
        .values(lease_expires_at=now() - timedelta(seconds=1))
    )
    attempt = records.claim(task_id, worker="w", publication_key=None)
    assert attempt is not None
    return attempt


def document(app: Flask, task_id: int) -> dict[str, Any]:
    """Give the document of a task as clients see it."""
    url = app.url_for("tasks-api.TaskView", task_id=task_id)
    answer = app.test_client().get(url, buffered=True)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found
