"""What a processor does, and what its task then says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from app_runner.db import DB
from app_runner.db.models import TaskFile
from app_runner.state import REQUEST_ID, state_of
from app_runner.tasks import records, results
from tests.tasks.conftest import Run, document


def contents(task_id: int) -> dict[str, bytes]:
    found = {}
    for file in records.get(task_id).outputs:
        with results.open_file(file) as stream:
            found[file.file_name] = stream.read()
    return found


def test_a_processor_ends_its_task_itself(app: Flask, run: Run) -> None:
    task = document(app, run("good"))
    assert task["status"] == "SUCCESS"
    assert task["log"] == "one line\ndone"
    assert task["progress"] == {"start": 0, "target": 4, "value": 4, "unit": "rounds"}
    assert [output["name"] for output in task["outputs"]] == ["out.txt"]
    assert "steps" not in task
    execution = task["execution"]
    assert (execution["state"], execution["attempt"]) == ("succeeded", 1)
    assert [attempt["outcome"] for attempt in execution["attempts"]] == ["succeeded"]


def test_no_second_message_is_sent(app: Flask, run: Run) -> None:
    # a broker that is gone would be noticed
    state_of(app).celery.conf.update(broker_url="redis://127.0.0.1:1/0")
    try:
        assert document(app, run("good"))["status"] == "SUCCESS"
    finally:
        state_of(app).celery.conf.update(broker_url="memory://")


def test_a_user_error_is_shown_as_it_is_and_its_files_are_dropped(
    app: Flask, run: Run
) -> None:
    before = set(state_of(app).stores.default.keys())
    task_id = run("user_error")
    task = document(app, task_id)
    assert (task["status"], task["log"]) == ("FAILURE", "Choose a smaller number.")
    assert task["outputs"] == []
    assert set(state_of(app).stores.default.keys()) == before
    assert DB.session.query(TaskFile).filter_by(task_id=task_id).all() == []


def test_other_errors_show_no_path_and_a_reference(app: Flask, run: Run) -> None:
    REQUEST_ID.set("request-7")
    task = document(app, run("error"))
    assert task["status"] == "FAILURE"
    assert "FileNotFoundError" in task["log"]
    assert "file.txt" in task["log"]
    assert "request-7" in task["log"]
    assert "/secret" not in task["log"]
    assert "Traceback" not in task["log"]


def test_on_a_laptop_errors_show_everything(app: Flask, run: Run) -> None:
    state_of(app).settings["EXPOSURE"] = "local"
    try:
        task = document(app, run("error"))
    finally:
        state_of(app).settings["EXPOSURE"] = "public"
    assert "Traceback" in task["log"]
    assert "/secret/place/file.txt" in task["log"]


def test_an_output_that_was_declared_must_be_saved(app: Flask, run: Run) -> None:
    task = document(app, run("missing"))
    assert task["status"] == "FAILURE"
    assert "out.txt" in task["log"]
    assert "extra.json" not in task["log"]


def test_leaving_the_process_is_a_failure_and_leaves_no_process(
    app: Flask, run: Run
) -> None:
    task = document(app, run("exits"))
    assert task["status"] == "FAILURE"
    assert "no licence" in task["log"]


def test_what_is_no_number_is_no_progress(app: Flask, run: Run) -> None:
    task = document(app, run("numbers"))
    assert (task["status"], task["log"]) == ("SUCCESS", "42")
    assert "progress" not in task


def test_any_text_can_be_logged(app: Flask, run: Run) -> None:
    task = document(app, run("odd_text"))
    assert task["status"] == "FAILURE"
    assert "and half a" in task["log"]
    assert json.dumps(task["log"], ensure_ascii=False).encode()


def test_many_kinds_of_content_can_be_saved(app: Flask, run: Run) -> None:
    task_id = run("kinds")
    saved = contents(task_id)
    assert saved["out.txt"] == b"spooled"
    assert json.loads(saved["extra.json"]) == {"a": [1, "ä"]}
    assert saved["/etc/passwd"] == b"bytes"
    assert b"ACTIONS" in saved["self.py"]
    types = {
        o["name"]: (o["dataType"], o["contentType"])
        for o in document(app, task_id)["outputs"]
    }
    assert types["/etc/passwd"] == ("secret", "x/y")
    assert types["self.py"] == ("custom", "text/x-python")


def test_what_cannot_be_saved_fails_the_task(app: Flask, run: Run) -> None:
    task = document(app, run("unsavable"))
    assert task["status"] == "FAILURE"
    assert "cannot save a object" in task["log"]


def test_outputs_have_absolute_links_to_their_bytes(app: Flask, run: Run) -> None:
    href = document(app, run("good"))["outputs"][0]["href"]
    assert href.startswith("http://localhost/files/")
    assert app.test_client().get(href, buffered=True).data == b"hello"


@pytest.mark.parametrize("parameters", ["", "{}", "null", "[]", '{"do": 3}', "{"])
def test_parameters_that_no_longer_fit_fail_the_task(app: Flask, parameters: str) -> None:
    task_id = records.start("works@1.work", parameters=parameters)
    state_of(app).celery.tasks["works@1.work"](db_id=task_id)
    assert document(app, task_id)["status"] == "FAILURE"


def test_a_message_for_a_task_that_is_gone_does_nothing(app: Flask) -> None:
    job: Any = state_of(app).celery.tasks["works@1.work"]
    assert job(db_id=10**9) is None
