"""Minds the jobs of a worker: a thread in its main process that knows which of them run.

A thread beside the author's code would starve whenever that code holds the GIL, so with
the prefork pool the minder lives in the parent. It calls what is registered for each
second (leases, limits, the reaper) with the jobs that run. Knows nothing of the database.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from billiard.process import current_process
from celery import signals
from celery.exceptions import TaskRevokedError
from celery.worker import state as worker_state
from celery.worker.request import Request
from celery.worker.state import task_ready
from flask import Flask

from app_runner.state import state_of
from app_runner.tasks.references import speaking_of

LOG = logging.getLogger(__name__)
PERIOD = 1.0  # seconds between two rounds
PROCESS_DIED = (WorkerLostError, SystemExit, KeyboardInterrupt)
#: How many times as long leases are where the minder shares the GIL with the jobs.
WITHOUT_PROCESSES = 10


@dataclass(frozen=True)
class Job:
    """A job that runs in this worker.

    ``pid`` is the process that runs it: with the prefork pool a child that leads a
    process group of its own, else the worker itself. ``lease_key`` is of this execution
    only; ``publication_key`` is of the message, ``task_id`` is its task, if it names one.
    """

    name: str
    message_id: str
    publication_key: str | None
    lease_key: str
    task_id: int | None
    pid: int
    started_at: float  # seconds since the epoch
    is_journaled: bool  # its message has a row of its own
    request: WatchedRequest

    @property
    def has_own_process(self) -> bool:
        """Tell whether ending the process ends this job and nothing else."""
        return self.pid != os.getpid()

    @property
    def is_running(self) -> bool:
        """Tell whether it is still so: its process may be at another job by now."""
        return self.request in worker_state.active_requests


Tick = Callable[[Sequence[Job]], None]


class WatchedRequest(Request):
    """A message that a worker has received; gives its execution the key of a lease."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take what Celery gives; a retry brings the key that its job held before."""
        super().__init__(*args, **options)
        headers: dict[str, Any] = self.request_dict
        headers["held_before"] = headers.get("lease_key")
        headers["lease_key"] = secrets.token_hex(16)
        headers["lease_seconds"] = self.minder.lease_seconds

    @property
    def minder(self) -> Minder:
        """Give the minder of the app that the message belongs to."""
        celery: Any = self.app
        return state_of(celery.flask_app).minder

    def on_accepted(self, pid: Any, time_accepted: float) -> None:
        """Note that the job runs now."""
        self.minder.add(self)
        super().on_accepted(pid, time_accepted)

    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        """Put a job back whose process has died; its next claim decides what becomes."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        with speaking_of(self.request_dict):
            if not isinstance(error, PROCESS_DIED) or not self._is_durable:
                super().on_failure(exc_info, send_failed_event, return_ok)
                return
            LOG.warning("%s[%s]: %s", self.name, self.id, error)
            task_ready(self)
            self.minder.job_broke(self.as_job(), error)
            self.reject(requeue=True)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """End a job that took too long."""
        with speaking_of(self.request_dict):
            super().on_timeout(soft, timeout)
            if not soft:
                self.minder.job_broke(self.as_job(), TimeLimitExceeded(timeout))

    def _announce_revoked(
        self, reason: str, terminated: bool, signum: Any, expired: bool
    ) -> None:
        """End what was called off with the tools of Celery, or came too late."""
        base: Any = super()
        with speaking_of(self.request_dict):
            base._announce_revoked(reason, terminated, signum, expired)
            if self._is_durable:
                self.minder.job_broke(self.as_job(), TaskRevokedError(reason))

    @property
    def _is_durable(self) -> bool:
        headers: dict[str, Any] = self.request_dict
        return bool(headers.get("journaled") or getattr(self.task, "claims_task", False))

    def as_job(self) -> Job:
        """Give what is known of the running job."""
        headers: dict[str, Any] = self.request_dict
        task_id = (self.kwargs or {}).get("db_id")
        return Job(
            name=self.name,
            message_id=self.id,
            publication_key=headers.get("publication_key"),
            lease_key=headers["lease_key"],
            task_id=task_id if isinstance(task_id, int) else None,
            pid=int(self.worker_pid or 0),
            started_at=self.time_start or 0,
            is_journaled=bool(headers.get("journaled")),
            request=self,
        )


class Minder:
    """Knows the jobs that run in this process' pool, and calls every second."""

    def __init__(self, app: Flask, lease_seconds: float) -> None:
        """Take the app; nothing runs until `start`."""
        self._app = app
        self.lease_seconds = lease_seconds
        #: Called with a job whose process has died, and with Celery's error.
        self.when_broken: Callable[[Job, object], None] = lambda job, error: None
        self._accepted: dict[str, WatchedRequest] = {}
        self._ticks: list[Tick] = []
        self._alone: list[Tick] = []
        self._failing: set[Tick] = set()
        #: Other threads of a worker hold it while they use the database: a child that is
        #: forked meanwhile would inherit locks of its library that nobody opens.
        self.still = threading.Lock()

    def every_second(self, tick: Tick, *, alone: bool = False) -> None:
        """Call ``tick`` with the running jobs each second, in the app's context.

        It must return soon: the ticks share one thread, and no child process is started
        meanwhile. One that may wait (for a broker, say) gets a thread ``alone``.
        """
        (self._alone if alone else self._ticks).append(tick)

    def add(self, request: WatchedRequest) -> None:
        """Take a job that begins to run; it is known until Celery calls it done."""
        self._accepted[request.request_dict["lease_key"]] = request

    def jobs(self) -> list[Job]:
        """Give the jobs that run, oldest first."""
        accepted = list(self._accepted.items())
        for key, request in accepted:
            if request.time_start and request not in worker_state.active_requests:
                self._accepted.pop(key, None)
        return [r.as_job() for r in list(self._accepted.values()) if r.time_start]

    def start(self) -> None:
        """Start the threads; a fork waits until none of them holds anything."""
        _hold_at_fork(self.still)
        for ticks in (self._ticks, *([tick] for tick in self._alone)):
            idle = threading.Lock()
            _hold_at_fork(idle)
            thread = threading.Thread(target=self._mind, args=(ticks, idle), daemon=True)
            thread.name = f"minder of {len(ticks)}"
            thread.start()

    def _mind(self, ticks: Sequence[Tick], idle: threading.Lock) -> None:
        while True:
            began = time.monotonic()
            with idle:
                self.round(ticks)
            time.sleep(max(0.1, began + PERIOD - time.monotonic()))

    def round(self, ticks: Sequence[Tick]) -> None:
        """Call each of ``ticks`` once; what fails is said once."""
        for tick in ticks:
            try:
                with self._app.app_context():
                    tick(self.jobs())
            except Exception as error:
                if tick not in self._failing:
                    LOG.warning("Minding the jobs fails: %r", error, exc_info=True)
                self._failing.add(tick)
            else:
                if tick in self._failing:
                    LOG.info("Minding the jobs works again")
                self._failing.discard(tick)

    def job_broke(self, job: Job, error: object) -> None:
        """Tell that a job's process has died; when that fails, its lease will end."""
        try:
            with self._app.app_context():
                self.when_broken(job, error)
        except Exception:
            LOG.warning("Job %s keeps its lease to its end", job.name, exc_info=True)


def _hold_at_fork(lock: threading.Lock) -> None:
    """Let a fork wait for the lock, and let it be open in both processes afterwards."""
    os.register_at_fork(
        before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
    )


def watch(app: Flask) -> None:
    """Mind the jobs of this worker once it is ready; children lead their own groups."""
    minder = state_of(app).minder

    def ready(sender: Any, **_: Any) -> None:
        if not sender.controller.pool_cls.__module__.endswith("prefork"):
            minder.lease_seconds *= WITHOUT_PROCESSES
        minder.start()

    signals.worker_ready.connect(ready, weak=False)
    signals.worker_process_init.connect(_lead_a_group, weak=False)


def _lead_a_group(**_: Any) -> None:
    """Make a forked child the leader of its session, so that it can be ended alone.

    That it dies with its parent is Celery's own doing (``PR_SET_PDEATHSIG``).
    """
    if current_process().name != "MainProcess":
        with suppress(PermissionError):  # it leads one already
            os.setsid()
