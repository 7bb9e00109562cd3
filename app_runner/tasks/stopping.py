"""Ends the running jobs of a worker that must not go on: cancelled, over a limit.

A cancelled job is told first (see `app_runner.tasks.cancelling`), then its process group
gets SIGTERM, and SIGKILL after a grace time. A job over a hard limit has its task ended
before its process, so that nothing tries it again. With pools whose jobs share a process
only the telling is possible. Works in the rounds of the minder, which it never holds up.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from billiard.process import current_process
from celery import signals
from flask import Flask
from sqlalchemy import bindparam, or_, select

from app_runner.db.engine import DB
from app_runner.db.types import now
from app_runner.errors import LeaseLost, TaskFinished, TaskNotFound
from app_runner.state import state_of
from app_runner.tasks import cancelling, limits, records
from app_runner.tasks.minder import Job
from app_runner.tasks.records import TASK, Attempt

#: Points (of 1000) that are added when the kernel chooses what to end.
MORE_LIKELY = "500"
#: Seconds in which a job that was told may end by itself.
TOLD_FOR = 0.9
CANCELLED = select(TASK.c.id).where(
    TASK.c.id.in_(bindparam("ids", expanding=True)),
    TASK.c.state.in_((records.CANCELLING, "cancelled")),
)
#: Tasks to end whose job is gone, wherever it ran.
LEFT_OVER = select(TASK.c.id).where(
    TASK.c.state == records.CANCELLING,
    or_(TASK.c.lease_expires_at < bindparam("now"), TASK.c.lease_key.is_(None)),
)


@dataclass
class Ending:
    """A job that is being ended."""

    job: Job
    began: float = field(default_factory=time.monotonic)
    #: When its group got SIGTERM.
    asked: float | None = None


class Stopper:
    """Ends jobs of the worker that it lives in."""

    def __init__(self, app: Flask) -> None:
        """Take the app."""
        self._grace = float(state_of(app).settings["CANCEL_GRACE"])
        self._endings: dict[str, Ending] = {}
        self._warned: set[str] = set()

    def tick(self, jobs: Sequence[Job]) -> None:
        """Go one step further with all jobs that must end."""
        running = {job.lease_key: job for job in jobs}
        for key in self._endings.keys() - running.keys():
            self._finish(self._endings.pop(key))
        self._warned &= running.keys()
        self._note_cancelled(jobs)
        self._check_limits([j for j in jobs if j.lease_key not in self._endings])
        for ending in self._endings.values():
            self._advance(ending)
        _end_left_over()

    def _note_cancelled(self, jobs: Iterable[Job]) -> None:
        ids = [job.task_id for job in jobs if job.task_id is not None]
        with DB.engine.connect() as connection:
            found = set(connection.scalars(CANCELLED, {"ids": ids})) if ids else set()
        for job in jobs:
            if job.task_id in found:
                self._endings.setdefault(job.lease_key, Ending(job))

    def _check_limits(self, jobs: Iterable[Job]) -> None:
        mine = [job for job in jobs if job.task_id is not None]
        limited = [(job, limits.limits_of(job.name)) for job in mine]
        greedy = [job.pid for job, its in limited if its.memory and job.has_own_process]
        used = limits.resident(greedy) if greedy else {}
        for job, its in limited:
            age = time.time() - job.started_at
            if its.memory and used.get(job.pid, 0) > its.memory:
                self._stop(job, limits.out_of_memory(used[job.pid], its.memory))
                _signal(job, signal.SIGKILL)
            elif its.time and age >= its.time:
                self._stop(job, limits.out_of_time(its.time))
            elif its.soft_time and age >= its.soft_time:
                self._warn(job)

    def _warn(self, job: Job) -> None:
        if job.lease_key not in self._warned and job.has_own_process and job.is_running:
            os.kill(job.pid, signal.SIGUSR1)  # SoftTimeLimitExceeded, says billiard
        self._warned.add(job.lease_key)

    def _stop(self, job: Job, reason: str) -> None:
        """End the task, then ask its job to end."""
        _fail(job, reason)
        ending = self._endings[job.lease_key] = Ending(job)
        self._ask(ending)

    def _advance(self, ending: Ending) -> None:
        moment = time.monotonic()
        if ending.asked is None and moment - ending.began >= TOLD_FOR:
            self._ask(ending)
        elif ending.asked is not None and moment - ending.asked >= self._grace:
            _signal(ending.job, signal.SIGKILL)
            cancelling.settle(held_by(ending.job))

    def _ask(self, ending: Ending) -> None:
        ending.asked = time.monotonic()
        _signal(ending.job, signal.SIGTERM)

    def _finish(self, ending: Ending) -> None:
        """Leave nothing of a job that has ended with its process.

        A process that has outlived the job may be at the next one.
        """
        job = ending.job
        if job.has_own_process and job.pid and not _is_alive(job.pid):
            with suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
        cancelling.settle(held_by(job))


def _end_left_over() -> None:
    with DB.engine.connect() as connection:
        found = connection.scalars(LEFT_OVER, {"now": now()}).all()
    for task_id in found:
        with suppress(TaskFinished, TaskNotFound):
            records.cancel(task_id)


def _signal(job: Job, number: signal.Signals) -> None:
    """Send a signal to the group of a running job, or to its process if it leads none."""
    if not job.has_own_process or not job.pid or not job.is_running:
        return
    try:
        os.killpg(job.pid, number)
    except ProcessLookupError:
        with suppress(ProcessLookupError):
            os.kill(job.pid, number)


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def held_by(job: Job) -> Attempt:
    """Give the right to speak for the task of a job."""
    return Attempt(job.task_id or 0, 0, 0, job.lease_key, "", multi_step=True)


def _fail(job: Job, reason: str) -> None:
    task_id = job.task_id or 0
    with suppress(TaskFinished, TaskNotFound):
        try:
            records.fail(task_id, reason, held_by(job))
        except LeaseLost:
            records.fail(task_id, reason, idle=True)


def watch(app: Flask) -> None:
    """End the jobs of this worker that must not go on."""
    state_of(app).minder.every_second(Stopper(app).tick)
    signals.worker_process_init.connect(_go_first, weak=False)


def _go_first(**_: object) -> None:
    """Let the kernel, when memory runs out, end a job rather than its worker."""
    if current_process().name != "MainProcess":
        with suppress(OSError):  # not on Linux
            Path("/proc/self/oom_score_adj").write_text(MORE_LIKELY)
