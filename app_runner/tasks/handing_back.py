"""A worker that is asked to end gives its jobs some time, then hands them back.

Celery stops taking messages and waits for the jobs; what still runs when the grace is
over is given to other workers, without counting as an attempt, and this worker ends.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from celery import signals
from flask import Flask

from app_runner.state import state_of
from app_runner.tasks.losses import HANDED_BACK
from app_runner.tasks.minder import Job

if TYPE_CHECKING:
    from app_runner.tasks.reaper import Reaper

LOG = logging.getLogger(__name__)


def watch(app: Flask, reaper: Reaper) -> None:
    """Hand back what runs when the grace of this worker is over."""
    grace = state_of(app).settings["WORKER_GRACE"]
    ends_at = inf

    def asked(**_: Any) -> None:
        nonlocal ends_at
        ends_at = min(ends_at, time.monotonic() + grace)

    def tick(jobs: Sequence[Job]) -> None:
        if time.monotonic() >= ends_at:
            _hand_back(reaper, jobs)

    signals.worker_shutting_down.connect(asked, weak=False)
    state_of(app).minder.every_second(tick)


def _hand_back(reaper: Reaper, jobs: Sequence[Job]) -> None:
    for job in jobs:
        LOG.warning("The time is over: %s[%s] is handed back", job.name, job.message_id)
        try:
            reaper.give_up(job, HANDED_BACK)
        except Exception:  # its lease will end
            LOG.warning("%s keeps its lease to its end", job.name, exc_info=True)
    for job in jobs:
        if job.has_own_process and job.pid:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
    if jobs:
        logging.shutdown()
        os._exit(0)
