"""An app with one plugin and a broker that takes everything; one shape for all errors."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app_runner.tasks import records
from tests.conftest import PluginFolder
from tests.plugins.conftest import app_with

PLUGIN = """
    from app_runner.plugin_api import Plugin, Task, Text

    plugin = Plugin("poet", "1.0.0")

    @plugin.processor()
    def write(task: Task, title: str, lines: int, rhymes: bool = False) -> str:
        return title
"""
PROCESS = "/plugins/poet@1-0-0/process/"
KEYS = {"code", "status", "message", "errors"}


class Client(FlaskClient):
    """A client that closes an answer when it has read it, as every server does."""

    def open(self, *args: Any, **options: Any) -> TestResponse:
        """Send a request."""
        return super().open(*args, buffered=True, **options)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = PluginFolder(tmp_path_factory.mktemp("plugins"))
    folder.add("poet.py", PLUGIN)
    instance = tmp_path_factory.mktemp("instance")
    with app_with([str(folder)], instance, BROKER_URL="memory://") as app:
        yield app


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    app.test_client_class = Client
    return app.test_client()


@pytest.fixture
def task_id(app: Flask) -> int:
    """Give a task that waits."""
    with app.app_context():
        return records.start("poet", parameters="{}")


@pytest.fixture
def task_url(app: Flask, task_id: int) -> str:
    """Give the path of that task."""
    return path_of(app, "tasks-api.TaskView", task_id=task_id)


def path_of(app: Flask, endpoint: str, **values: Any) -> str:
    """Give the path of an endpoint."""
    with app.test_request_context():
        return app.url_for(endpoint, **values)


def assert_error(answer: TestResponse, code: int) -> dict[str, Any]:
    """Hold an answer to the one shape of errors and give its body."""
    assert answer.status_code == code, answer.text
    assert answer.mimetype == "application/json"
    assert answer.headers["X-Request-ID"]
    if answer.request.method == "HEAD":
        return {}
    body: dict[str, Any] = answer.get_json()
    assert set(body) <= KEYS
    assert (body["code"], body["status"]) == (code, HTTPStatus(code).phrase)
    assert body.get("message", "x")
    assert body.get("errors", {"x": 1})
    assert "Traceback" not in answer.text
    return body
