"""Ending tasks on request: what waits ends at once, what runs is told."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from app_runner.db import DB
from app_runner.errors import TaskFinished, TaskNotFound
from app_runner.state import state_of
from app_runner.tasks import records
from app_runner.tasks.cancelling import cancel
from app_runner.tasks.leases import ANY_TIME
from tests.api.conftest import assert_error, path_of
from tests.tasks.conftest import Run, claim, document

CANCEL = {"command": "cancel"}


def test_a_queued_task_ends_at_once_and_never_starts(app: Flask) -> None:
    task_id = records.start("works@1.work", parameters='{"do": "good"}')
    cancel(task_id)
    task = document(app, task_id)
    assert (task["status"], task["execution"]["state"]) == ("FAILURE", "cancelled")
    assert task["log"] == "The task was cancelled."
    state_of(app).celery.tasks["works@1.work"](db_id=task_id)
    assert document(app, task_id) == task
    assert task["execution"]["attempts"] == []


def test_a_task_that_waits_for_input_ends_at_once(app: Flask) -> None:
    task_id = records.start("x")
    task = records.get(task_id)
    task.add_next_step("http://a/", "http://a/ui", "one", commit=True)
    cancel(task_id)
    assert document(app, task_id)["execution"]["state"] == "cancelled"
    assert [step["cleared"] for step in document(app, task_id)["steps"]] == [True]


def test_a_running_job_is_told_and_its_end_is_the_end(app: Flask, run: Run) -> None:
    task = document(app, run("cancelled"))
    assert (task["status"], task["execution"]["state"]) == ("FAILURE", "cancelled")
    assert task["log"].splitlines()[-2:] == ["cleaning up", "The task was cancelled."]
    assert task["outputs"] == []
    assert [a["outcome"] for a in task["execution"]["attempts"]] == ["cancelled"]


def test_a_job_that_does_not_listen_may_still_succeed(app: Flask, run: Run) -> None:
    task = document(app, run("cancelled_late"))
    assert (task["status"], task["log"]) == ("SUCCESS", "was faster")


def test_a_task_that_asks_after_it_was_cancelled_does_not_wait(
    app: Flask, run: Run
) -> None:
    task = document(app, run("asks_cancelled"))
    assert task["execution"]["state"] == "cancelled"
    assert "steps" not in task


def test_the_wish_outlives_the_job(app: Flask) -> None:
    task_id = records.start("x")
    attempt = claim(task_id)
    cancel(task_id)
    for _twice in range(2):  # the message comes a second time while the job runs
        assert document(app, task_id)["execution"]["state"] == "cancelling"
        assert document(app, task_id)["status"] == "PENDING"
        assert records.claim(task_id, worker="w", publication_key=None) is None
    lost: Any = {"outcome": "killed by signal 9", "before": ANY_TIME}
    assert records.release(task_id, attempt.lease_key, **lost)
    assert document(app, task_id)["execution"]["state"] == "cancelled"


def test_cancelling_twice_is_fine_and_what_has_ended_stays(app: Flask) -> None:
    task_id, ended = records.start("x"), records.start("x")
    cancel(task_id)
    cancel(task_id)
    records.succeed(ended, "done")
    with pytest.raises(TaskFinished):
        cancel(ended)
    with pytest.raises(TaskNotFound):
        cancel(10**6)
    assert document(app, ended)["log"] == "done"


def test_cancel_over_http(app: Flask) -> None:
    task_id = records.start("x")
    DB.session.commit()
    url, client = path_of(app, "tasks-api.TaskView", task_id=task_id), app.test_client()
    answer = client.post(url, json=CANCEL, buffered=True)
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["execution"]["state"] == "cancelled"
    assert client.post(url, json=CANCEL, buffered=True).status_code == 200
    ended = records.start("x")
    records.fail(ended, "no")
    url = path_of(app, "tasks-api.TaskView", task_id=ended)
    assert_error(client.post(url, json=CANCEL, buffered=True), 409)
