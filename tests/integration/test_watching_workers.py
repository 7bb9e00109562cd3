"""The invoke tasks that ask the workers and listen to them, against a real worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app_runner.config import PROJECT
from app_runner.state import state_of
from tests.integration.conftest import Runner
from tests.polling import wait_for
from tests.processes import Running, environment

pytestmark = pytest.mark.integration
INVOKE = (sys.executable, "-m", "invoke")


def invoke(runner: Runner, *task: str) -> str:
    """Run a task until its end is a good one, and give what it printed."""
    return wait_for(lambda: invoke_once(runner, *task), what=f"an answer to {task}")


def invoke_once(runner: Runner, *task: str) -> str:
    """Run a task to its end; gives nothing when no worker has answered in time."""
    done = subprocess.run(
        [*INVOKE, *task],
        cwd=PROJECT,
        env=environment(state_of(runner.app).settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, os.EX_UNAVAILABLE), done.stderr
    return done.stdout if done.returncode == 0 else ""


@contextmanager
def listening(runner: Runner, log: Path) -> Iterator[Running]:
    """Run `celery-monitor`, as in a pipe, during the block."""
    variables = environment(state_of(runner.app).settings)
    monitor = Running((*INVOKE, "celery-monitor"), variables, log)
    try:
        monitor.wait_until_printed("starting capture")
        yield monitor
    finally:
        monitor.stop()


def test_workers_say_what_they_do(runner: Runner) -> None:
    assert "1 node online" in invoke(runner, "celery-status")
    assert "app-runner.canary" in invoke(runner, "celery-inspect", "--what=registered")


def test_queues_are_shown_with_workers_and_plugins(runner: Runner) -> None:
    first, *rows = invoke(runner, "celery-queues").splitlines()
    assert first.split() == ["queue", "waiting", "workers", "plugins"]
    (jobs,) = [row.split() for row in rows if row.endswith(" jobs@1")]
    assert jobs[0].endswith(".jobs")
    assert jobs[2].startswith("test-")


def test_a_monitor_shows_what_workers_are_let_tell(
    runner: Runner, tmp_path: Path
) -> None:
    def runs() -> bool:
        runner.run("jobs@1/run/nothing/")
        return "task succeeded" in monitor.printed

    assert "task events enabled" in invoke(runner, "celery-enable-events")
    with listening(runner, tmp_path / "monitor.log") as monitor:
        wait_for(runs, what="an event of a task")
    assert "task events disabled" in invoke(runner, "celery-disable-events")
