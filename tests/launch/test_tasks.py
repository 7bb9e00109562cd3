"""Every invoke task of the project is there and says what it and its options do."""

from __future__ import annotations

import runpy

import pytest
from invoke.tasks import Task

from app_runner.config import PROJECT

TASKS = {
    task.name.replace("_", "-"): task
    for task in runpy.run_path(str(PROJECT / "tasks.py")).values()
    if isinstance(task, Task)
}


def test_the_tasks_are_those_that_are_promised() -> None:
    assert set(TASKS) == {
        *("start", "test", "lint", "demo", "worker", "start-broker", "stop-broker"),
        *("celery-queues", "celery-inspect", "celery-monitor", "celery-enable-events"),
        *("celery-disable-events", "reset-broker", "celery-status"),
        *("purge-task-queues", "start-gunicorn"),
        *("upgrade-db", "bench", "doc", "translate", "drill"),
    }


@pytest.mark.parametrize("name", sorted(TASKS))
def test_each_option_has_a_help_text(name: str) -> None:
    task = TASKS[name]
    assert task.__doc__
    for argument in task.get_arguments():
        assert argument.help, f"{name} {argument.name}"
