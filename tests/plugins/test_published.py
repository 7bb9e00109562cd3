"""Plugins in the published style: unchanged imports, also in two apps of one process."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.compat.table import OLD_PACKAGE, TABLE
from app_runner.db import DB
from app_runner.db.models import ProcessingTask
from app_runner.db.types import now
from app_runner.state import state_of
from app_runner.tasks import records
from tests.conftest import AppFactory
from tests.fixtures import PUBLISHED
from tests.plugins.conftest import app_with

GREETING = "/plugins/greeting@v0-3-0"
QUIZ = "/plugins/quiz%20game@v1-2-0"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    instance = tmp_path_factory.mktemp("instance")
    with app_with([str(PUBLISHED)], instance, BROKER_URL="memory://") as app:
        yield app


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_every_row_of_the_table_leads_somewhere() -> None:
    for module, names in TABLE.items():
        found = importlib.import_module(f"{OLD_PACKAGE}.{module}".rstrip("."))
        for name in names:
            assert getattr(found, name) is not None


def test_what_is_not_in_the_table_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{OLD_PACKAGE}.no_such_module")
    with pytest.raises(ImportError):
        exec(f"from {OLD_PACKAGE}.tasks import no_such_name")  # noqa: S102


def test_they_load_without_problems(app: Flask, client: FlaskClient) -> None:
    assert state_of(app).registry.problems == []
    listed = client.get("/plugins/").get_json()["plugins"]
    assert [p["identifier"] for p in listed] == ["greeting@v0-3-0", "quiz game@v1-2-0"]
    assert listed[1]["apiRoot"] == f"http://localhost{QUIZ}/"


def test_metadata_has_the_known_shape(client: FlaskClient) -> None:
    metadata = client.get(f"{GREETING}/").get_json()
    assert metadata["type"] == "processing"
    assert metadata["entryPoint"]["href"] == f"{GREETING}/process/"
    assert metadata["entryPoint"]["dataOutput"] == [
        {"dataType": "txt", "contentType": ["text/plain"], "required": True}
    ]


def test_metadata_names_parameters_of_inputs(client: FlaskClient) -> None:
    entry_point = client.get(f"{QUIZ}/").get_json()["entryPoint"]
    assert entry_point["dataInput"][0]["parameter"] == "hintsUrl"
    assert entry_point["dataOutput"][0]["name"] == "score.json"


def test_the_form_is_filled_in_from_the_query(client: FlaskClient) -> None:
    page = client.get(f"{GREETING}/ui/", query_string={"inputStr": "<Ada>"})
    assert page.status_code == 200
    assert 'name="inputStr"' in page.text
    assert "&lt;Ada&gt;" in page.text


def test_the_form_shows_what_is_wrong(client: FlaskClient) -> None:
    page = client.post(f"{GREETING}/ui/", data={"inputStr": "x" * 10})
    assert page.status_code == 200
    assert 'class="qhana-form-submit"' in page.text


def test_templates_of_a_package_extend_ours(client: FlaskClient) -> None:
    page = client.get(f"{QUIZ}/ui/").text
    assert '<p class="question">Who plays?</p>' in page
    assert 'name="player"' in page
    assert 'name="hintsUrl"' in page


def test_a_submit_leads_to_its_task(app: Flask, client: FlaskClient) -> None:
    answer = client.post(f"{GREETING}/process/", data={"inputStr": "Ada", "extra": "x"})
    assert answer.status_code == 303
    task = client.get(answer.location).get_json()
    assert task["status"] == "PENDING"
    assert task["execution"]["name"] == "greeting@v0-3-0.greeting_task"


def test_links_of_a_plugin_stand_in_the_task(client: FlaskClient) -> None:
    answer = client.post(f"{QUIZ}/process/", data={"player": "Ada"})
    assert answer.status_code == 303, answer.text
    links = client.get(answer.location).get_json()["links"]
    assert [link["type"] for link in links] == ["subscribe", "scores"]


def test_ids_in_routes_of_plugins_cannot_be_guessed(
    app: Flask, client: FlaskClient
) -> None:
    client.post(f"{QUIZ}/process/", data={"player": "Ada"})
    for guess in ("1", "-1", "0", "1-" + "a" * 26, "x", "9" * 40):
        assert client.post(f"{QUIZ}/{guess}/answer-process/").status_code == 404
    with app.test_request_context():
        url = app.url_for("quiz game@v1-2-0.AnswerView", db_id=1)
    assert client.post(url, data={"answer": "x"}).status_code == 422


def test_the_task_runs_as_a_function(app: Flask) -> None:
    with app.test_request_context():
        task = ProcessingTask(task_name="t", parameters='{"input_str": "Ada"}')
        task.save(commit=True)
        job = state_of(app).celery.tasks["greeting@v0-3-0.greeting_task"]
        assert job(db_id=task.id) == "result: 'Ada'"
        assert [file.file_name for file in task.outputs] == ["out.txt"]


def test_each_app_has_plugin_objects_tasks_and_modules_of_its_own(
    make_app: AppFactory,
) -> None:
    apps = [make_app(PLUGIN_FOLDERS=[str(PUBLISHED)]) for _ in range(2)]
    first, second = (state_of(app).registry.get("greeting@v0-3-0") for app in apps)
    assert first is not None
    assert second is not None
    assert type(first.plugin) is not type(second.plugin)
    assert first.plugin.app is apps[0]
    assert second.plugin.app is apps[1]
    for app, loaded in zip(apps, (first, second), strict=True):
        module = sys.modules[type(loaded.plugin).__module__]
        with app.app_context():
            assert type(loaded.plugin).instance is loaded.plugin
            bound = module.greeting_task.app
        assert bound is state_of(app).celery


def test_the_pages_of_a_deleted_task_are_gone(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        task = ProcessingTask(task_name="quiz", data={"questions": {"asked": ["Why?"]}})
        task.save(commit=True)
        form = app.url_for("quiz game@v1-2-0.AnswerFrontend", db_id=task.id)
        answer = app.url_for("quiz game@v1-2-0.AnswerView", db_id=task.id)
        document = app.url_for("tasks-api.TaskView", task_id=task.id)
        records.fail(task.id, "stopped")
    assert client.get(form).status_code == 200  # the route is the plugin's own
    assert client.delete(document).status_code == 204
    page = client.get(form, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.mimetype) == (410, "text/html")
    assert "<h1" in page.text
    assert "The task was deleted." in page.text
    sent = client.post(answer, data={"answer": "x"})
    assert (sent.status_code, sent.get_json()["code"]) == (410, 410)


@pytest.fixture
def waiting(app: Flask) -> Iterator[ProcessingTask]:
    """Give a task of the quiz that waits for an answer, as its first job leaves it."""
    with app.app_context():
        task = ProcessingTask(task_name="quiz", data={"answers": []})
        task.add_next_step("/answer", "/ask", "question", commit=True)
        yield task


def answer_url(app: Flask, task: ProcessingTask) -> str:
    with app.test_request_context():
        return app.url_for("quiz game@v1-2-0.AnswerView", db_id=task.id)


def test_only_one_of_many_answers_is_taken(
    app: Flask, client: FlaskClient, waiting: ProcessingTask
) -> None:
    url = answer_url(app, waiting)

    def send(answer: int) -> int:
        return app.test_client().post(url, data={"answer": answer}).status_code

    with ThreadPoolExecutor(6) as pool:
        codes = sorted(pool.map(send, range(6)))
    assert codes == [303, *[409] * 5]
    late = client.post(url, data={"answer": 7})
    assert late.get_json()["message"].startswith("This step was answered before")
    DB.session.expire_all()
    assert len(waiting.data["answers"]) == 1


@pytest.mark.parametrize(
    ("next_at", "code"), [("/elsewhere/", 409), ("the same", 303)], ids=["other", "same"]
)
def test_a_late_answer_is_none_to_the_next_step(
    app: Flask, client: FlaskClient, next_at: str, code: int
) -> None:
    """A form that is sent twice may find the next step waiting already."""
    with app.app_context():
        task = ProcessingTask(task_name="quiz", data={"answers": []})
        task.save(commit=True)
        url, task_id = answer_url(app, task), task.id
        first = f"http://localhost{url}"
        task.add_next_step(first, "/ask", "first", commit=True)
        task.clear_previous_step(commit=True)
        second = first if next_at == "the same" else next_at
        task.add_next_step(second, "/ask", "second", commit=True)
    assert client.post(url, data={"answer": 7}).status_code == code
    with app.app_context():
        task = records.get(task_id)
        assert (task.is_finished, task.has_uncleared_step) == (False, code == 409)
        assert len(task.data["answers"]) == (code == 303)


def test_a_task_that_has_ended_takes_no_answer(
    app: Flask, client: FlaskClient, waiting: ProcessingTask
) -> None:
    waiting.finished_at, waiting.task_status = now(), "FAILURE"
    waiting.save(commit=True)
    answer = client.post(answer_url(app, waiting), data={"answer": 7})
    assert answer.status_code == 409
    assert answer.get_json()["message"].startswith("The task has ended")
    DB.session.expire_all()
    assert waiting.data["answers"] == []
