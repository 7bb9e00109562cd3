"""The checker of the drill finds what must not be, and only that."""

from __future__ import annotations

from sqlalchemy import Engine

from app_runner.db import DB
from app_runner.db.models import TaskAttempt
from app_runner.drill.checker import changed_ends, unfinished, violations
from app_runner.drill.clients import Accepted
from app_runner.tasks import records, results
from app_runner.tasks.records import Attempt
from tests.drill.conftest import TaskMaker


def succeed(task_id: int, attempt: Attempt) -> None:
    file = results.write(task_id, "1", "number.txt", "custom", "text/plain", attempt=1)
    records.succeed(task_id, "", attempt, [file])


def fail(task_id: int, attempt: Attempt) -> None:
    records.fail(task_id, "it could not", attempt)


def test_tasks_that_ended_are_fine(engine: Engine, make_task: TaskMaker) -> None:
    tasks = [make_task(succeed), make_task(fail)]
    assert violations(engine, tasks) == []
    assert unfinished(engine) == set()


def test_a_task_without_a_row_is_lost(engine: Engine, make_task: TaskMaker) -> None:
    lost = Accepted(99, "http://runner/tasks/99-x/", 99)
    assert violations(engine, [make_task(succeed), lost]) == ["task 99 is lost"]


def test_a_task_that_runs_has_not_ended(engine: Engine, make_task: TaskMaker) -> None:
    task = make_task()
    assert violations(engine, [task]) == [f"task {task.id} has not ended (running)"]
    assert unfinished(engine) == {task.id}


def test_a_second_result_is_found(engine: Engine, make_task: TaskMaker) -> None:
    def twice(task_id: int, attempt: Attempt) -> None:
        succeed(task_id, attempt)
        DB.session.add(
            TaskAttempt(task_id=task_id, number=2, lease_key="x", outcome="succeeded")
        )
        DB.session.commit()

    (wrong,) = violations(engine, [make_task(twice)])
    assert "attempts [1, 2]" in wrong


def test_a_missing_result_is_found(engine: Engine, make_task: TaskMaker) -> None:
    def without_file(task_id: int, attempt: Attempt) -> None:
        records.succeed(task_id, "", attempt)

    (wrong,) = violations(engine, [make_task(without_file)])
    assert "files of attempts []" in wrong


def test_an_end_that_changes_is_found() -> None:
    def seen(*statuses: str) -> list[dict[str, object]]:
        return [{"task": 1, "status": status} for status in statuses]

    assert changed_ends(seen("PENDING", "SUCCESS", "SUCCESS")) == []
    assert len(changed_ends(seen("SUCCESS", "FAILURE"))) == 1
    assert len(changed_ends(seen("FAILURE", "PENDING"))) == 1
