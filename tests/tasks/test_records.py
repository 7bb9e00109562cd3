"""The records of tasks: one attempt speaks for a task, and an end is an end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask

from app_runner.db import DB
from app_runner.db.models import ProcessingTask, TaskAttempt
from app_runner.db.types import now
from app_runner.errors import LeaseLost, StepError, TaskFinished, TaskNotFound
from app_runner.state import state_of
from app_runner.tasks import records
from app_runner.tasks.handle import Task
from app_runner.tasks.leases import ANY_TIME
from tests.polling import wait_for
from tests.tasks.conftest import Run, claim, document


def test_only_the_newest_attempt_is_heard(app: Flask) -> None:
    task_id = records.start("x")
    old, new = claim(task_id), claim(task_id)
    assert (old.number, new.number) == (1, 2)
    words: list[Callable[[], None]] = [
        lambda: records.report(old, progress_value=50),
        lambda: records.succeed(task_id, "old", old),
        lambda: records.fail(task_id, "old", old),
    ]
    for speak in words:
        with pytest.raises(LeaseLost):
            speak()
    records.report(new, "new", progress_value=10)
    records.succeed(task_id, "end", new)
    task = document(app, task_id)
    assert (task["status"], task["log"]) == ("SUCCESS", "new\nend")
    outcomes = [attempt["outcome"] for attempt in task["execution"]["attempts"]]
    assert outcomes == [None, "succeeded"]


def test_files_of_an_attempt_that_lost_its_lease_are_not_shown(
    app: Flask, run: Run
) -> None:
    task_id = records.start("x")
    old = Task(claim(task_id))
    new = Task(claim(task_id))
    old.save("out.txt", "old")
    new.save("out.txt", "new")
    with pytest.raises(LeaseLost):
        records.succeed(task_id, "", old._attempt, old.files)
    records.succeed(task_id, "", new._attempt, new.files)
    files = records.get(task_id).outputs
    assert [file.attempt for file in files] == [2]


def test_an_old_attempt_learns_at_its_next_progress_that_it_is_old(app: Flask) -> None:
    task_id = records.start("x")
    old = Task(claim(task_id))
    old.progress(1)
    claim(task_id)

    def is_told() -> bool:
        try:
            old.progress(2)
        except LeaseLost:
            return True
        return False

    wait_for(is_told, what="the refusal")


def test_attempts_are_capped(app: Flask) -> None:
    task_id = records.start("x")
    for _ in range(3):
        last = claim(task_id)
        ends: Any = {"outcome": "killed by signal 9", "before": ANY_TIME}
        records.release(task_id, last.lease_key, **ends)
    assert records.claim(task_id, worker="w", publication_key=None) is None
    task = document(app, task_id)
    assert task["status"] == "FAILURE"
    assert "tried 3 times; each time the worker was killed (signal 9" in task["log"]


def test_an_attempt_that_gives_signs_of_life_is_not_disturbed(app: Flask) -> None:
    task_id = records.start("x")
    attempts = [claim(task_id) for _ in range(3)]
    again = records.claim(task_id, worker="late copy", publication_key=None)
    assert again is None
    assert document(app, task_id)["status"] == "PENDING"
    assert not records.release(
        task_id, attempts[2].lease_key, "no sign of life", before=now()
    )
    records.succeed(task_id, "", attempts[2])


def test_an_attempt_that_was_handed_back_does_not_count(app: Flask) -> None:
    task_id = records.start("x")
    for _ in range(5):
        last = claim(task_id)
        records.release(task_id, last.lease_key, "handed back", before=ANY_TIME)
    assert claim(task_id).allowed == 8


def test_what_may_not_be_repeated_ends_with_the_first_loss(app: Flask) -> None:
    task_id = records.start("x")
    held = claim(task_id).lease_key
    records.release(task_id, held, "no sign of life", before=ANY_TIME, repeatable=False)
    assert records.claim(task_id, worker="w", publication_key=None) is None
    told = document(app, task_id)["log"]
    assert told.startswith("The worker was lost while it ran: the worker gave no sign")


def test_a_task_that_has_ended_is_not_claimed_again(app: Flask) -> None:
    task_id = records.start("x")
    records.succeed(task_id, "", claim(task_id))
    assert records.claim(task_id, worker="w", publication_key=None) is None
    assert DB.session.query(TaskAttempt).filter_by(task_id=task_id).count() == 1


def test_the_first_end_is_the_end(app: Flask) -> None:
    task_id = records.start("x")
    records.fail(task_id, "first")
    with pytest.raises(TaskFinished):
        records.succeed(task_id, "second")
    assert document(app, task_id)["log"] == "first"


def test_a_task_that_is_gone_is_said_to_be_gone(app: Flask) -> None:
    for end in (records.succeed, records.fail):
        with pytest.raises(TaskNotFound):
            end(10**9, "x")
    assert records.claim(10**9, worker="w", publication_key=None) is None


def test_times_are_set_per_row(app: Flask) -> None:
    first, second = (records.get(records.start("x")).started_at for _ in range(2))
    assert first < second
    assert first.tzinfo is not None


def core(app: Flask, name: str, *args: object, **kwargs: object) -> None:
    state_of(app).celery.tasks[f"app-runner.{name}"](*args, **kwargs)


@pytest.mark.parametrize("log", ["all good", "", None])
def test_save_result_ends_a_task_well(app: Flask, log: str | None) -> None:
    task_id = records.start("x")
    core(app, "save-result", log, db_id=task_id)
    task = document(app, task_id)
    assert (task["status"], task["log"]) == ("SUCCESS", log or "")


@pytest.mark.parametrize("log", [1, {"a": 1}, ["x"], b"x"])
def test_save_result_takes_text_only(app: Flask, log: object) -> None:
    task_id = records.start("x")
    with pytest.raises(TypeError):
        core(app, "save-result", log, db_id=task_id)
    assert document(app, task_id)["status"] == "PENDING"


def test_messages_that_come_twice_or_too_late_change_nothing(app: Flask) -> None:
    task_id = records.start("x")
    core(app, "save-result", "first", db_id=task_id)
    core(app, "save-result", "again", db_id=task_id)
    core(app, "add-step", "late", db_id=task_id, step_id="s", href="h", ui_href="u")
    core(app, "save-result", "to nobody", db_id=10**9)
    task = document(app, task_id)
    assert (task["status"], task["log"]) == ("SUCCESS", "first")
    assert "steps" not in task


def test_steps_come_one_after_another(app: Flask) -> None:
    task_id = records.start("x")
    step = {"db_id": task_id, "href": "h", "ui_href": "u"}
    core(app, "add-step", "asking", step_id="one", **step)
    task = document(app, task_id)
    assert task["steps"] == [
        {"href": "h", "uiHref": "u", "stepId": "one", "cleared": False}
    ]
    assert task["progress"] == {"start": 0, "target": 2, "value": 1, "unit": ""}
    assert (task["log"], task["execution"]["state"]) == ("asking", "waiting")
    with pytest.raises(StepError):
        core(app, "add-step", None, step_id="two", **step)
    DB.session.rollback()
    records.get(task_id).clear_previous_step(commit=True)
    core(app, "add-step", None, step_id="two", prog_value=80, prog_unit="%", **step)
    task = document(app, task_id)
    assert [(s["stepId"], s["cleared"]) for s in task["steps"]] == [
        ("one", True),
        ("two", False),
    ]
    assert task["progress"] == {"start": 0, "target": 100, "value": 80, "unit": "%"}


def test_the_end_clears_the_last_step_and_fills_the_progress(app: Flask) -> None:
    task_id = records.start("x")
    core(app, "add-step", None, db_id=task_id, step_id="s", href="h", ui_href="u")
    core(app, "save-result", None, db_id=task_id)
    task = document(app, task_id)
    assert task["steps"][0]["cleared"] is True
    assert task["progress"]["value"] == task["progress"]["target"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_progress_that_is_no_number_is_left_out(
    app: Flask, value: float | None
) -> None:
    task = ProcessingTask(task_name="x", progress_value=value)
    task.save(commit=True)
    assert "progress" not in document(app, task.id)


def test_data_is_kept_however_deep_it_changes(app: Flask) -> None:
    task = ProcessingTask(task_name="x")
    task.save(commit=True)
    task.data["a"] = {"b": []}
    DB.session.commit()
    task.data["a"]["b"].append({"c": 1})
    task.data.setdefault("joins", []).append(2)
    task.save(commit=True)
    DB.session.expire_all()
    assert records.get(task.id).data == {"a": {"b": [{"c": 1}]}, "joins": [2]}


def test_a_document_changes_whenever_its_task_does(app: Flask) -> None:
    task_id = records.start("x")
    seen = [document(app, task_id)]
    attempt = claim(task_id)
    seen.append(document(app, task_id))
    records.report(attempt, "line", progress_value=1)
    seen.append(document(app, task_id))
    records.get(task_id).add_next_step("h", "u", "s", commit=True)
    seen.append(document(app, task_id))
    records.succeed(task_id, "end", attempt)
    seen.append(document(app, task_id))
    assert all(one != other for one, other in pairwise(seen))


def test_the_id_of_a_deleted_task_is_never_given_again(app: Flask) -> None:
    first = records.start("x")
    records.get(first).delete(commit=True)
    assert records.start("x") > first
    url = app.url_for("tasks-api.TaskView", task_id=first)
    assert app.test_client().get(url).status_code == 410
