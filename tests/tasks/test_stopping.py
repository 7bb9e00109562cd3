"""Ending running jobs: their processes, what they have started, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from celery.worker import state as worker_state
from flask import Flask

from app_runner.tasks import records, stopping
from app_runner.tasks.cancelling import cancel
from app_runner.tasks.minder import Job
from app_runner.tasks.stopping import Stopper
from tests.polling import wait_for
from tests.tasks.conftest import claim

#: Starts a program, says its process id, and gives back what it reads.
PROCESS = """
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid)
for line in iter(input, ""):
    print(line)
"""


class Request:
    """Stands for a message that a worker works on."""


class Child:
    """Stands for a process of the pool, at a job that is cancelled."""

    def __init__(self) -> None:
        """Start the process and the job."""
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", PROCESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started = psutil.Process(int(self.read()))
        self.request = Request()
        worker_state.active_requests.add(self.request)
        task_id = records.start("works@1.work")
        attempt = claim(task_id)
        cancel(task_id)
        self.job = Job(
            name="works@1.work",
            message_id="m",
            publication_key=None,
            lease_key=attempt.lease_key,
            task_id=task_id,
            pid=self.process.pid,
            started_at=0,
            is_journaled=False,
            request=self.request,  # type: ignore[arg-type]
        )

    def read(self) -> str:
        """Give a line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def answers(self) -> bool:
        """Tell whether it is as it was; a signal that was sent has come by then."""
        assert self.process.stdin is not None
        self.process.stdin.write("still here\n")
        self.process.stdin.flush()
        return self.read() == "still here"

    def end_job(self) -> None:
        """Let the worker know the end of the job."""
        worker_state.active_requests.discard(self.request)


@pytest.fixture
def child(app: Flask) -> Iterator[Child]:
    found = Child()
    yield found
    found.end_job()
    found.process.kill()
    if found.started.is_running():
        found.started.kill()
    found.process.communicate()


def test_a_process_that_has_outlived_its_job_is_let_be(app: Flask, child: Child) -> None:
    stopper = Stopper(app)
    stopper.tick([child.job])
    child.end_job()
    stopper.tick([])
    assert child.answers(), "it may be at the next job"


def test_what_a_process_that_has_died_had_started_is_ended(
    app: Flask, child: Child
) -> None:
    stopper = Stopper(app)
    stopper.tick([child.job])
    child.process.kill()
    child.process.wait()
    child.end_job()
    stopper.tick([])
    wait_for(lambda: not child.started.is_running(), what="the end of the program")


def test_a_job_that_has_ended_meanwhile_gets_no_signal(
    app: Flask, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "TOLD_FOR", 0)
    stopper = Stopper(app)
    child.end_job()
    stopper.tick([child.job])
    assert child.answers()


def test_a_job_that_goes_on_after_it_was_told_gets_signals(
    app: Flask, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "TOLD_FOR", 0)
    Stopper(app).tick([child.job])
    assert child.process.wait(30) == -signal.SIGTERM
