"""Without a broker tasks are accepted and wait; without a database there is a 503."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app_runner.db import DB
from app_runner.db.models import Message, ProcessingTask
from app_runner.state import state_of
from app_runner.tasks import records
from app_runner.tasks.breaker import PAUSE, Breaker
from tests.api.conftest import assert_error, path_of
from tests.conftest import AppFactory, PluginFolder
from tests.fixtures import PUBLISHED, VERSIONS

BOUND = 2.0  # seconds within which a submit must be answered
SUBMITS = {
    "processor": ("/plugins/adder@1-9-0/process/", {"first": "1"}),
    "chain": ("/plugins/greeting@v0-3-0/process/", {"inputStr": "Ada"}),
    "flushed": ("/plugins/quiz%20game@v1-2-0/process/", {"player": "Ada"}),
}
#: Nothing listens on port 1 of this machine.
DEAD_BROKERS = {
    "redis": "redis://127.0.0.1:1/0",
    "socket": "redis+socket:///no/such/place/broker.sock?virtual_host=0",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:1//",
}


def statuses(app: Flask) -> list[str]:
    with app.app_context():
        return [task.status for task in DB.session.scalars(select(ProcessingTask))]


def assert_unavailable(client: FlaskClient, path: str, data: dict[str, str]) -> None:
    began = time.monotonic()
    answer = client.post(path, data=data)
    assert time.monotonic() - began < BOUND
    assert_error(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0


def assert_accepted(client: FlaskClient, path: str, data: dict[str, str]) -> None:
    began = time.monotonic()
    assert client.post(path, data=data).status_code == 303
    assert time.monotonic() - began < BOUND


@pytest.mark.parametrize("broker", DEAD_BROKERS.values(), ids=DEAD_BROKERS)
def test_without_a_broker_submits_are_accepted_at_once_and_wait(
    make_app: AppFactory, broker: str
) -> None:
    app = make_app(PLUGIN_FOLDERS=[str(PUBLISHED), str(VERSIONS)], BROKER_URL=broker)
    client = app.test_client()
    for path, data in SUBMITS.values():
        assert_accepted(client, path, data)
    assert statuses(app) == ["PENDING"] * 3
    with app.app_context():
        messages = DB.session.scalars(select(Message)).all()
        assert [message.task_id for message in messages] == [2, 3]
        assert records.get(1).message  # the row of a processor's task is its journal
    assert client.get("/plugins/").status_code == 200
    assert client.get("/health/live").status_code == 200
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.get_json()["checks"]["database"]) == (503, "ok")


def test_one_request_at_a_time_finds_out_whether_the_broker_is_back() -> None:
    breaker = Breaker()
    assert [breaker.allows() for _ in range(2)] == [True, True]
    breaker.tell(False)
    assert not breaker.allows()
    breaker._until -= PAUSE
    assert [breaker.allows() for _ in range(2)] == [True, False]
    breaker.tell(True)
    assert [breaker.allows() for _ in range(2)] == [True, True]


def test_a_step_is_answered_without_a_broker(make_app: AppFactory) -> None:
    app = make_app(PLUGIN_FOLDERS=[str(PUBLISHED)])
    with app.app_context():
        task = ProcessingTask(task_name="quiz", data={"answers": []})
        task.save(commit=True)
        task.add_next_step("http://h/", "http://u/", "answer0", commit=True)
    answer = path_of(app, "quiz game@v1-2-0.AnswerView", db_id=1)
    assert_accepted(app.test_client(), answer, {"answer": "1"})
    document = app.test_client().get(path_of(app, "tasks-api.TaskView", task_id=1))
    assert document.get_json()["status"] == "PENDING"
    assert document.get_json()["execution"]["state"] == "queued"
    assert [step["cleared"] for step in document.get_json()["steps"]] == [True]


FAILING_VIEWS = """
    from flask import abort
    from app_runner.plugin_api import (
        DB, PluginBase, ProcessingTask, SecurityBlueprint, TASK_DETAILS_CHANGED, UserError
    )
    from app_runner.db.models import TaskUpdateSubscription
    from flask import current_app

    BLP = SecurityBlueprint("fails@1", __name__, description="x")

    def begun():
        task = ProcessingTask(task_name="x")
        task.save(commit=True)
        DB.session.add(TaskUpdateSubscription(task, "http://hook/", "http://task/"))
        TASK_DETAILS_CHANGED.send(current_app._get_current_object(), task_id=task.id)

    @BLP.route("/raises/")
    def raises():
        begun()
        raise ValueError("/secret/path is wrong")

    @BLP.route("/aborts/")
    def aborts():
        begun()
        abort(409, "not now")

    @BLP.route("/tells/")
    def tells():
        begun()
        raise UserError("Type something else.")

    class Fails(PluginBase):
        name, version = "fails", "1"

        def get_api_blueprint(self):
            return BLP
