"""Whether the workers take work: each sends itself a job and waits for it to be done.

A worker may be alive and yet deaf: its process runs, but what the broker has for it never
reaches it. Each worker has a queue of its own for this job, which takes the way of all
others: broker, consumer, pool, database.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from celery import signals
from flask import Flask
from kombu import Exchange, Queue
from sqlalchemy import Table, bindparam, delete, insert, select, update

from app_runner.db.engine import DB
from app_runner.db.models import WorkerSign
from app_runner.db.types import now
from app_runner.errors import BrokerUnavailable
from app_runner.state import state_of
from app_runner.tasks.jobs import CORE
from app_runner.tasks.journal import Outgoing
from app_runner.tasks.minder import Job

LOG = logging.getLogger(__name__)
EVERY = timedelta(seconds=30)
#: Who is silent for longer than this is gone, not deaf.
GONE = timedelta(seconds=90)
FORGOTTEN = timedelta(days=1)
LEFT_FOR = 600.0  # seconds that RabbitMQ keeps the queue of a worker that is gone
CANARY = "app-runner.canary"
SIGN = cast(Table, WorkerSign.__table__)
OF_NAME = SIGN.c.name == bindparam("of_name")
ANSWER = update(SIGN).where(OF_NAME).values(answered_at=bindparam("time"))
SEEN = select(SIGN.c.name, SIGN.c.deaf_since).where(SIGN.c.seen_at > bindparam("since"))


@CORE.task(name=CANARY, ignore_result=True)
def sing(worker: str) -> None:
    """Tell that this worker takes work."""
    values = {"of_name": worker, "time": now()}
    DB.session.connection().execute(ANSWER, values)
    DB.session.commit()


def queue_of(worker: str) -> Queue:
    """Give the queue of one worker, which is gone soon after it."""
    name = f"{worker}.canary"
    return Queue(name, Exchange(""), name, durable=False, expires=LEFT_FOR)


class Canary:
    """Sends the job to this worker, and writes down whether it was heard of."""

    def __init__(self, app: Flask) -> None:
        """Take the app."""
        self._celery: Any = state_of(app).celery
        self.name, self.slots = "", 0
        self._sent_at: datetime | None = None
        self._deaf = False

    def tick(self, jobs: Sequence[Job]) -> None:
        """Send one each half a minute; a busy worker is not asked."""
        moment = now()
        if not self.name or (self._sent_at and moment - self._sent_at < EVERY):
            return
        self._note(moment, self._heard(), has_room=len(jobs) < self.slots)
        if len(jobs) >= self.slots:
            return
        self._sent_at = moment
        options = {"queue": queue_of(self.name), "expires": EVERY.total_seconds()}
        try:
            self._celery.publish(Outgoing(CANARY, (self.name,), {}, options))
        except BrokerUnavailable as error:  # which is said elsewhere
            LOG.debug("No canary: %s", error)

    def _heard(self) -> bool:
        if self._sent_at is None:
            return True
        answered = DB.session.scalar(
            select(SIGN.c.answered_at).where(SIGN.c.name == self.name)
        )
        return answered is not None and answered >= self._sent_at

    def _note(self, moment: datetime, heard: bool, has_room: bool) -> None:
        deaf = not heard and has_room
        if deaf and not self._deaf:
            LOG.warning("This worker is deaf: what is sent to it does not arrive")
        elif self._deaf and heard:
            LOG.warning("This worker hears again")
        since = self._sent_at if deaf else None
        self._deaf = deaf
        connection = DB.session.connection()
        row = {"seen_at": moment, "deaf_since": since}
        mine = SIGN.c.name == self.name
        if connection.execute(update(SIGN).where(mine).values(row)).rowcount == 0:
            connection.execute(insert(SIGN), {"name": self.name, **row})
        connection.execute(delete(SIGN).where(SIGN.c.seen_at < moment - FORGOTTEN))
        DB.session.commit()


def state_of_workers() -> str:
    """Say whether workers take work, for the health of the whole."""
    rows = DB.session.execute(SEEN, {"since": now() - GONE}).all()
    deaf = sorted(row.name for row in rows if row.deaf_since is not None)
    if deaf:
        return f"alive but deaf: {', '.join(deaf)}"
    return "ok" if rows else "none seen"


def watch(app: Flask) -> None:
    """Ask this worker again and again whether it takes work."""
    canary = Canary(app)

    def set_up(sender: str, instance: Any, **_: Any) -> None:
        instance.app.amqp.queues.select_add(queue_of(sender))

    def ready(sender: Any, **_: Any) -> None:
        canary.name, canary.slots = sender.hostname, sender.pool.num_processes

    signals.celeryd_after_setup.connect(set_up, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    state_of(app).minder.every_second(canary.tick, alone=True)
