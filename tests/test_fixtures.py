"""The fixtures themselves: an app serves, a worker works."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.db.models import ProcessingTask
from tests.conftest import AppFactory, PluginFolder, WorkerStarter
from tests.polling import wait_for

PLUGIN = """
    from app_runner.plugin_api import Plugin, Task

    plugin = Plugin("shout", "1.0.0")

    @plugin.processor()
    def shout(task: Task, word: str) -> str:
        return word.upper()
"""


def test_an_app_serves_without_plugins_and_broker(client: FlaskClient) -> None:
    assert client.get("/plugins/").json == {"plugins": []} | (
        client.get("/plugins/").json or {}
    )


@pytest.mark.integration
def test_a_worker_of_an_app_runs_its_tasks(
    make_app: AppFactory,
    plugin_folder: PluginFolder,
    broker_settings: dict[str, str],
    start_worker: WorkerStarter,
) -> None:
    plugin_folder.add("shout.py", PLUGIN)
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)], **broker_settings)
    start_worker(app)
    submitted = app.test_client().post(
        "/plugins/shout@1-0-0/process/", data={"word": "a"}
    )
    assert submitted.status_code == 303, submitted.text
    wait_for(lambda: log_of(app) == "A")


def log_of(app: Flask) -> str:
    with app.app_context():
        task = ProcessingTask.get_by_id(1)
        return task.task_log if task and task.is_ok else ""