"""


def test_a_view_that_fails_leaves_no_task_that_waits_for_ever(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("fails.py", FAILING_VIEWS)
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)], BROKER_URL="memory://")
    for view, code in (("raises", 500), ("aborts", 409), ("tells", 422)):
        answer = app.test_client().get(f"/plugins/fails@1/{view}/")
        assert "secret" not in str(assert_error(answer, code))
    assert statuses(app) == ["FAILURE"] * 3


ANSWERS = """
    from app_runner.plugin_api import (
        CELERY, PluginBase, ProcessingTask, SecurityBlueprint
    )

    BLP = SecurityBlueprint("answers@1", __name__, description="x")

    @CELERY.task(name="answers.go-on")
    def go_on(number):
        pass

    @BLP.route("/<int:db_id>/<how>/", methods=["POST"])
    def answer(db_id, how):
        task = ProcessingTask.get_by_id(db_id)
        task.clear_previous_step(commit=True)
        if how == "fails":
            raise ValueError("no")
        go_on.s(db_id).apply_async()
        return "", 204

    class Answers(PluginBase):
        name, version = "answers", "1"

        def get_api_blueprint(self):
            return BLP
"""


def test_the_job_of_an_answer_is_journaled_and_an_answer_that_fails_is_none(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add("answers.py", ANSWERS)
    app = make_app(PLUGIN_FOLDERS=[str(plugin_folder)], BROKER_URL="memory://")
    with app.app_context():
        task = ProcessingTask(task_name="x")
        task.save(commit=True)
        task.add_next_step("http://h/", "http://u/", "first", commit=True)
    for how, code, state, concerned in (
        ("fails", 500, "waiting", []),
        ("goes", 204, "queued", [1]),
    ):
        path = path_of(app, "answers@1.answer", db_id=1, how=how)
        assert app.test_client().post(path).status_code == code
        document = app.test_client().get(path_of(app, "tasks-api.TaskView", task_id=1))
        assert document.get_json()["execution"]["state"] == state
        with app.app_context():
            assert DB.session.scalars(select(Message.task_id)).all() == concerned


@contextmanager
def locked(app: Flask) -> Iterator[None]:
    """Hold the write lock of an app's SQLite file from another connection."""
    path = state_of(app).settings.instance / "app_runner.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_a_locked_database_is_unavailable_and_then_works_again(
    make_app: AppFactory,
) -> None:
    app = make_app(
        PLUGIN_FOLDERS=[str(PUBLISHED)], DATABASE_TIMEOUT=1, BROKER_URL="memory://"
    )
    with app.app_context():
        task_id = records.start("x")
    task_url = path_of(app, "tasks-api.TaskView", task_id=task_id)
    assert app.test_client().get("/plugins/").status_code == 200
    path, data = SUBMITS["chain"]
    subscribe = {"command": "subscribe", "webhookHref": "http://h/"}
    with locked(app), ThreadPoolExecutor() as pool:
        submitted = pool.submit(app.test_client().post, path, data=data)
        subscribed = pool.submit(app.test_client().post, task_url, json=subscribe)
        for read in (task_url, "/plugins/", "/health/live"):  # readers do not wait
            assert app.test_client().get(read).status_code == 200
        for answer in (submitted.result(), subscribed.result()):
            assert_error(answer, 503)
            assert answer.headers["Retry-After"]
    assert statuses(app) == ["PENDING"]
    with app.app_context():
        assert records.get(task_id).subscriptions == []
    assert app.test_client().post(path, data=data).status_code == 303


def test_a_database_that_vanished_is_unavailable(make_app: AppFactory) -> None:
    app = make_app(PLUGIN_FOLDERS=[str(VERSIONS)])
    with app.app_context():
        DB.engine.dispose()
    for file in Path(state_of(app).settings.instance).glob("app_runner.db*"):
        file.unlink()
    client = app.test_client()
    assert_unavailable(client, *SUBMITS["processor"])
    assert_error(client.get(path_of(app, "tasks-api.TaskView", task_id=1)), 503)
    assert client.get("/plugins/").status_code == 200
    ready = client.get("/health/ready").get_json()
    assert ready["checks"]["database"] != "ok"


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
def test_a_database_server_that_is_down_is_unavailable(
    make_app: AppFactory, scheme: str
) -> None:
    app = make_app(
        tables=False,
        SQLALCHEMY_DATABASE_URI=f"{scheme}://user:secret@127.0.0.1:1/nothing",
        PLUGIN_FOLDERS=[str(VERSIONS)],
    )
    client = app.test_client()
    assert_unavailable(client, *SUBMITS["processor"])
    answer = client.get(path_of(app, "tasks-api.TaskView", task_id=1))
    assert "secret" not in str(assert_error(answer, 503))
    assert client.get("/plugins/").status_code == 200
    assert client.get("/api-spec.json").status_code == 200
    assert client.get("/health/ready").status_code == 503
