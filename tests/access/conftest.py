"""A runner that others can reach, with two users and an admin."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.db import DB, tokens
from app_runner.db.models import ProcessingTask, TaskFile
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder

ECHO = """
    from app_runner.plugin_api import Plugin, Task

    plugin = Plugin("echo", "1.0.0")

    @plugin.processor()
    def echo(task: Task, text: str) -> str:
        "Says it again."
        return text
"""
PROCESS = "/plugins/echo@1-0-0/process/"


class Site:
    """An app with tokens of ann and bob (users), and of root (an admin)."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client: FlaskClient = app.test_client()
        with app.app_context():
            self.tokens = {
                "ann": tokens.create("ann's", "ann"),
                "bob": tokens.create("bob's", "bob"),
                "root": tokens.create("root's", "root", ["admin"]),
            }

    def headers(self, user: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[user]}"} if user else {}

    def ask(self, user: str | None, method: str, url: str, **more: Any) -> Any:
        headers = {**self.headers(user), **more.pop("headers", {})}
        answer = self.client.open(url, method=method, headers=headers, **more)
        answer.get_data()
        answer.close()
        return answer

    def task(self, owner: str | None, **columns: Any) -> str:
        """Make a task with a file; gives its path."""
        with self.app.test_request_context():
            task = ProcessingTask("job", owner=owner, **columns)
            DB.session.add(task)
            DB.session.commit()
            return self.app.url_for("tasks-api.TaskView", task_id=task.id)

    def task_id(self, path: str) -> int:
        found = state_of(self.app).ids.verify("task", path.split("/")[2])
        assert found is not None
        return found

    def file(self, path: str) -> str:
        """Give a file to a task; gives the path of its bytes."""
        with self.app.test_request_context():
            task = DB.session.get(ProcessingTask, self.task_id(path))
            assert task is not None
            store = "local_filesystem"
            key, _ = (
                state_of(self.app).stores[store].keep("test/a.txt", BytesIO(b"hello"))
            )
            file = TaskFile(task, "", store, "a.txt", key, "entity", "text/plain")
            DB.session.add(file)
            DB.session.commit()
            url = self.app.url_for("files-api.FileView", file_id=file.id)
            return f"{url}?file-id={file.security_tag}"


@pytest.fixture
def make_site(make_app: AppFactory, plugin_folder: PluginFolder) -> Any:
    plugin_folder.add("echo.py", ECHO)

    def make(**settings: Any) -> Site:
        usual = {"EXPOSURE": "public", "BROKER_URL": "memory://"}
        return Site(
            make_app(**{"PLUGIN_FOLDERS": [str(plugin_folder)], **usual, **settings})
        )

    return make


@pytest.fixture
def site(make_site: Any) -> Site:
    made: Site = make_site()
    return made
