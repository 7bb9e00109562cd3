"""A worker that cannot reach the database takes no work until it can again.

Its jobs could claim nothing: each would come, wait for the database, and go. One that
cannot reach the broker gets no work anyway; Celery connects anew by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from celery import signals
from flask import Flask
from sqlalchemy import select

from app_runner.db.engine import DB
from app_runner.state import state_of
from app_runner.tasks.minder import Job
from app_runner.tasks.patience import DATABASE_AWAY

LOG = logging.getLogger(__name__)


class Pause:
    """Takes and leaves the queues of this worker as the database comes and goes."""

    def __init__(self) -> None:
        """Begin with a database that answers."""
        self.consumer: Any = None
        self._paused = False

    def tick(self, _jobs: Sequence[Job]) -> None:
        """Look whether the database answers."""
        answers = _database_answers()
        if answers == self._paused and self.consumer is not None:
            self._paused = not answers
            self.consumer.call_soon(self._turn)

    def _turn(self) -> None:
        """Do in the worker's main loop what was decided."""
        taking = self.consumer.task_consumer
        if taking is None:  # the connection to the broker is being made
            return
        if self._paused:
            LOG.warning("The database does not answer; no work is taken until it does")
            taking.cancel()
        else:
            LOG.warning("The database answers again; work is taken")
            taking.consume()


def _database_answers() -> bool:
    try:
        DB.session.execute(select(1))
    except DATABASE_AWAY:
        return False
    return True


def watch(app: Flask) -> None:
    """Let this worker take work only while its database answers."""
    pause = Pause()

    def ready(sender: Any, **_: Any) -> None:
        pause.consumer = sender

    signals.worker_ready.connect(ready, weak=False)
    state_of(app).minder.every_second(pause.tick, alone=True)
