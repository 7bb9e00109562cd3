"""Tasks and what belongs to them, as plugins use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app_runner.db import DB
from app_runner.db.models import (
    ProcessingTask,
    Step,
    TaskAttempt,
    TaskFile,
    TaskLink,
    TaskUpdateSubscription,
)
from app_runner.db.types import now
from app_runner.errors import StepError

pytestmark = pytest.mark.usefixtures("app_context")


@pytest.fixture
def task(app_context: Flask) -> ProcessingTask:
    task = ProcessingTask("t")
    task.save(commit=True)
    return task


def test_a_new_task_has_its_values_before_it_is_written() -> None:
    task = ProcessingTask(task_name="t", parameters="{}")
    assert task.status == "PENDING"
    assert (task.data, task.task_log, task.parameters) == ({}, "", "{}")
    assert (task.progress_start, task.progress_target, task.progress_unit) == (
        0,
        100,
        "%",
    )
    assert task.progress_value is None
    assert not task.is_finished
    assert not task.has_uncleared_step
    assert task.started_at.tzinfo is not None


def test_tasks_share_no_data() -> None:
    one, other = ProcessingTask("one"), ProcessingTask("other")
    one.data["a"] = 1
    assert other.data == {}


def test_an_id_is_there_after_a_flush_or_a_commit() -> None:
    flushed, committed = ProcessingTask("f"), ProcessingTask("c")
    flushed.save()
    DB.session.flush()
    committed.save(commit=True)
    assert (flushed.id, committed.id) == (1, 2)


@pytest.mark.parametrize("id_", [1, "1", "01"])
def test_a_task_is_found_by_number_and_digits(task: ProcessingTask, id_: Any) -> None:
    assert ProcessingTask.get_by_id(id_) is task
    assert ProcessingTask.get_by_id(id_=id_) is task


@pytest.mark.parametrize(
    "id_",
    [
        0,
        -1,
        "-1",
        2**63,
        "9" * 5000,
        "",
        "x",
        "1 ",
        "1.0",
        "١",
        "1;--",
        "1-abc",
    ],
)
@pytest.mark.usefixtures("task")
def test_garbage_finds_nothing(id_: Any) -> None:
    assert ProcessingTask.get_by_id(id_) is None


@pytest.mark.usefixtures("task")
def test_what_is_not_text_and_not_a_number_finds_nothing() -> None:
    for garbage in (None, True, 1.0, b"1", [1], 10**5000):
        assert ProcessingTask.get_by_id(garbage) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "status", "ok"),
    [
        ("SUCCESS", "SUCCESS", True),
        ("FAILURE", "FAILURE", False),
        (None, "FAILURE", False),
    ],
)
def test_a_task_is_pending_until_it_has_an_end(
    task: ProcessingTask, word: str | None, status: str, ok: bool
) -> None:
    task.task_status = word
    assert (task.status, task.is_ok) == ("PENDING", False)
    task.finished_at = now()
    assert (task.status, task.is_ok, task.is_finished) == (status, ok, True)


def test_log_entries_are_lines(task: ProcessingTask) -> None:
    for entry in ("one", "two\nthree", "", "four"):
        task.add_task_log_entry(entry)
    DB.session.commit()
    assert task.task_log == "one\ntwo\nthree\n\nfour"


def test_a_step_waits_until_it_is_cleared(task: ProcessingTask) -> None:
    task.add_next_step("/href", "/ui", "first", commit=True)
    assert task.has_uncleared_step
    assert (task.multi_step, task.current_step, task.state) == (True, 0, "waiting")
    with pytest.raises(StepError, match="first"):
        task.add_next_step("/href", "/ui", "second")
    task.clear_previous_step(commit=True)
    assert not task.has_uncleared_step
    assert task.state == "queued"
    task.add_next_step(href="/2", ui_href="/u2", step_id="second", commit=True)
    assert [(step.number, step.step_id) for step in task.steps] == [
        (0, "first"),
        (1, "second"),
    ]


def test_clearing_without_a_step_is_fine(task: ProcessingTask) -> None:
    task.clear_previous_step(commit=True)
    assert task.steps == []


def test_scratch_files_are_no_outputs(task: ProcessingTask) -> None:
    TaskFile(task, file_name="kept", file_type="x/y").save()
    TaskFile(task, file_name="scratch", file_type="temp-file").save()
    DB.session.commit()
    assert [file.file_name for file in task.outputs] == ["kept"]


def test_each_file_has_a_tag_and_a_time_of_its_own(task: ProcessingTask) -> None:
    files = [TaskFile(task, file_name=name) for name in "ab"]
    assert files[0].security_tag != files[1].security_tag
    assert len(files[0].security_tag) >= 22  # 128 bits
    assert files[0].created_at <= files[1].created_at


def test_subscriptions_are_found_by_task(task: ProcessingTask) -> None:
    TaskUpdateSubscription(task, "http://hook", "http://task", "status").save()
    DB.session.commit()
    (found,) = TaskUpdateSubscription.of_task(task.id)
    assert (found.webhook_href, found.event_type) == ("http://hook", "status")
    assert TaskUpdateSubscription.of_task(task.id + 1) == []


CHANGES: dict[str, Callable[[ProcessingTask], object]] = {
    "a column": lambda task: setattr(task, "task_log", "x"),
    "its data": lambda task: task.data.update(a=1),
    "a step": lambda task: task.add_next_step("/h", "/u", "s"),
    "a link": lambda task: TaskLink(task, "t", "http://l").save(),
    "a file": lambda task: TaskFile(task, file_name="new").save(),
    "a link's address": lambda task: setattr(task.links[0], "href", "http://other"),
    "a file's name": lambda task: setattr(task.files[0], "file_name", "other"),
    "a file's end": lambda task: task.files.remove(task.files[0]),
    "a link's end": lambda task: task.links[0].delete(),
    "progress": lambda task: setattr(task, "progress_value", 1.0),
}


@pytest.fixture
def full(task: ProcessingTask) -> ProcessingTask:
    """Give a task with a link and a file, loaded anew."""
    TaskLink(task, "t", "http://l").save()
    TaskFile(task, file_name="f").save()
    task.add_next_step("/h", "/u", "first")
    task.clear_previous_step(commit=True)
    DB.session.expunge_all()
    found = ProcessingTask.get_by_id(1)
    assert found is not None
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_a_revision_grows_with_any_change(full: ProcessingTask, change: str) -> None:
    before = full.revision
    CHANGES[change](full)
    DB.session.commit()
    assert full.revision > before
    between = full.revision
    CHANGES["a column"](full)
    full.task_log += "more"
    DB.session.commit()
    assert full.revision > between


def test_a_cleared_step_makes_a_new_revision(full: ProcessingTask) -> None:
    full.add_next_step("/h", "/u", "second", commit=True)
    before = full.revision
    full.steps[-1].cleared = True
    DB.session.commit()
    assert full.revision > before


def test_reading_makes_no_new_revision(full: ProcessingTask) -> None:
    before = full.revision
    assert full.files
    assert full.data == {}
    full.save(commit=True)
    assert full.revision == before


def test_two_sessions_do_not_give_one_revision_twice(
    app: Flask, full: ProcessingTask
) -> None:
    before = full.revision
    full.task_log = "here"
    with app.app_context():  # has a session of its own
        there = ProcessingTask.get_by_id(1)
        assert there is not None
        there.progress_value = 5
        DB.session.commit()
    DB.session.commit()
    assert full.revision == before + 2


def test_attempts_and_steps_have_unique_numbers(task: ProcessingTask) -> None:
    task.attempts.append(TaskAttempt(number=1, lease_key="k"))
    task.steps.append(Step(number=0, step_id="s", href="", ui_href=""))
    DB.session.commit()
    assert [attempt.number for attempt in task.attempts] == [1]
    assert task.attempts[0].started_at.tzinfo is not None


def test_a_deleted_task_takes_everything_along(full: ProcessingTask) -> None:
    full.delete(commit=True)
    for class_ in (ProcessingTask, Step, TaskLink, TaskFile):
        assert DB.session.scalar(select(func.count()).select_from(class_)) == 0
