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

from billiard.process import current_process
from celery import signals
from celery.worker import state as worker_state
from celery.worker.request import Request
from flask import Flask

from app_runner.state import state_of

LOG = logging.getLogger(__name__)
PERIOD = 1.0  # seconds between two rounds
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
    request: WatchedRequest

    @property
    def has_own_process(self) -> bool:
        """Tell whether ending the process ends this job and nothing else."""
        return self.pid != os.getpid()


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
            request=self,
        )


class Minder:
    """Knows the jobs that run in this process' pool, and calls every second."""

    def __init__(self, app: Flask, lease_seconds: float) -> None:
        """Take the app; nothing runs until `start`."""
        self._app = app
        self.lease_seconds = lease_seconds
        self._accepted: dict[str, WatchedRequest] = {}
        self._ticks: list[Tick] = []
        self._failing: set[Tick] = set()
        self._idle = threading.Lock()

    def every_second(self, tick: Tick) -> None:
        """Call ``tick`` with the running jobs each second, in the app's context.

        It must return soon: all ticks share one thread, and no child process is started
        meanwhile.
        """
        self._ticks.append(tick)

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
        """Start the thread; a fork waits until the minder holds nothing."""
        os.register_at_fork(
            before=self._idle.acquire,
            after_in_parent=self._idle.release,
            after_in_child=self._idle.release,
        )
        threading.Thread(target=self._mind, name="minder", daemon=True).start()

    def _mind(self) -> None:
        while True:
            began = time.monotonic()
            with self._idle:
                self.round()
            time.sleep(max(0.1, began + PERIOD - time.monotonic()))

    def round(self) -> None:
        """Call everything that is registered once; what fails is said once."""
        for tick in self._ticks:
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
