"""A real broker goes away, or stops to answer, and comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app_runner.db import DB
from app_runner.db.models import ProcessingTask
from app_runner.launch.embedded import EmbeddedBroker, prepare
from tests.api.conftest import path_of
from tests.conftest import AppFactory
from tests.fixtures import PUBLISHED, VERSIONS
from tests.integration.conftest import RunnerFactory
from tests.polling import wait_for
from tests.processes import Running
from tests.tasks.test_unavailable import SUBMITS, assert_accepted

pytestmark = pytest.mark.integration


class Broker:
    """An embedded broker of one test."""

    def __init__(self, files: EmbeddedBroker) -> None:
        self.files = files
        self.start()

    def start(self) -> None:
        """Start, also again; what was queued is still there."""
        self.process = Running(self.files.command, os.environ, self.files.folder / "out")
        wait_for(self.files.answers, what="an answer of the broker")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.process.pid, number)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    found = Broker(prepare(tmp_path / "broker"))
    yield found
    found.process.kill()


@pytest.fixture
def app(make_app: AppFactory, broker: Broker) -> Flask:
    folders = [str(PUBLISHED), str(VERSIONS)]
    return make_app(PLUGIN_FOLDERS=folders, BROKER_URL=broker.files.url)


def submit_all(client: FlaskClient) -> None:
    for path, data in SUBMITS.values():
        assert client.post(path, data=data).status_code == 303


def accept_all(client: FlaskClient) -> None:
    for path, data in SUBMITS.values():
        assert_accepted(client, path, data)


def pending(app: Flask) -> int:
    with app.app_context():
        found = DB.session.scalars(select(ProcessingTask))
        return sum(task.status == "PENDING" for task in found)


def test_submits_are_accepted_while_a_broker_is_killed(
    app: Flask, broker: Broker
) -> None:
    client = app.test_client()
    submit_all(client)
    broker.process.kill()
    accept_all(client)
    assert pending(app) == 6
    assert client.get("/health/ready").status_code == 503
    broker.start()
    submit_all(client)
    assert pending(app) == 9
    assert client.get("/health/ready").status_code == 200


def test_submits_are_accepted_within_two_seconds_while_a_broker_is_frozen(
    app: Flask, broker: Broker, make_app: AppFactory
) -> None:
    client = app.test_client()
    submit_all(client)
    broker.send(signal.SIGSTOP)
    try:
        accept_all(client)
        fresh = make_app(PLUGIN_FOLDERS=[str(VERSIONS)], BROKER_URL=broker.files.url)
        assert_accepted(fresh.test_client(), *SUBMITS["processor"])
        assert client.get("/plugins/").status_code == 200
    finally:
        broker.send(signal.SIGCONT)
    assert pending(app) == 6
    submit_all(client)


def test_a_step_answered_meanwhile_goes_on_when_the_broker_is_back(
    make_runner: RunnerFactory, broker: Broker
) -> None:
    runner = make_runner(BROKER_URL=broker.files.url)
    task = runner.submit("quiz%20game@v1-2-0/process/", player="Ada")
    wait_for(lambda: runner.document(task).get("steps"))
    href = runner.document(task)["steps"][0]["href"]
    broker.process.kill()
    assert runner.client.post(href, data={"answer": "42"}).status_code == 303
    assert runner.document(task)["steps"][0]["cleared"] is True
    broker.start()
    assert runner.ended(task)["status"] == "SUCCESS"


def test_a_worker_outlives_a_broker_that_is_restarted_while_a_job_runs(
    make_runner: RunnerFactory, broker: Broker, tmp_path: Path
) -> None:
    runner = make_runner(BROKER_URL=broker.files.url, pool="prefork")
    go_on = tmp_path / "go"
    task = runner.submit("report@1/process/", word="x", fail=str(go_on))
    wait_for(lambda: runner.document(task)["execution"]["state"] == "running")
    broker.process.kill()
    runner.worker.wait_until_printed("Connection to broker lost")
    broker.start()
    go_on.touch()
    assert runner.ended(task)["status"] == "SUCCESS"
    assert runner.run("report@1/process/", word="y")["status"] == "SUCCESS"


def test_a_webhook_needs_no_broker(app: Flask, broker: Broker) -> None:
    with app.app_context():
        task = ProcessingTask(task_name="x", task_status="SUCCESS")
        task.finished_at = task.started_at
        task.save(commit=True)
    path = path_of(app, "tasks-api.TaskView", task_id=1)
    command = {"command": "subscribe", "webhookHref": "http://127.0.0.1:1/"}
    broker.process.kill()
    assert app.test_client().post(path, json=command).status_code == 200
    noted = app.test_client().get(f"{path}deliveries").get_json()["deliveries"]
    assert [delivery["outcome"] for delivery in noted] == [None]
